package rest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/paddock-run/paddock/internal/gateway/params"
	"github.com/paddock-run/paddock/internal/restapi"
)

// gatewayResponse is a customized gateway response.
type gatewayResponse struct {
	status    int // 0: the type's own
	headers   []params.Mapping
	types     []string // the templates' content types, sorted
	templates map[string]format
}

func newGatewayResponse(r *restapi.GatewayResponse) *gatewayResponse {
	out := &gatewayResponse{templates: map[string]format{}}
	if n, err := strconv.Atoi(r.StatusCode); err == nil && n >= 100 && n <= 599 {
		out.status = n
	}
	// The control plane has refused what does not parse.
	out.headers, _ = params.ParseGatewayResponse(r.Parameters)
	for t, text := range r.Templates {
		out.templates[strings.ToLower(t)] = parseFormat(text)
	}
	out.types = slices.Sorted(maps.Keys(out.templates))
	return out
}

// defaultTemplate is what a type has that nobody customized.
var defaultTemplate = parseFormat(`{"message":$context.error.messageString}`)

// deniedTemplate is ACCESS_DENIED's, which AWS writes otherwise than the rest.
var deniedTemplate = parseFormat(`{"Message":$context.error.messageString}`)

// response finds what stands for a failure: its type's, or that of all client or
// server errors; nil: the default.
func (d *definition) response(kind *responseType, status int) *gatewayResponse {
	if d == nil {
		return nil
	}
	if r := d.responses[kind.name]; r != nil {
		return r
	}
	if status >= 500 {
		return d.responses[default5XX.name]
	}
	return d.responses[default4XX.name]
}

// refuse makes the gateway response of a failure.
func (c *call) refuse(f *Failure) *response {
	c.failure = f
	kind := f.of()
	out := &response{status: f.status(), header: http.Header{"X-Amzn-Errortype": {f.code()}}}
	custom := c.definition.response(kind, out.status)
	// AWS does not let this one be customized.
	if custom == nil || kind == requestTooLarge {
		out.header["Content-Type"] = jsonType
		template := defaultTemplate
		if kind == accessDenied {
			template = deniedTemplate
		}
		out.body = []byte(template.render(c, ""))
		c.trace.failed(f, out)
		return out
	}
	if custom.status != 0 {
		out.status = custom.status
	}
	contentType, template := custom.template(c.HTTP.Header.Get("Accept"))
	out.header["Content-Type"] = []string{contentType}
	out.body = []byte(template.render(c, ""))
	for _, m := range custom.headers {
		if v := m.Source.Eval(requestValues{c}); v != nil && validValues(v) {
			setHeader(out.header, m.Name, v)
		}
	}
	c.trace.failed(f, out)
	return out
}

// template chooses by what the caller accepts: that type's template, else that of
// JSON, else the first.
func (r *gatewayResponse) template(accept string) (string, format) {
	if len(r.templates) == 0 {
		return "application/json", defaultTemplate
	}
	for _, t := range []string{mediaType(accept), "application/json"} {
		if f, ok := r.templates[t]; ok {
			return t, f
		}
	}
	t := r.types[0]
	return t, r.templates[t]
}

// quote makes a JSON string without escaping what HTML would want escaped.
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return `""` // a string always encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// setHeader sets values under the name's canonical form.
func setHeader(h http.Header, name string, values []string) {
	h[http.CanonicalHeaderKey(name)] = values
}

// validValues keeps a value from breaking a head apart.
func validValues(values []string) bool {
	for _, v := range values {
		if !validValue(v) {
			return false
		}
	}
	return true
}

func validValue(v string) bool {
	for i := range len(v) {
		if c := v[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
