package runtimeapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

const (
	pathTelemetry = "/2022-07-01/telemetry"
	pathLogs      = "/2020-08-15/logs"
)

// Kinds of what an extension may subscribe to.
const (
	KindPlatform  = "platform"
	KindFunction  = "function"
	KindExtension = "extension"
)

// Subscription is an extension's wish for telemetry, with all defaults filled in.
// https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api-reference.html
type Subscription struct {
	Extension string
	// Logs: by the older Logs API, whose platform events are fewer and simpler.
	// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-logs-api.html
	Logs   bool
	Schema string   // the version of the records: "2022-12-13"
	Kinds  []string // of KindPlatform, KindFunction, KindExtension

	// A batch goes out when it has so many items or bytes, or is so old.
	MaxItems int
	MaxBytes int
	Timeout  time.Duration

	TCP    bool   // lines over a connection that stays; else HTTP requests
	Port   int    // on the environment's loopback interface
	Path   string // of HTTP: "/"
	Method string // of HTTP: "POST" or "PUT"
}

// subscriptionRequest is the body of both APIs.
type subscriptionRequest struct {
	SchemaVersion string   `json:"schemaVersion"`
	Types         []string `json:"types"`
	Buffering     struct {
		MaxItems  *int `json:"maxItems"`
		MaxBytes  *int `json:"maxBytes"`
		TimeoutMs *int `json:"timeoutMs"`
	} `json:"buffering"`
	Destination struct {
		Protocol string `json:"protocol"`
		URI      string `json:"URI"`
		Method   string `json:"method"`
		Encoding string `json:"encoding"`
		Port     int    `json:"port"`
	} `json:"destination"`
}

// Versions of the records, of each API.
var (
	telemetrySchemas = []string{"2022-07-01", "2022-12-13", "2025-01-29"}
	logsSchemas      = []string{"2020-08-15", "2021-03-18"}
)

func parseSubscription(body []byte, logs bool) (*Subscription, error) {
	var asked subscriptionRequest
	if err := json.Unmarshal(body, &asked); err != nil {
		return nil, err
	}
	s := &Subscription{Logs: logs, Schema: asked.SchemaVersion, Kinds: asked.Types, MaxItems: 10_000, MaxBytes: 256 << 10, Timeout: time.Second, Path: "/", Method: http.MethodPost}
	schemas, leastMs := telemetrySchemas, 25
	if logs {
		schemas = logsSchemas
		if s.Schema == "" {
			s.Schema = schemas[0]
		}
	}
	if !slices.Contains(schemas, s.Schema) {
		return nil, fmt.Errorf("schemaVersion %q is not one of %q", s.Schema, schemas)
	}
	if len(s.Kinds) == 0 {
		return nil, fmt.Errorf("types is required")
	}
	for _, kind := range s.Kinds {
		if kind != KindPlatform && kind != KindFunction && kind != KindExtension {
			return nil, fmt.Errorf("type %q is not one of platform, function, extension", kind)
		}
	}
	timeout := 1000
	for _, limit := range []struct {
		name        string
		asked       *int
		to          *int
		least, most int
	}{
		{"maxItems", asked.Buffering.MaxItems, &s.MaxItems, 1000, 10_000},
		{"maxBytes", asked.Buffering.MaxBytes, &s.MaxBytes, 256 << 10, 1 << 20},
		{"timeoutMs", asked.Buffering.TimeoutMs, &timeout, leastMs, 30_000},
	} {
		if limit.asked == nil {
			continue
		}
		if *limit.asked < limit.least || *limit.asked > limit.most {
			return nil, fmt.Errorf("buffering.%s is %d, which is not between %d and %d", limit.name, *limit.asked, limit.least, limit.most)
		}
		*limit.to = *limit.asked
	}
	s.Timeout = time.Duration(timeout) * time.Millisecond
	return s, s.destination(&asked)
}

// destination takes where the records are to go.
func (s *Subscription) destination(asked *subscriptionRequest) error {
	d := &asked.Destination
	if d.Encoding != "" && d.Encoding != "JSON" {
		return fmt.Errorf("destination.encoding %q is not JSON", d.Encoding)
	}
	switch d.Protocol {
	case "TCP":
		s.TCP, s.Port = true, d.Port
	case "HTTP":
		u, err := url.Parse(d.URI)
		if err != nil || u.Scheme != "http" || u.Hostname() != "sandbox.localdomain" && u.Hostname() != "sandbox" {
			return fmt.Errorf("destination.URI %q is not of the form http://sandbox.localdomain:port", d.URI)
		}
		s.Port = 80
		if u.Port() != "" {
			if s.Port, err = strconv.Atoi(u.Port()); err != nil {
				return fmt.Errorf("destination.URI %q has a malformed port", d.URI)
			}
		}
		if u.RequestURI() != "" {
			s.Path = u.RequestURI()
		}
		switch d.Method {
		case "", http.MethodPost:
		case http.MethodPut:
			s.Method = http.MethodPut
		default:
			return fmt.Errorf("destination.method %q is neither POST nor PUT", d.Method)
		}
	default:
		return fmt.Errorf("destination.protocol %q is neither HTTP nor TCP", d.Protocol)
	}
	if s.Port < 1 || s.Port > 65535 || s.Port == 9001 {
		return fmt.Errorf("destination port %d cannot be used", s.Port)
	}
	return nil
}

// subscribe answers a request of the Telemetry API, or the Logs API.
func (c *conn) subscribe(h *head, logs bool) bool {
	c.s.ofExtension(c)
	if h.method != http.MethodPut {
		return c.refuse(h, http.StatusMethodNotAllowed, "MethodNotAllowed", "Method not allowed")
	}
	body, _, tooLarge, err := c.readBody(h)
	switch {
	case err != nil:
		return c.truncated(err)
	case tooLarge:
		return c.tooLarge(h)
	}
	api := "Telemetry"
	if logs {
		api = "Logs"
	}
	s := c.s
	s.mu.Lock()
	x, no := s.extension(h.extension.identifier)
	closed := s.initialized || s.closed
	other := no == nil && x.subscribed != "" && x.subscribed != api
	s.mu.Unlock()
	switch {
	case no != nil:
		return c.forbid(h, no)
	case closed:
		return c.forbid(h, refused(api+".SubscriptionClosed", "%s API subscription is closed already", api))
	case other:
		return c.forbid(h, refused(api+".AlreadySubscribed", "The extension has subscribed by the other API already"))
	}
	sub, err := parseSubscription(body, logs)
	if err != nil {
		return c.fail(h, http.StatusBadRequest, "ValidationError", err.Error())
	}
	s.mu.Lock()
	x.subscribed = api
	sub.Extension = x.Name
	s.mu.Unlock()
	s.handler.Subscribed(sub)
	return c.write(h, http.StatusOK, `"OK"`)
}
