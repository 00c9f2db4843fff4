package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// maxSchema bounds what is read of a registry's answer, in bytes, and
// maxReferences how many schemas one is made of.
const (
	maxSchema     = 16 << 20
	maxReferences = 1000
)

// document is a schema as the registry's API gives it.
type document struct {
	Schema     string      `json:"schema"`
	SchemaType string      `json:"schemaType"` // empty: "AVRO"
	References []reference `json:"references"`
}

// reference names a schema that another is made of: by its full name (Avro), its
// path (Protobuf) or its URL (JSON Schema).
type reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// part is a schema that is referred to.
type part struct{ name, text string }

var errNotFound = errors.New("the schema registry has no such schema")

func (r *Registry) fetch(ctx context.Context, id uint32) (*schema, error) {
	var doc document
	err := r.get(ctx, &doc, "schemas", "ids", strconv.FormatUint(uint64(id), 10))
	if errors.Is(err, errNotFound) {
		return nil, &InvalidError{SchemaNotFound, fmt.Errorf("schema %d: %w", id, err)}
	}
	if err != nil {
		return nil, err
	}
	parts, err := r.references(ctx, doc.References, nil, map[string]bool{})
	if errors.Is(err, errNotFound) {
		return nil, &InvalidError{SchemaNotFound, fmt.Errorf("schema %d: %w", id, err)}
	}
	if err != nil {
		return nil, err
	}
	s, err := compile(ctx, doc.SchemaType, doc.Schema, parts)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &InvalidError{DeserializationError, fmt.Errorf("schema %d: %w", id, err)}
	}
	return s, nil
}

// references appends the schemas that refs name to parts, each after those that
// it is made of itself.
func (r *Registry) references(ctx context.Context, refs []reference, parts []part, seen map[string]bool) ([]part, error) {
	for _, ref := range refs {
		if seen[ref.Name] {
			continue
		}
		seen[ref.Name] = true
		if len(seen) > maxReferences {
			return nil, fmt.Errorf("the schema is made of more than %d", maxReferences)
		}
		var doc document
		if err := r.get(ctx, &doc, "subjects", ref.Subject, "versions", strconv.Itoa(ref.Version)); err != nil {
			return nil, fmt.Errorf("reference %q: %w", ref.Name, err)
		}
		var err error
		if parts, err = r.references(ctx, doc.References, parts, seen); err != nil {
			return nil, err
		}
		parts = append(parts, part{ref.Name, doc.Schema})
	}
	return parts, nil
}

// get asks for a path of the registry's API.
func (r *Registry) get(ctx context.Context, into any, path ...string) error {
	for i := range path {
		path[i] = url.PathEscape(path[i])
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base.JoinPath(path...).String(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/vnd.schemaregistry.v1+json, application/json")
	if r.opts.Username != "" {
		req.SetBasicAuth(r.opts.Username, r.opts.Password)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return fmt.Errorf("the schema registry cannot be asked: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return errNotFound
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("the schema registry answers %s", resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxSchema+1))
	if err != nil {
		return fmt.Errorf("the schema registry cannot be asked: %w", err)
	}
	if len(body) > maxSchema {
		return fmt.Errorf("the schema registry's answer has more than %d bytes", maxSchema)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("the schema registry's answer: %w", err)
	}
	return nil
}
