package kafka

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/internal/eventsource/filter"
	"github.com/paddock-run/paddock/internal/eventsource/kafka/registry"
)

// record is a record as a function gets it. A key or value that is null is left
// out.
// https://docs.aws.amazon.com/lambda/latest/dg/with-kafka.html#smaa-sample-event
type record struct {
	Topic          string               `json:"topic"`
	Partition      int32                `json:"partition"`
	Offset         int64                `json:"offset"`
	Timestamp      int64                `json:"timestamp"` // milliseconds
	TimestampType  string               `json:"timestampType"`
	Key            *[]byte              `json:"key,omitempty"`
	KeySchema      *schemaMetadata      `json:"keySchemaMetadata,omitempty"`
	Value          *[]byte              `json:"value,omitempty"`
	ValueSchema    *schemaMetadata      `json:"valueSchemaMetadata,omitempty"`
	Headers        []map[string]numbers `json:"headers"`
	keyDoc, valDoc []byte               // what filters see of a validated key and value
}

type schemaMetadata struct {
	DataFormat string `json:"dataFormat"` // "AVRO", "PROTOBUF", "JSON"
	SchemaID   string `json:"schemaId"`
}

// numbers are bytes as Lambda writes those of headers: as Java's, which have a
// sign.
type numbers []byte

// MarshalJSON implements json.Marshaler.
func (n numbers) MarshalJSON() ([]byte, error) {
	out := make([]byte, 0, 2+5*len(n))
	out = append(out, '[')
	for i, b := range n {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, int64(int8(b)), 10)
	}
	return append(out, ']'), nil
}

func newRecord(r *kgo.Record) *record {
	out := &record{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli(),
		TimestampType: "CREATE_TIME", Headers: make([]map[string]numbers, len(r.Headers)),
	}
	switch r.Attrs.TimestampType() {
	case 1:
		out.TimestampType = "LOG_APPEND_TIME"
	case -1:
		out.TimestampType = "NO_TIMESTAMP_TYPE"
	}
	if r.Key != nil {
		out.Key = &r.Key
	}
	if r.Value != nil {
		out.Value = &r.Value
	}
	for i, h := range r.Headers {
		out.Headers[i] = map[string]numbers{h.Key: h.Value}
	}
	return out
}

func metadata(d *registry.Decoded) *schemaMetadata {
	return &schemaMetadata{DataFormat: d.Format, SchemaID: d.SchemaID}
}

// passes says whether a record reaches the function.
func (p *poller) passes(r *record) bool {
	if p.filters.Empty() {
		return true
	}
	fields := map[string]any{}
	data := func(name string, raw *[]byte, doc []byte) bool {
		if raw == nil {
			return true
		}
		if doc == nil {
			doc = *raw
		}
		value, ok := filter.Data(doc)
		fields[name] = value
		return ok
	}
	for _, name := range p.fields {
		switch name {
		case "key":
			if !data(name, r.Key, r.keyDoc) {
				return false
			}
		case "value":
			if !data(name, r.Value, r.valDoc) {
				return false
			}
		case "topic":
			fields[name] = r.Topic
		case "partition":
			fields[name] = float64(r.Partition)
		case "offset":
			fields[name] = float64(r.Offset)
		case "timestamp":
			fields[name] = float64(r.Timestamp)
		case "timestampType":
			fields[name] = r.TimestampType
		}
	}
	return p.filters.Match(fields)
}

// marshal writes JSON with <, > and & as they are.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// item is a record that is ready for its batch.
type item struct {
	offset    int64
	epoch     int32 // the leader.s, when it took the record
	timestamp time.Time
	key       []byte
	json      []byte // of its record
	reason    string // why it never comes to the function; empty: it does
}

// eventStart is what each of a mapping's events begins with, up to its records.
func eventStart(m *eventsource.Mapping, brokers []string) []byte {
	head := struct {
		EventSource      string `json:"eventSource"`
		EventSourceARN   string `json:"eventSourceArn,omitempty"`
		BootstrapServers string `json:"bootstrapServers"`
	}{"SelfManagedKafka", m.EventSourceARN, strings.Join(brokers, ",")}
	if m.Kind == eventsource.MSK {
		head.EventSource = "aws:kafka"
	}
	b, err := marshal(head)
	if err != nil {
		panic(err) // strings are always JSON
	}
	return append(b[:len(b)-1], `,"records":`...)
}

// eventSize is how long an event is besides its records: each of them, and a
// comma, comes on top.
func (w *worker) eventSize() int { return len(w.r.start) + len(`{"":[]}}`) + 6*len(w.name) }

// event is a batch as the function's payload.
func (w *worker) event(items []*item) []byte {
	size := w.eventSize()
	for _, it := range items {
		size += len(it.json) + 1
	}
	b := append(make([]byte, 0, size), w.r.start...)
	b = append(b, '{')
	b = append(b, w.quoted...)
	b = append(b, ":["...)
	for i, it := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, it.json...)
	}
	return append(b, "]}}"...)
}
