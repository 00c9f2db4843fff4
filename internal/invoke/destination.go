package invoke

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/paddock-run/paddock/internal/function"
)

// The conditions of a record.
const (
	conditionSuccess   = "Success"
	conditionExhausted = "RetriesExhausted"
	conditionTooOld    = "EventAgeExceeded"
	conditionHalted    = "ZeroReservedConcurrency"
)

// DeadLetter is an event that is given up, for the queue that its function's
// DeadLetterConfig names.
//
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-dlq
type DeadLetter struct {
	Body      string // the event
	RequestID string
	ErrorCode int    // an HTTP status
	Message   string // of the error: at most 1 KB
}

// maxLetterMessage is how much of an error's message a dead letter has, in bytes.
const maxLetterMessage = 1024

// record says what came of an event, for its destination. result is nil where
// the function has not run.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
func (ev *event) record(condition string, result *function.Result) []byte {
	type request struct {
		ID        string `json:"requestId"`
		Function  string `json:"functionArn"`
		Condition string `json:"condition"`
		Count     int    `json:"approximateInvokeCount"`
	}
	type response struct {
		Status   int    `json:"statusCode"`
		Executed string `json:"executedVersion"`
		Error    string `json:"functionError,omitempty"`
	}
	v := ev.version
	arn := ev.InvokedARN
	if arn == "" || arn == v.ARN && v.Version == "$LATEST" {
		arn = v.ARN
		if v.Version == "$LATEST" {
			arn += ":$LATEST"
		}
	}
	doc := struct {
		Version   string    `json:"version"`
		Timestamp string    `json:"timestamp"`
		Request   request   `json:"requestContext"`
		Payload   any       `json:"requestPayload"`
		Response  *response `json:"responseContext,omitempty"`
		Result    any       `json:"responsePayload,omitempty"`
	}{
		Version: "1.0", Timestamp: time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		Request: request{ev.RequestID, arn, condition, ev.Attempts},
		Payload: embedded([]byte(ev.payload)),
	}
	if result != nil {
		doc.Response = &response{200, v.Version, result.FunctionError}
		doc.Result = embedded(result.Payload)
	}
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err) // strings, numbers and JSON that was checked
	}
	return b
}

// embedded is JSON as it is, and what is none as a string: a function may answer
// with anything.
func embedded(payload []byte) any {
	if json.Valid(payload) {
		return json.RawMessage(payload)
	}
	return string(payload)
}

// letter is the event as its dead-letter queue gets it.
func (ev *event) letter(result *function.Result, err error) DeadLetter {
	out := DeadLetter{Body: ev.payload, RequestID: ev.RequestID, ErrorCode: 200}
	var throttled *function.ErrThrottled
	switch {
	case result != nil:
		var doc struct{ ErrorMessage string }
		if json.Unmarshal(result.Payload, &doc) == nil && doc.ErrorMessage != "" {
			out.Message = doc.ErrorMessage
		} else {
			out.Message = string(result.Payload)
		}
	case errors.As(err, &throttled):
		out.ErrorCode, out.Message = 429, "Rate Exceeded."
	case errors.Is(err, errTooOld):
		out.ErrorCode, out.Message = 408, "The event is older than its function's MaximumEventAgeInSeconds."
	default:
		out.ErrorCode, out.Message = 500, "The function could not be run."
	}
	out.Message = cmp.Or(strings.Map(printable, out.Message), "The function failed.")
	if len(out.Message) > maxLetterMessage {
		cut := maxLetterMessage
		for !utf8.RuneStart(out.Message[cut]) {
			cut--
		}
		out.Message = out.Message[:cut]
	}
	return out
}

// printable drops what a queue does not take in attributes.
func printable(r rune) rune {
	if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == utf8.RuneError || r == 0xFFFE || r == 0xFFFF {
		return -1
	}
	return r
}

// lost gives an event up: its function's dead-letter queue and its destination
// get it.
func (l *lane) lost(ev *event, condition string, result *function.Result, err error) {
	reason := "the function failed"
	if err != nil {
		reason = err.Error()
	}
	l.q.log.Warn("an asynchronous invocation is given up", "function", ev.Resource, "request", ev.RequestID,
		"error", reason, "condition", condition, "age", ev.age(time.Now()))
	l.figures.dropped.Add(1)
	if ev.version == nil { // nobody knows what it was to run, nor who is to be told
		return
	}
	if target := ev.version.DeadLetter; target != "" && l.q.deadLetter != nil {
		err := l.q.deadLetter(context.Background(), target, ev.letter(result, err))
		if err != nil {
			l.figures.deadLetterErrors.Add(1)
			l.q.log.Warn("a dead letter cannot be delivered", "function", ev.Resource, "request", ev.RequestID, "target", target, "error", err)
		}
	}
	l.tell(ev, ev.Policy.OnFailure, condition, result)
}

// tell takes a record to its destination before the event is deleted. As on AWS,
// one that cannot be delivered is lost.
func (l *lane) tell(ev *event, destination, condition string, result *function.Result) {
	if destination == "" || l.q.deliver == nil {
		return
	}
	if err := l.q.deliver(context.Background(), destination, ev.record(condition, result)); err != nil {
		l.figures.deliveryFailures.Add(1)
		l.q.log.Warn("the record of an asynchronous invocation cannot be delivered", "function", ev.Resource,
			"request", ev.RequestID, "destination", destination, "error", err)
	}
}
