package registry

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/avro"
	"google.golang.org/protobuf/encoding/protowire"
)

// server is a registry that holds some schemas, by the paths of its API.
type server struct {
	*httptest.Server
	asked  atomic.Int64
	broken atomic.Bool
}

func serve(t *testing.T, documents map[string]document) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		if user, password, _ := r.BasicAuth(); user != "u" || password != "p" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if s.broken.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		doc, ok := documents[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if err := json.NewEncoder(w).Encode(doc); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func open(t *testing.T, uri, format string) *Registry {
	t.Helper()
	r, err := New(Options{URI: uri, Format: format, Username: "u", Password: "p"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// framed is data behind the identifier of its schema.
func framed(id uint32, body ...[]byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, id), bytes.Join(body, nil)...)
}

const (
	avroAddress = `{"type":"record","name":"Address","namespace":"shop","fields":[{"name":"city","type":"string"}]}`
	avroOrder   = `{"type":"record","name":"Order","namespace":"shop","fields":[
		{"name":"id","type":"long"},{"name":"note","type":["null","string"],"default":null},
		{"name":"to","type":"shop.Address"},{"name":"lines","type":{"type":"array","items":"double"}}]}`
	protoMoney = `syntax = "proto3"; package shop; message Money { string currency = 1; int64 cents = 2; }`
	protoOrder = `syntax = "proto3"; package shop; import "shop/money.proto"; import "google/protobuf/timestamp.proto";
		message Ignored {} 
		message Order { string order_id = 1; Money price = 2; google.protobuf.Timestamp at = 3; message Line { int32 count = 1; } }`
	jsonMoney = `{"$id":"money.json","type":"object","properties":{"cents":{"type":"integer"}},"required":["cents"]}`
	jsonOrder = `{"type":"object","properties":{"id":{"type":"string"},"price":{"$ref":"money.json"}},"required":["id"]}`
)

func documents() map[string]document {
	return map[string]document{
		"/schemas/ids/1":                     {Schema: avroOrder, References: []reference{{"shop.Address", "address/value", 3}}},
		"/subjects/address/value/versions/3": {Schema: avroAddress},
		"/schemas/ids/2":                     {Schema: protoOrder, SchemaType: "PROTOBUF", References: []reference{{"shop/money.proto", "money", 1}}},
		"/subjects/money/versions/1":         {Schema: protoMoney, SchemaType: "PROTOBUF"},
		"/schemas/ids/3":                     {Schema: jsonOrder, SchemaType: "JSON", References: []reference{{"money.json", "money-json", 1}}},
		"/subjects/money-json/versions/1":    {Schema: jsonMoney, SchemaType: "JSON"},
		"/schemas/ids/4":                     {Schema: `{"type":"record"}`},
		"/schemas/ids/5":                     {Schema: `"string"`, References: []reference{{"gone", "gone", 1}}},
		"/schemas/ids/6":                     {Schema: `{"$ref":"file:///etc/passwd"}`, SchemaType: "JSON"},
		"/schemas/ids/7":                     {Schema: "x", SchemaType: "THRIFT"},
	}
}

func avroData(t *testing.T) []byte {
	t.Helper()
	var c avro.SchemaCache
	if _, err := c.Parse(avroAddress); err != nil {
		t.Fatal(err)
	}
	s, err := c.Parse(avroOrder)
	if err != nil {
		t.Fatal(err)
	}
	data, err := s.Encode(map[string]any{"id": int64(7), "note": "fragile", "to": map[string]any{"city": "Ulm"}, "lines": []float64{1.5}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// protoData is shop.Order as the wire has it, by hand: { order_id: "o", price: { currency: "EUR", cents: 250 } }.
func protoData() []byte {
	var price, order []byte
	price = protowire.AppendString(protowire.AppendTag(price, 1, protowire.BytesType), "EUR")
	price = protowire.AppendVarint(protowire.AppendTag(price, 2, protowire.VarintType), 250)
	order = protowire.AppendString(protowire.AppendTag(order, 1, protowire.BytesType), "o")
	return protowire.AppendBytes(protowire.AppendTag(order, 2, protowire.BytesType), price)
}

func TestDecode(t *testing.T) {
	s := serve(t, documents())
	inJSON, inSource := open(t, s.URL, JSON), open(t, s.URL, Source)
	for name, c := range map[string]struct {
		id             uint32
		body           []byte
		format, want   string
		sourceFraction []byte // what SOURCE hands on
	}{
		"Avro":            {1, avroData(t), "AVRO", `{"id":7,"note":"fragile","to":{"city":"Ulm"},"lines":[1.5]}`, avroData(t)},
		"Protobuf":        {2, append([]byte{2, 2}, protoData()...), "PROTOBUF", `{"orderId":"o","price":{"currency":"EUR","cents":"250"}}`, append([]byte{2, 2}, protoData()...)},
		"nested Protobuf": {2, []byte{4, 2, 0, 8, 42}, "PROTOBUF", `{"count":42}`, []byte{4, 2, 0, 8, 42}},
		"first Protobuf":  {2, []byte{0}, "PROTOBUF", `{}`, []byte{0}},
		"JSON":            {3, []byte(`{"id":"a","price":{"cents":1}}`), "JSON", `{"id":"a","price":{"cents":1}}`, []byte(`{"id":"a","price":{"cents":1}}`)},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := inJSON.Decode(t.Context(), framed(c.id, c.body))
			if err != nil {
				t.Fatal(err)
			}
			if string(d.Data) != c.want || string(d.JSON) != c.want || d.Format != c.format || d.SchemaID != fmt.Sprint(c.id) {
				t.Errorf("JSON: %+v of %s, want %s", d, d.Data, c.want)
			}
			if d, err = inSource.Decode(t.Context(), framed(c.id, c.body)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(d.Data, c.sourceFraction) || string(d.JSON) != c.want {
				t.Errorf("SOURCE: %x, want %x", d.Data, c.sourceFraction)
			}
		})
	}
	// A schema is asked for once, with its references, by each registry.
	if n := s.asked.Load(); n != 2*6 {
		t.Errorf("asked %d times, want 12", n)
	}
}

func TestInvalid(t *testing.T) {
	r := open(t, serve(t, documents()).URL, JSON)
	for name, c := range map[string]struct {
		data   []byte
		reason string
	}{
		"no header":            {[]byte("plain"), DeserializationError},
		"too short":            {[]byte{0, 0, 0}, DeserializationError},
		"unknown schema":       {framed(99, []byte("x")), SchemaNotFound},
		"unknown reference":    {framed(5, []byte("x")), SchemaNotFound},
		"broken schema":        {framed(4, []byte("x")), DeserializationError},
		"unknown type":         {framed(7, []byte("x")), DeserializationError},
		"local file":           {framed(6, []byte("{}")), DeserializationError},
		"Avro too short":       {framed(1, []byte{14}), DeserializationError},
		"Avro too long":        {framed(1, avroData(t), []byte{0}), DeserializationError},
		"Protobuf no index":    {framed(2), DeserializationError},
		"Protobuf other index": {framed(2, []byte{2, 10}), DeserializationError},
		"Protobuf negative":    {framed(2, []byte{1}), DeserializationError},
		"Protobuf garbage":     {framed(2, []byte{2, 2, 0xff}), DeserializationError},
		"JSON missing field":   {framed(3, []byte(`{"price":{"cents":1}}`)), DeserializationError},
		"JSON by reference":    {framed(3, []byte(`{"id":"a","price":{"cents":"1"}}`)), DeserializationError},
		"no JSON":              {framed(3, []byte(`{`)), DeserializationError},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.Decode(t.Context(), c.data)
			if e, ok := errors.AsType[*InvalidError](err); !ok || e.Reason != c.reason {
				t.Errorf("%v, want %s", err, c.reason)
			}
		})
	}
}

// TestRegistryDown tells what may pass from what will not.
func TestRegistryDown(t *testing.T) {
	s := serve(t, documents())
	r := open(t, s.URL, JSON)
	s.broken.Store(true)
	_, err := r.Decode(t.Context(), framed(1, avroData(t)))
	if _, invalid := errors.AsType[*InvalidError](err); err == nil || invalid || !strings.Contains(err.Error(), "500") {
		t.Fatalf("%v, want the registry's fault", err)
	}
	s.broken.Store(false)
	if _, err := r.Decode(t.Context(), framed(1, avroData(t))); err != nil {
		t.Fatal(err)
	}
	s.broken.Store(true)
	if _, err := r.Decode(t.Context(), framed(1, avroData(t))); err != nil {
		t.Errorf("a schema that is known: %v", err)
	}
	wrong, err := New(Options{URI: s.URL, Format: JSON, Username: "u", Password: "guess"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wrong.Decode(t.Context(), framed(1, avroData(t))); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("%v, want 401", err)
	}
}

func TestNew(t *testing.T) {
	for want, o := range map[string]Options{
		"Glue":                  {URI: "arn:aws:glue:eu-west-1:123456789012:registry/r", Format: JSON},
		"no http or https URL":  {URI: "ftp://registry", Format: JSON},
		"cannot be handed on a": {URI: "http://registry", Format: "XML"},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
}
