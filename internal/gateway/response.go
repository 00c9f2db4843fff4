package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// response is what a function answers in payload format 2.0.
type response struct {
	status  int
	headers http.Header
	body    []byte
}

var errMalformed = errors.New("malformed Lambda proxy response")

// parseResponse reads a function's payload: an object with a statusCode is a
// response, anything else that is JSON is the body of a 200.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html#http-api-develop-integrations-lambda.response
func parseResponse(payload []byte) (*response, error) {
	payload = bytes.TrimSpace(payload)
	if !json.Valid(payload) {
		return nil, errMalformed
	}
	var object map[string]json.RawMessage
	if payload[0] == '{' {
		if err := json.Unmarshal(payload, &object); err != nil {
			return nil, errMalformed
		}
	}
	if _, ok := object["statusCode"]; !ok {
		return inferred(payload)
	}
	out := &response{headers: http.Header{}}
	var err error
	if out.status, err = statusCode(object["statusCode"]); err != nil {
		return nil, err
	}
	if err := out.setHeaders(object); err != nil {
		return nil, err
	}
	if err := out.setBody(object); err != nil {
		return nil, err
	}
	return out, nil
}

// inferred is the answer of a function that returned a plain value: a string
// stands for itself, everything else for its JSON.
func inferred(payload []byte) (*response, error) {
	out := &response{status: http.StatusOK, headers: http.Header{"Content-Type": {"application/json"}}, body: payload}
	switch payload[0] {
	case '"':
		var s string
		if err := json.Unmarshal(payload, &s); err != nil {
			return nil, errMalformed
		}
		out.body = []byte(s)
	case 'n':
		out.body = nil
	}
	return out, nil
}

// statusCode takes a number, or a string that is one. 1xx is not an answer but
// what comes before one: a client, and a proxy in front, would take what follows
// for another message, or for no HTTP at all.
func statusCode(raw json.RawMessage) (int, error) {
	text := strings.Trim(string(raw), `"`)
	f, err := strconv.ParseFloat(text, 64) // some languages write 200.0
	n := int(f)
	if err != nil || float64(n) != f || n < 200 || n > 599 {
		return 0, errMalformed
	}
	return n, nil
}

func (r *response) setHeaders(object map[string]json.RawMessage) error {
	single := map[string]any{}
	if err := optional(object["headers"], &single); err != nil {
		return err
	}
	for name, v := range single {
		value, ok := headerValue(v)
		if !ok || !validHeader(name, value) {
			return errMalformed
		}
		switch strings.ToLower(name) {
		case "content-length", "transfer-encoding", "connection", "trailer", "upgrade":
			continue // they are about this hop, and ours to say
		}
		r.headers.Set(name, value)
	}
	var cookies []string
	if err := optional(object["cookies"], &cookies); err != nil {
		return err
	}
	for _, c := range cookies {
		if !validHeader("Set-Cookie", c) {
			return errMalformed
		}
		r.headers.Add("Set-Cookie", c)
	}
	return nil
}

func (r *response) setBody(object map[string]json.RawMessage) error {
	var body *string
	if err := optional(object["body"], &body); err != nil {
		return err
	}
	var encoded bool
	if err := optional(object["isBase64Encoded"], &encoded); err != nil {
		return err
	}
	if body == nil {
		return nil
	}
	if r.body = []byte(*body); encoded {
		decoded, err := base64.StdEncoding.DecodeString(*body)
		if err != nil {
			return errMalformed
		}
		r.body = decoded
	}
	if r.headers.Get("Content-Type") == "" {
		r.headers.Set("Content-Type", "text/plain; charset=utf-8")
	}
	return nil
}

func optional(raw json.RawMessage, into any) error {
	if len(raw) == 0 {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return errMalformed
	}
	return nil
}

func headerValue(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// validHeader keeps a function from breaking the message apart.
func validHeader(name, value string) bool {
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?={}`, c) >= 0 {
			return false
		}
	}
	for _, c := range []byte(value) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return name != ""
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
