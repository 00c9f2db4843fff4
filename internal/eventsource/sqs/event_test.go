package sqs

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/paddock-run/paddock/internal/eventsource"
)

// FuzzEncode holds what encode writes by hand against encoding/json.
func FuzzEncode(f *testing.F) {
	f.Add("plain", "", "AROA", []byte(nil))
	f.Add("<\"&\u2028>\x00\x7f\\", "\xff", "ä", []byte{1})
	f.Fuzz(func(t *testing.T, body, text, sender string, data []byte) {
		r := record{
			MessageID: "m", ReceiptHandle: text, Body: body, Attributes: map[string]string{"SenderId": sender, text: body},
			MessageAttributes: map[string]eventsource.MessageAttribute{}, MD5OfMessageAttributes: text, MD5OfBody: "x",
			EventSource: "aws:sqs", EventSourceARN: "arn", Region: "r",
		}
		if data != nil {
			r.MessageAttributes[sender] = eventsource.MessageAttribute{StringValue: &body, BinaryValue: data, DataType: text, StringListValues: []string{}, BinaryListValues: [][]byte{}}
		}
		got, err := encode(&r)
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(&r); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(append(got, '\n'), want.Bytes()) {
			t.Errorf("%s\nwant\n%s", got, &want)
		}
	})
}
