// Package registry validates the keys and values of Kafka records by the schemas
// that a Confluent-compatible schema registry has of them.
//
// https://docs.aws.amazon.com/lambda/latest/dg/services-consume-kafka-events.html
package registry

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The formats that a record can be handed on in.
const (
	JSON   = "JSON"   // as a JSON document
	Source = "SOURCE" // in its own format, without the identifier of its schema
)

// Why a record is not handed on: what Lambda calls the reason code.
const (
	SchemaNotFound       = "SCHEMA_NOT_FOUND"
	DeserializationError = "DESERIALIZATION_ERROR"
)

// Options are a Registry's.
type Options struct {
	URI                string // "https://registry.example:8081"
	Format             string // JSON or Source
	Username, Password string // empty: no login
	TLS                *tls.Config
}

// Registry knows schemas by their identifiers. It is safe for concurrent use.
type Registry struct {
	opts   Options
	base   *url.URL
	client *http.Client

	mu      sync.Mutex
	schemas map[uint32]*schema
}

// Decoded is a key or a value that its schema allows.
type Decoded struct {
	Data     []byte // as Options.Format says
	JSON     []byte // the document, whichever the format: what filters look into
	SchemaID string // "17"
	Format   string // "AVRO", "PROTOBUF" or "JSON"
}

// InvalidError is for data that will never be valid. Other errors of Decode are
// the registry's, and may pass.
type InvalidError struct {
	Reason string // SchemaNotFound or DeserializationError
	Err    error
}

func (e *InvalidError) Error() string { return e.Reason + ": " + e.Err.Error() }

func (e *InvalidError) Unwrap() error { return e.Err }

// New makes a registry; it asks nothing of it yet.
func New(opts Options) (*Registry, error) {
	if strings.HasPrefix(opts.URI, "arn:") {
		return nil, errors.New("schema registries of AWS Glue cannot be used: give the URL of a Confluent-compatible registry")
	}
	base, err := url.Parse(opts.URI)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("the schema registry %q is no http or https URL", opts.URI)
	}
	if opts.Format != JSON && opts.Format != Source {
		return nil, fmt.Errorf("records cannot be handed on as %q", opts.Format)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = opts.TLS
	return &Registry{
		opts: opts, base: base, schemas: map[uint32]*schema{},
		client: &http.Client{Transport: transport, Timeout: 15 * time.Second},
	}, nil
}

// Close lets go of the connections.
func (r *Registry) Close() { r.client.CloseIdleConnections() }

// headerSize is that of Confluent's wire format: a zero and the identifier of the
// schema, big-endian.
const headerSize = 5

// Decode validates a key or value, as a serializer of Confluent's wrote it, by
// its schema. An error is an *InvalidError, ctx's, or one of the registry.
func (r *Registry) Decode(ctx context.Context, data []byte) (*Decoded, error) {
	if len(data) < headerSize || data[0] != 0 {
		return nil, &InvalidError{DeserializationError, errors.New("the data does not begin with the identifier of a schema")}
	}
	id := binary.BigEndian.Uint32(data[1:headerSize])
	s, err := r.schema(ctx, id)
	if err != nil {
		return nil, err
	}
	body := data[headerSize:]
	doc, err := s.toJSON(body)
	if err != nil {
		return nil, &InvalidError{DeserializationError, fmt.Errorf("schema %d: %w", id, err)}
	}
	d := &Decoded{Data: doc, JSON: doc, SchemaID: strconv.FormatUint(uint64(id), 10), Format: s.format}
	if r.opts.Format == Source {
		d.Data = body
	}
	return d, nil
}

func (r *Registry) schema(ctx context.Context, id uint32) (*schema, error) {
	r.mu.Lock()
	s := r.schemas[id]
	r.mu.Unlock()
	if s != nil {
		return s, nil
	}
	// Two that ask at once both fetch it: a schema never changes.
	s, err := r.fetch(ctx, id)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.schemas[id] = s
	r.mu.Unlock()
	return s, nil
}
