package invoke

import (
	"context"
	"encoding/json"
	"time"

	"github.com/paddock-run/paddock/internal/function"
)

// The conditions of a record.
const (
	conditionSuccess   = "Success"
	conditionExhausted = "RetriesExhausted"
	conditionTooOld    = "EventAgeExceeded"
	conditionHalted    = "ZeroReservedConcurrency"
)

// record says what came of an event, for its destination. result is nil where
// the function has never run.
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
	v := ev.inv.Version
	arn := ev.inv.InvokedARN
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
		Request: request{ev.inv.RequestID, arn, condition, ev.attempts},
		Payload: embedded(ev.inv.Payload),
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

// deliver takes a record to its destination. As on AWS, one that cannot be
// delivered is lost.
func (i *Invoker) deliver(destination string, record []byte) {
	if err := i.opts.Deliver(context.WithoutCancel(i.life), destination, record); err != nil {
		i.log.Warn("the record of an asynchronous invocation cannot be delivered", "destination", destination, "error", err)
	}
}
