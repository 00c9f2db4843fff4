package rest

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/paddock-run/paddock/internal/gateway/params"
	"github.com/paddock-run/paddock/internal/restapi"
)

// target is what a custom integration calls: its request is made by mappings, and
// its response read by others.
type target interface {
	send(c *call, req *backendRequest) (*backendResponse, *Failure)
}

// backendRequest is an integration's request.
type backendRequest struct {
	path   map[string]string
	query  url.Values
	header http.Header
	body   []byte
}

// backendResponse is what came of it.
type backendResponse struct {
	status int
	header http.Header
	body   []byte
	// byMessage: selection patterns are matched against selection (a function's
	// errorMessage) where the function failed, and not against the status.
	byMessage, failed bool
	selection         string
}

// custom is an integration that is no proxy.
type custom struct {
	definition  *definition
	target      target
	parameters  []params.Mapping
	templates   map[string]*template // by lower-case content type
	passthrough string
	handling    string
	responses   []*integrationResponse // those with a pattern, by status code
	otherwise   *integrationResponse   // nil: there is no default
}

func newCustom(d *definition, m *restapi.Method, t target) (backend, error) {
	in := m.Integration
	out := &custom{definition: d, target: t, passthrough: in.Passthrough, handling: in.ContentHandling}
	var err error
	if out.parameters, err = params.ParseRequest(in.Parameters); err != nil {
		return nil, err
	}
	if out.templates, err = parseTemplates(in.Templates, "request"); err != nil {
		return nil, err
	}
	for _, code := range slices.Sorted(maps.Keys(in.Responses)) {
		r, err := newIntegrationResponse(in.Responses[code])
		if err != nil {
			return nil, err
		}
		if r.pattern == nil {
			if out.otherwise == nil {
				out.otherwise = r
			}
			continue
		}
		out.responses = append(out.responses, r)
	}
	return out, nil
}

// do takes a request through the mappings, the backend, and back.
func (k *custom) do(c *call) (*response, *Failure) {
	req, f := k.request(c)
	if f != nil {
		return nil, f
	}
	answer, f := k.target.send(c, req)
	if f != nil {
		return nil, f
	}
	c.backendStatus = answer.status
	if c.integrationStatus == 0 {
		c.integrationStatus = answer.status
	}
	chosen := k.choose(answer)
	if chosen == nil {
		return nil, fail(configurationError, "Execution failed due to configuration error: No match for output mapping and no default endpoint response mapping configured. Endpoint Response Status Code: "+strconv.Itoa(answer.status))
	}
	return chosen.respond(c, answer)
}

// request makes the integration's request.
func (k *custom) request(c *call) (*backendRequest, *Failure) {
	req := &backendRequest{path: map[string]string{}, query: url.Values{}, header: http.Header{}}
	body, f := k.requestBody(c)
	if f != nil {
		return nil, f
	}
	for i := range k.parameters {
		m := &k.parameters[i]
		values := m.Source.Eval(requestValues{c})
		if values == nil {
			continue
		}
		switch m.In {
		case params.Path:
			req.path[m.Name] = values[0]
		case params.Query:
			req.query[m.Name] = values
		case params.Header:
			if validValues(values) {
				setHeader(req.header, m.Name, values)
			}
		}
	}
	if t := c.HTTP.Header["Content-Type"]; len(c.body) > 0 && req.header["Content-Type"] == nil {
		req.header["Content-Type"] = jsonType
		if len(t) > 0 {
			req.header["Content-Type"] = t[:1]
		}
	}
	template, f := k.template(c)
	if f != nil {
		return nil, f
	}
	req.body = body
	if template != nil {
		text, err := template.render(c, body)
		if err != nil {
			c.integrationError = "Unable to transform request"
			return nil, fail(configurationError, "Execution failed due to configuration error: Unable to transform request ("+err.Error()+")")
		}
		req.body = []byte(text)
		c.overrideRequest(req)
	}
	return req, nil
}

// requestBody is the caller's body as its type and contentHandling have it: text,
// bytes, or base64 of bytes.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-payload-encodings-workflow.html
func (k *custom) requestBody(c *call) ([]byte, *Failure) {
	binary := c.definition.binary.has(c.HTTP.Header.Get("Content-Type"))
	return convert(c.body, binary, k.handling)
}

// convert applies contentHandling to a payload.
func convert(body []byte, binary bool, handling string) ([]byte, *Failure) {
	switch {
	case handling == "CONVERT_TO_TEXT" && binary:
		return encodeBase64(body), nil
	case handling == "CONVERT_TO_BINARY" && !binary:
		plain, err := decodeBase64(body)
		if err != nil {
			return nil, fail(configurationError, "Execution failed due to configuration error: Unable to base64 decode the body.")
		}
		return plain, nil
	}
	return body, nil
}

