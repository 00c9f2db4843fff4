package gateway

import (
	"encoding/base64"
	"encoding/json"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// event is the payload format 2.0 of a Lambda proxy integration.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
type event struct {
	Version               string            `json:"version"`
	RouteKey              string            `json:"routeKey"`
	RawPath               string            `json:"rawPath"`
	RawQueryString        string            `json:"rawQueryString"`
	Cookies               []string          `json:"cookies,omitempty"`
	Headers               map[string]string `json:"headers"`
	QueryStringParameters map[string]string `json:"queryStringParameters,omitempty"`
	RequestContext        requestContext    `json:"requestContext"`
	PathParameters        map[string]string `json:"pathParameters,omitempty"`
	StageVariables        map[string]string `json:"stageVariables,omitempty"`
	Body                  *string           `json:"body,omitempty"`
	IsBase64Encoded       bool              `json:"isBase64Encoded"`
}

type requestContext struct {
	AccountID    string      `json:"accountId"`
	APIID        string      `json:"apiId"`
	DomainName   string      `json:"domainName"`
	DomainPrefix string      `json:"domainPrefix"`
	HTTP         httpContext `json:"http"`
	RequestID    string      `json:"requestId"`
	RouteKey     string      `json:"routeKey"`
	Stage        string      `json:"stage"`
	Time         string      `json:"time"`
	TimeEpoch    int64       `json:"timeEpoch"` // milliseconds
}

type httpContext struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// newEvent makes the payload of a request.
func newEvent(c *call, body []byte, now time.Time) ([]byte, error) {
	r := c.request
	e := event{
		Version:        "2.0",
		RouteKey:       c.target.route.Key,
		RawPath:        c.rawPath(),
		RawQueryString: r.URL.RawQuery,
		StageVariables: c.stage.Variables,
		RequestContext: requestContext{
			AccountID:    c.api.Account,
			APIID:        c.api.ID,
			DomainName:   hostname(r.Host),
			DomainPrefix: prefix(hostname(r.Host)),
			HTTP: httpContext{
				Method:    r.Method,
				Path:      c.rawPath(),
				Protocol:  r.Proto,
				SourceIP:  sourceIP(r),
				UserAgent: r.UserAgent(),
			},
			RequestID: c.requestID,
			RouteKey:  c.target.route.Key,
			Stage:     c.stage.Name,
			Time:      now.UTC().Format("02/Jan/2006:15:04:05 +0000"),
			TimeEpoch: now.UnixMilli(),
		},
	}
	e.Headers, e.Cookies = headers(r, c.traceID)
	e.QueryStringParameters = queryParameters(r.URL.RawQuery)
	for i, name := range c.target.params {
		if e.PathParameters == nil {
			e.PathParameters = make(map[string]string, len(c.target.params))
		}
		value := c.params[i]
		if v, err := url.PathUnescape(value); err == nil {
			value = v
		}
		e.PathParameters[name] = value
	}
	if len(body) > 0 {
		text := string(body)
		if !isText(r.Header.Get("Content-Type")) {
			text = base64.StdEncoding.EncodeToString(body)
			e.IsBase64Encoded = true
		}
		e.Body = &text
	}
	return json.Marshal(&e)
}

// headers are a request's, lower-case, several values of one joined by commas;
// cookies stand apart.
func headers(r *http.Request, traceID string) (map[string]string, []string) {
	out := make(map[string]string, len(r.Header)+5)
	var cookies []string
	for name, values := range r.Header {
		lower := strings.ToLower(name)
		switch lower {
		case "connection", "transfer-encoding", "upgrade", "te", "keep-alive", "proxy-connection":
			continue // they are about this hop
		case "cookie":
			for _, v := range values {
				for c := range strings.SplitSeq(v, ";") {
					if c = strings.TrimSpace(c); c != "" {
						cookies = append(cookies, c)
					}
				}
			}
			continue
		}
		out[lower] = strings.Join(values, ",")
	}
	out["host"] = r.Host
	if _, ok := out["content-length"]; !ok && r.ContentLength >= 0 {
		out["content-length"] = itoa(r.ContentLength)
	}
	ip := sourceIP(r)
	if before := out["x-forwarded-for"]; before != "" {
		ip = before + ", " + ip
	}
	out["x-forwarded-for"] = ip
	out["x-forwarded-proto"] = scheme(r)
	out["x-forwarded-port"] = port(r)
	out["x-amzn-trace-id"] = traceID
	return out, cookies
}

// queryParameters joins several values of one name by commas.
func queryParameters(raw string) map[string]string {
	if raw == "" {
		return nil
	}
	// A pair that does not unescape is left out, as the gateway does; the raw
	// string still has it.
	values, _ := url.ParseQuery(raw)
	if len(values) == 0 {
		return nil
	}
	out := make(map[string]string, len(values))
	for k, v := range values {
		out[k] = strings.Join(v, ",")
	}
	return out
}

// isText says whether a body goes to the function as it is. Everything else,
// forms and bodies without a type among them, goes as base64.
func isText(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch t {
	case "application/json", "application/xml", "application/javascript":
		return true
	}
	return strings.HasPrefix(t, "text/")
}

func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return host
}

func prefix(host string) string {
	p, _, _ := strings.Cut(host, ".")
	return p
}

func sourceIP(r *http.Request) string { return hostname(r.RemoteAddr) }

func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

func port(r *http.Request) string {
	if _, p, err := net.SplitHostPort(r.Host); err == nil {
		return p
	}
	if r.TLS != nil {
		return "443"
	}
	return "80"
}
