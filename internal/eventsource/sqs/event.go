package sqs

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/internal/eventsource/filter"
)

// record is a message as a function gets it.
// https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#example-standard-queue-message-event
type record struct {
	MessageID              string                                  `json:"messageId"`
	ReceiptHandle          string                                  `json:"receiptHandle"`
	Body                   string                                  `json:"body"`
	Attributes             map[string]string                       `json:"attributes"`
	MessageAttributes      map[string]eventsource.MessageAttribute `json:"messageAttributes"`
	MD5OfMessageAttributes string                                  `json:"md5OfMessageAttributes,omitempty"`
	MD5OfBody              string                                  `json:"md5OfBody"`
	EventSource            string                                  `json:"eventSource"`
	EventSourceARN         string                                  `json:"eventSourceARN"`
	Region                 string                                  `json:"awsRegion"`
}

// message is one that waits for its batch.
type message struct {
	eventsource.Message
	json []byte // of its record
}

func (p *poller) record(m *eventsource.Message) record {
	r := record{
		MessageID: m.ID, ReceiptHandle: m.ReceiptHandle, Body: m.Body, Attributes: m.Attributes,
		MessageAttributes: m.MessageAttributes, MD5OfMessageAttributes: m.MD5OfMessageAttributes, MD5OfBody: m.MD5OfBody,
		EventSource: "aws:sqs", EventSourceARN: p.mapping.EventSourceARN, Region: p.mapping.Region,
	}
	if r.MessageAttributes == nil {
		r.MessageAttributes = map[string]eventsource.MessageAttribute{}
	}
	return r
}

// encode writes a record, with <, > and & as they are.
func encode(r *record) ([]byte, error) {
	b := make([]byte, 0, len(r.Body)+len(r.ReceiptHandle)+768)
	b = appendMember(b, `{"messageId":`, r.MessageID)
	b = appendMember(b, `,"receiptHandle":`, r.ReceiptHandle)
	b = appendMember(b, `,"body":`, r.Body)
	b = append(b, `,"attributes":{`...)
	for i, name := range slices.Sorted(maps.Keys(r.Attributes)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, name)
		b = appendMember(b, ":", r.Attributes[name])
	}
	b = append(b, `},"messageAttributes":`...)
	if len(r.MessageAttributes) == 0 {
		b = append(b, "{}"...)
	} else {
		text, err := marshal(r.MessageAttributes)
		if err != nil {
			return nil, err
		}
		b = append(b, text...)
	}
	if r.MD5OfMessageAttributes != "" {
		b = appendMember(b, `,"md5OfMessageAttributes":`, r.MD5OfMessageAttributes)
	}
	b = appendMember(b, `,"md5OfBody":`, r.MD5OfBody)
	b = appendMember(b, `,"eventSource":`, r.EventSource)
	b = appendMember(b, `,"eventSourceARN":`, r.EventSourceARN)
	b = appendMember(b, `,"awsRegion":`, r.Region)
	return append(b, '}'), nil
}

func appendMember(b []byte, name, value string) []byte {
	return appendString(append(b, name...), value)
}

// appendString writes a string as encoding/json does, and quicker where it is as
// most are.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			text, err := marshal(s)
			if err != nil {
				panic(err) // a string is always JSON
			}
			return append(b, text...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// passes says whether a record reaches the function.
func (p *poller) passes(r *record, text []byte) bool {
	if p.filters.Empty() {
		return true
	}
	fields := map[string]any{}
	for _, name := range p.fields {
		switch name {
		case "body":
			body, ok := filter.Data([]byte(r.Body))
			if !ok {
				return false
			}
			fields[name] = body
		case "messageAttributes", "attributes":
			// As it is written: a binary value is matched in base64.
			var all map[string]json.RawMessage
			if json.Unmarshal(text, &all) != nil {
				return false
			}
			var v any
			if json.Unmarshal(all[name], &v) != nil {
				return false
			}
			fields[name] = v
		case "messageId":
			fields[name] = r.MessageID
		case "receiptHandle":
			fields[name] = r.ReceiptHandle
		case "md5OfBody":
			fields[name] = r.MD5OfBody
		case "md5OfMessageAttributes":
			if r.MD5OfMessageAttributes != "" {
				fields[name] = r.MD5OfMessageAttributes
			}
		case "eventSource":
			fields[name] = r.EventSource
		case "eventSourceARN":
			fields[name] = r.EventSourceARN
		case "awsRegion":
			fields[name] = r.Region
		}
	}
	return p.filters.Match(fields)
}

const (
	eventStart = `{"Records":[`
	eventEnd   = `]}`
)

// event is a batch as the function's payload.
func event(batch []message) []byte {
	size := len(eventStart) + len(eventEnd)
	for i := range batch {
		size += len(batch[i].json) + 1
	}
	b := make([]byte, 0, size)
	b = append(b, eventStart...)
	for i := range batch {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, batch[i].json...)
	}
	return append(b, eventEnd...)
}

// cut is how many of the waiting messages the next batch has, and whether it is
// full: no more messages, or none of those that follow, could go with them.
func cut(waiting []message, batchSize int) (n int, full bool) {
	size := len(eventStart) + len(eventEnd)
	for i := range waiting {
		if i == batchSize {
			return i, true
		}
		size += len(waiting[i].json) + 1
		if size > eventsource.MaxPayload && i > 0 {
			return i, true
		}
	}
	return len(waiting), len(waiting) >= batchSize
}
