package rest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/paddock-run/paddock/internal/gateway/params"
)

// proxyResponse is what a function answers in payload format 1.0.
type proxyResponse struct {
	response
	encoded bool // isBase64Encoded
}

var errMalformed = errors.New("Malformed Lambda proxy response")

// parseProxyResponse reads a function's payload. What is in it beside the five
// members of the format makes it malformed, as at AWS.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-output-format
func parseProxyResponse(payload []byte) (*proxyResponse, error) {
	var object map[string]json.RawMessage
	if json.Unmarshal(payload, &object) != nil || object == nil {
		return nil, errMalformed
	}
	out := &proxyResponse{response: response{status: http.StatusOK, header: make(http.Header, 4)}}
	var err error
	for name, raw := range object {
		switch name {
		case "statusCode":
			out.status, err = statusCode(raw)
		case "isBase64Encoded":
			err = optionalJSON(raw, &out.encoded)
		case "body":
			out.body, err = bodyText(raw)
		case "headers", "multiValueHeaders", "cookies":
			if name == "cookies" { // only streams have them
				err = errMalformed
			}
		default:
			err = errMalformed
		}
		if err != nil {
			return nil, errMalformed
		}
	}
	if err := setHeaders(out.header, object["headers"], object["multiValueHeaders"]); err != nil {
		return nil, err
	}
	return out, nil
}

// statusCode takes a number, or a string that is one. 1xx is not an answer but
// what comes before one.
func statusCode(raw json.RawMessage) (int, error) {
	text := strings.Trim(string(raw), `"`)
	if text == "null" {
		return http.StatusOK, nil
	}
	f, err := strconv.ParseFloat(text, 64) // some languages write 200.0
	n := int(f)
	if err != nil || float64(n) != f || n < 200 || n > 599 {
		return 0, errMalformed
	}
	return n, nil
}

// bodyText takes a string; a number or a boolean stands for its text.
func bodyText(raw json.RawMessage) ([]byte, error) {
	switch raw[0] {
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return []byte(s), err
	case '{', '[':
		return nil, errMalformed
	case 'n':
		return nil, nil
	}
	return raw, nil
}

// setHeaders merges headers into multiValueHeaders: where both have a name, the
// values of both stand, none twice.
func setHeaders(h http.Header, single, multi json.RawMessage) error {
	var many map[string][]any
	if err := optionalJSON(multi, &many); err != nil {
		return err
	}
	for name, values := range many {
		for _, v := range values {
			if err := addHeader(h, name, v); err != nil {
				return err
			}
		}
	}
	var one map[string]any
	if err := optionalJSON(single, &one); err != nil {
		return err
	}
	for name, v := range one {
		value, ok := headerText(v)
		if ok && hasValue(h[http.CanonicalHeaderKey(name)], value) {
			continue
		}
		if err := addHeader(h, name, v); err != nil {
			return err
		}
	}
	return nil
}

func hasValue(values []string, value string) bool {
	for _, v := range values {
		if v == value {
			return true
		}
	}
	return false
}

func addHeader(h http.Header, name string, v any) error {
	value, ok := headerText(v)
	if !ok || !params.ValidHeaderName(name) || !validValue(value) {
		return errMalformed
	}
	name = http.CanonicalHeaderKey(name)
	remapped, keep := responseHeaderName(name, toLambda)
	if keep {
		h[remapped] = append(h[remapped], value)
	}
	return nil
}

// headerText is a header's value: a string, a boolean or a number.
func headerText(v any) (string, bool) {
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

// decode undoes the body's base64.
func (r *proxyResponse) decode() bool {
	body := bytes.TrimSpace(r.body)
	plain := make([]byte, base64.StdEncoding.DecodedLen(len(body)))
	n, err := base64.StdEncoding.Decode(plain, body)
	r.body = plain[:n]
	return err == nil
}

func optionalJSON(raw json.RawMessage, into any) error {
	if len(raw) == 0 {
		return nil
	}
	if json.Unmarshal(raw, into) != nil {
		return errMalformed
	}
	return nil
}
