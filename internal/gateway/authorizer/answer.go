package authorizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/paddock-run/paddock/internal/policy"
)

// maxAnswer is how many bytes an authorizer may answer with.
const maxAnswer = 256 << 10

// answer is what a Lambda authorizer said, ready to be asked about requests. It is
// immutable.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
type answer struct {
	principal string
	policy    *policy.Document
	document  string // JSON
	context   map[string]any
	usageKey  string
	requestID string
	latency   time.Duration
	weight    int // bytes, about
}

// parseAnswer reads a function's result. Its errors are what the execution log
// says of it.
func parseAnswer(payload []byte) (*answer, error) {
	if len(payload) > maxAnswer {
		return nil, fmt.Errorf("the authorizer's answer has more than %d bytes", maxAnswer)
	}
	var out map[string]json.RawMessage
	if err := json.Unmarshal(payload, &out); err != nil {
		return nil, errors.New("Invalid JSON in response: " + err.Error())
	}
	a := &answer{weight: 3 * len(payload)}
	if err := readText(out["principalId"], &a.principal); err != nil || a.principal == "" {
		return nil, errors.New("Invalid JSON in response: principalId is missing")
	}
	if err := readText(out["usageIdentifierKey"], &a.usageKey); err != nil {
		return nil, fmt.Errorf("usageIdentifierKey %w", err)
	}
	document := out["policyDocument"]
	if document == nil || string(document) == "null" {
		return nil, errors.New("Invalid policy document: there is none")
	}
	var err error
	if a.policy, err = policy.Parse(document, policy.Identity); err != nil {
		return nil, fmt.Errorf("Invalid policy document: %w", err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, document); err != nil {
		return nil, fmt.Errorf("Invalid policy document: %w", err)
	}
	a.document = compact.String()
	a.context, err = readContext(out["context"])
	return a, err
}

// readText reads a string or a number; null and nothing are empty.
func readText(raw json.RawMessage, to *string) error {
	if raw == nil || string(raw) == "null" {
		return nil
	}
	if json.Unmarshal(raw, to) == nil {
		return nil
	}
	var n json.Number
	if err := json.Unmarshal(raw, &n); err != nil {
		return errors.New("is not a string")
	}
	*to = n.String()
	return nil
}

// readContext reads what integrations get in $context.authorizer: strings,
// numbers and booleans. Nulls are as if they were not there.
func readContext(raw json.RawMessage) (map[string]any, error) {
	if raw == nil {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var out map[string]any
	if err := decoder.Decode(&out); err != nil {
		return nil, errors.New("Invalid JSON in response: the context is not an object")
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("Invalid JSON in response: the context is not an object")
	}
	for name, value := range out {
		switch value.(type) {
		case string, json.Number, bool:
		case nil:
			delete(out, name)
		default:
			return nil, fmt.Errorf("Invalid JSON in response: the context's %q is an object or a list", name)
		}
	}
	return out, nil
}