// template is the one for the caller's content type; nil: the body is passed on.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/integration-passthrough-behaviors.html
func (k *custom) template(c *call) (*template, *Failure) {
	t := mediaType(c.HTTP.Header.Get("Content-Type"))
	if t == "" {
		t = "application/json"
	}
	if found := k.templates[t]; found != nil {
		return found, nil
	}
	refused := k.passthrough == "NEVER" || k.passthrough == "WHEN_NO_TEMPLATES" && len(k.templates) > 0
	if refused {
		return nil, fail(unsupportedMediaType, "No mapping template for the content type "+t)
	}
	return nil, nil
}

// choose finds the integration response for an answer, nil where none fits.
func (k *custom) choose(answer *backendResponse) *integrationResponse {
	text := strconv.Itoa(answer.status)
	if answer.byMessage {
		if !answer.failed {
			return k.otherwise
		}
		text = answer.selection
	}
	for _, r := range k.responses {
		if r.pattern.match(text) {
			return r
		}
	}
	return k.otherwise
}

// integrationResponse is how an answer becomes the method's response.
type integrationResponse struct {
	status     int
	pattern    *pattern // nil: the default
	parameters []params.Mapping
	templates  map[string]*template
	types      []string // of the templates, sorted
	handling   string
}

func newIntegrationResponse(r *restapi.IntegrationResponse) (*integrationResponse, error) {
	out := &integrationResponse{handling: r.ContentHandling}
	var err error
	if out.status, err = strconv.Atoi(r.StatusCode); err != nil || out.status < 100 || out.status > 599 {
		return nil, fmt.Errorf("the integration response's status code %q is none", r.StatusCode)
	}
	if r.SelectionPattern != "" {
		if out.pattern, err = newPattern(r.SelectionPattern); err != nil {
			return nil, fmt.Errorf("the selection pattern %q does not compile: %w", r.SelectionPattern, err)
		}
	}
	if out.parameters, err = params.ParseResponse(r.Parameters); err != nil {
		return nil, err
	}
	if out.templates, err = parseTemplates(r.Templates, "response"); err != nil {
		return nil, err
	}
	out.types = slices.Sorted(maps.Keys(out.templates))
	return out, nil
}

// respond makes the method's response of a backend's answer.
func (r *integrationResponse) respond(c *call, answer *backendResponse) (*response, *Failure) {
	out := &response{status: r.status, header: make(http.Header, len(r.parameters)+1)}
	body, f := convert(answer.body, c.definition.binary.has(answer.header.Get("Content-Type")), r.handling)
	if f != nil {
		return nil, f
	}
	for i := range r.parameters {
		m := &r.parameters[i]
		values := m.Source.Eval(responseValues{requestValues{c}, answer.header, answer.body})
		if values != nil && validValues(values) {
			if name, keep := responseHeaderName(http.CanonicalHeaderKey(m.Name), toHTTP); keep {
				out.header[name] = values
			}
		}
	}
	contentType := "application/json"
	out.body = body
	if t, template := r.template(c.HTTP.Header.Get("Accept")); template != nil {
		contentType = t
		text, err := template.render(c, body)
		if err != nil {
			c.integrationError = "Unable to transform response"
			return nil, fail(configurationError, "Execution failed due to configuration error: Unable to transform response ("+err.Error()+")")
		}
		out.body = []byte(text)
		c.overrideResponse(out)
	}
	if out.header["Content-Type"] == nil {
		out.header["Content-Type"] = []string{contentType}
	}
	if len(out.body) > maxPayload {
		return nil, fail(default5XX, "Execution failed: the response is over 10 MB")
	}
	return out, nil
}

// template chooses by what the caller accepts: that type's, else that of JSON,
// else the first.
func (r *integrationResponse) template(accept string) (string, *template) {
	if len(r.templates) == 0 {
		return "", nil
	}
	for _, t := range []string{mediaType(accept), "application/json"} {
		if found := r.templates[t]; found != nil {
			return t, found
		}
	}
	return r.types[0], r.templates[r.types[0]]
}

func parseTemplates(texts map[string]string, of string) (map[string]*template, error) {
	out := make(map[string]*template, len(texts))
	for contentType, text := range texts {
		t, err := parseTemplate(text)
		if err != nil {
			return nil, fmt.Errorf("the %s template for %s: %w", of, contentType, err)
		}
		out[strings.ToLower(contentType)] = t
	}
	return out, nil
}
