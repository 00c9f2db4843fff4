package kafka

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/test/kafka/broker"
)

// TestSchemaRegistry hands on records as JSON, filters by what is in them, and
// gives up those that their schema does not allow.
func TestSchemaRegistry(t *testing.T) {
	b := broker.Shared(t)
	const schema = `{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}`
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		switch {
		case user != "u" || password != "p":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path != "/schemas/ids/258":
			w.WriteHeader(http.StatusNotFound)
		default:
			if err := json.NewEncoder(w).Encode(map[string]string{"schema": schema}); err != nil {
				t.Error(err)
			}
		}
	}))
	t.Cleanup(registry.Close)
	s := avro.MustParse(schema)
	order := func(id int64) []byte {
		data, err := s.Encode(map[string]any{"id": id})
		if err != nil {
			t.Fatal(err)
		}
		return append([]byte{0, 0, 0, 1, 2}, data...)
	}
	for format, want := range map[string]string{"JSON": `{"id":7}`, "SOURCE": string(order(7)[5:])} {
		t.Run(format, func(t *testing.T) {
			topic, cl := b.Topic(t, 1), b.Client(t)
			records := []*kgo.Record{
				{Topic: topic, Key: []byte("raw key"), Value: order(7)},
				{Topic: topic, Value: order(1)},                    // filtered out
				{Topic: topic, Value: []byte("\x00\x00\x00\x00x")}, // no such schema
				{Topic: topic, Value: append(order(7), 'x')},       // not what the schema says
				{Topic: topic}, // null has no schema, and passes no filter of values
			}
			if err := cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			w, m := newWorld(t, nil), mapping(b, topic)
			w.secrets["registry"] = map[string]string{"username": "u", "password": "p"}
			m.Window, m.OnFailure = 300*time.Millisecond, "arn:aws:sqs:eu-west-1:123456789012:dead"
			m.Filters = []string{`{"value":{"id":[{"numeric":[">",5]}]}}`}
			m.Topic.SchemaRegistry = &eventsource.SchemaRegistry{
				URI: registry.URL, EventRecordFormat: format, Validate: []string{"VALUE"}, Access: []eventsource.Access{{Type: "BASIC_AUTH", URI: "registry"}}}
			p := w.run(m, options(b))
			waitCommitted(t, cl, m, 5)
			p.stop()
			if got := w.values(); !slices.Equal(got, []string{want}) {
				t.Fatalf("got %q, want %q", got, want)
			}
			part := `"key":"` + base64.StdEncoding.EncodeToString([]byte("raw key")) + `","value":"` + base64.StdEncoding.EncodeToString([]byte(want)) +
				`","valueSchemaMetadata":{"dataFormat":"AVRO","schemaId":"258"},"headers":[]`
			if got := string(w.raw[0]); !strings.Contains(got, part) {
				t.Errorf("event %s, want %s in it", got, part)
			}
			var reasons []string
			for _, d := range w.sent {
				var rec struct {
					RequestContext struct{ Condition string }
				}
				if err := json.Unmarshal(d.record, &rec); err != nil {
					t.Fatal(err)
				}
				reasons = append(reasons, rec.RequestContext.Condition)
			}
			slices.Sort(reasons)
			if !slices.Equal(reasons, []string{"DESERIALIZATION_ERROR", "SCHEMA_NOT_FOUND"}) {
				t.Errorf("given up for %v", reasons)
			}
		})
	}
}
