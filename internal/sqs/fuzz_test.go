package sqs

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	api "github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/store"
)

// FuzzReceiptHandles: a queue takes the handles that it has made, to the letter,
// and no others.
func FuzzReceiptHandles(f *testing.F) {
	q := &queue{Secret: []byte("0123456789abcdef")}
	other := &queue{Secret: []byte("fedcba9876543210")}
	made := q.handle(store.Receipt{Sequence: 7, Lease: 2})
	for _, seed := range []string{"", "x", made, other.handle(store.Receipt{Sequence: 7, Lease: 2}), made + "\n", made[:len(made)-1] + "B"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, handle string) {
		r, err := q.receipt(handle)
		if err == nil && q.handle(r) != handle {
			t.Errorf("%q is taken for %+v", handle, r)
		}
		if _, err := other.receipt(handle); err == nil && q.handle(r) == handle {
			t.Errorf("%q is good for two queues", handle)
		}
	})
}

// FuzzPolicies: what was accepted once is read again, and has what is relied on.
func FuzzPolicies(f *testing.F) {
	for _, seed := range []string{redriveTo("q", 3), `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:q","maxReceiveCount":"3"}`, `{}`, `[]`, `null`,
		`{"redrivePermission":"byQueue","sourceQueueArns":["a"]}`, `{"Statement":{"Sid":"x","Effect":"Allow"}}`, `{"Statement":[]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parseRedrive(text); err == nil && (p.max < minReceiveCount || p.max > maxReceiveCount || p.queue == "") {
			t.Errorf("%q is %+v", text, p)
		}
		if p, err := parseRedriveAllow(text); err == nil && len(p.SourceQueueArns) > maxSourceQueues {
			t.Errorf("%q is %+v", text, p)
		}
		p, err := parsePolicy(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatalf("%q cannot be written: %v", text, err)
		}
		if second, err := parsePolicy(string(again)); err != nil || len(second.Statement) != len(p.Statement) {
			t.Errorf("%q becomes %s, which is %v, %v", text, again, second, err)
		}
	})
}

// FuzzMessages: every body and attribute that is accepted has a digest and comes
// through the metadata as it was.
func FuzzMessages(f *testing.F) {
	f.Add("body", "name", "String", "value")
	f.Add("\x00", "a..b", "Number", "1e400")
	f.Add("\ufffd", "a", "Binary.x", "\xff")
	f.Fuzz(func(t *testing.T, body, name, dataType, value string) {
		a := &api.MessageAttributeValue{DataType: &dataType, StringValue: &value}
		if len(dataType) > 5 && dataType[:6] == "Binary" {
			a = &api.MessageAttributeValue{DataType: &dataType, BinaryValue: []byte(value)}
		}
		if !utf8.ValidString(dataType) {
			return // no protocol brings such strings
		}
		m := outgoing{body: body, attributes: map[string]*api.MessageAttributeValue{name: a}}
		q := &queue{}
		q.settings = q.compile()
		msg, err := m.prepare(q, "sender")
		if err != nil {
			return
		}
		var meta metadata
		if err := json.Unmarshal([]byte(msg.Attributes), &meta); err != nil {
			t.Fatal(err)
		}
		if msg.Body != body || attributesMD5(meta.Attributes) != *m.attributesMD5 {
			t.Errorf("%+v becomes %+v", m, msg)
		}
	})
}
