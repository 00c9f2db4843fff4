package apigateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/restapi"
	"github.com/paddock-run/paddock/internal/store"
)

// An API is stored as
//
//	apigateway/apis/{api}                            its record: settings, deployments, stages
//	apigateway/parts/{api}/live/0000                 its live definition, in pieces
//	apigateway/parts/{api}/deployments/{id}/0000     a definition that a deployment froze
//	apigateway/parts/{api}/{kind}/…                  what else goes when the API goes
//
// API identifiers are unique over accounts and regions: the gateway finds an API
// by its identifier alone. Definitions stand in pieces because they may be larger
// than a document.
const (
	keyPrefix    = "apigateway/"
	recordPrefix = keyPrefix + "apis/"
	partsPrefix  = keyPrefix + "parts/"
)

func recordKey(apiID string) string { return recordPrefix + apiID }

// partKey is the prefix of the documents of a part of an API: "live",
// "deployments/{id}", ….
func partKey(apiID, part string) string { return partsPrefix + apiID + "/" + part + "/" }

// record is an API without its definitions.
type record struct {
	Account, Region    string
	ID                 string
	Name               string
	Description        string `json:",omitempty"`
	Version            string `json:",omitempty"`
	Created            time.Time
	EndpointTypes      []string
	IPAddressType      string
	VPCEndpointIDs     []string `json:",omitempty"`
	SecurityPolicy     string   `json:",omitempty"`
	EndpointAccessMode string   `json:",omitempty"`
	Warnings           []string `json:",omitempty"` // of the import that made the API
	Tags               map[string]string
	Deployments        map[string]*deployment // by ID
	Stages             map[string]*stage      // by name
}

// deployment is what is kept of a deployment beside its definition.
type deployment struct {
	ID          string
	Description string `json:",omitempty"`
	Created     time.Time
}

// stage is a stage with what the control plane keeps besides.
type stage struct {
	restapi.Stage
	Tags             map[string]string
	CacheEpoch       int64 // counts FlushStageCache
	AuthorizersEpoch int64 // counts FlushStageAuthorizersCache
}

// apiState is an API as an operation reads and changes it: all of it is the
// operation's own copy.
type apiState struct {
	*record
	Definition *restapi.Definition // the live one
	// writes are further writes that are made together with the API's own.
	writes []store.Write

	recordDoc store.Document
	live      []store.Document
}

// load reads an API of the caller's account and region.
func (s *Service) load(ctx context.Context, apiID string) (*apiState, error) {
	me := identity.Of(ctx)
	doc, err := s.docs.Get(ctx, recordKey(apiID))
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrLimit) {
		return nil, apiNotFound(ctx, apiID)
	}
	if err != nil {
		return nil, err
	}
	a := &apiState{recordDoc: doc}
	if a.record, err = decodeRecord(doc); err != nil {
		return nil, err
	}
	if a.Account != me.Account || a.Region != me.Region {
		return nil, apiNotFound(ctx, apiID)
	}
	if a.live, err = s.docs.List(ctx, partKey(apiID, "live"), "", 0); err != nil {
		return nil, err
	}
	if len(a.live) == 0 {
		return nil, apiNotFound(ctx, apiID) // deleted since the record was read
	}
	if a.Definition, err = joinDefinition(a.live); err != nil {
		return nil, err
	}
	return a, nil
}

// change lets fn change an API and writes what it changed, as one transaction.
// Where somebody else changed the API meanwhile, fn is called again on the new
// state: it must have no other effect. An error of fn changes nothing.
func (s *Service) change(ctx context.Context, apiID string, fn func(*apiState) error) (*apiState, error) {
	for {
		a, err := s.load(ctx, apiID)
		if err != nil {
			return nil, err
		}
		if err := fn(a); err != nil {
			return nil, err
		}
		err = s.save(ctx, a)
		switch {
		case errors.Is(err, store.ErrPrecondition):
			continue
		case errors.Is(err, store.ErrNotFound):
			return nil, apiNotFound(ctx, apiID)
		case err != nil:
			return nil, err
		}
		return a, nil
	}
}

// save writes what differs from what was loaded, under the condition that all
// that was loaded still stands.
func (s *Service) save(ctx context.Context, a *apiState) error {
	value, err := json.Marshal(a.record)
	if err != nil {
		return err
	}
	definition, err := json.Marshal(a.Definition)
	if err != nil {
		return err
	}
	recordChanged := !bytes.Equal(value, a.recordDoc.Value)
	// A part is written together with the record or the definition, so that
	// DeleteRestApi misses none.
	liveChanged := !bytes.Equal(definition, join(a.live)) || !recordChanged && len(a.writes) > 0
	if !recordChanged && !liveChanged {
		return nil
	}
	if len(value) > store.MaxValue {
		return limitExceeded("The API's stages and deployments are too large")
	}
	writes := slices.Clone(a.writes)
	key := recordKey(a.ID)
	writes = append(writes, store.Write{Key: key, Value: value, If: store.AtRevision(a.recordDoc.Revision), Check: !recordChanged})
	if liveChanged {
		writes = append(writes, rewrite(partKey(a.ID, "live"), definition, a.live)...)
	} else {
		writes = append(writes, store.Write{Key: a.live[0].Key, If: store.AtRevision(a.live[0].Revision), Check: true})
	}
	revision, err := s.docs.Write(ctx, writes...)
	if err != nil || !recordChanged {
		return err
	}
	return s.records.Apply(store.Document{Key: key, Value: value, Revision: revision})
}

// create stores a new API under an identifier of its own, which it sets.
func (s *Service) create(ctx context.Context, r *record, d *restapi.Definition) error {
	definition, err := json.Marshal(d)
	if err != nil {
		return err
	}
	for {
		r.ID = newID(10)
		value, err := json.Marshal(r)
		if err != nil {
			return err
		}
		writes := []store.Write{{Key: recordKey(r.ID), Value: value, If: store.Absent}}
		writes = append(writes, pieces(partKey(r.ID, "live"), definition)...)
		revision, err := s.docs.Write(ctx, writes...)
		if errors.Is(err, store.ErrConflict) {
			continue // that ID is taken: there are 36^10
		}
		if err != nil {
			return err
		}
		return s.records.Apply(store.Document{Key: recordKey(r.ID), Value: value, Revision: revision})
	}
}

// pieces are the writes of a value that may be larger than a document.
func pieces(prefix string, value []byte) []store.Write {
	var out []store.Write
	for chunk := range slices.Chunk(value, store.MaxValue) {
		out = append(out, store.Write{Key: fmt.Sprintf("%s%04d", prefix, len(out)), Value: chunk})
	}
	return out
}

// rewrite replaces the pieces that were there, whose first one guards them all.
func rewrite(prefix string, value []byte, were []store.Document) []store.Write {
	out := pieces(prefix, value)
	out[0].If = store.AtRevision(were[0].Revision)
	for _, d := range were[min(len(out), len(were)):] {
		out = append(out, store.Write{Key: d.Key})
	}
	return out
}

func join(docs []store.Document) []byte {
	if len(docs) == 1 {
		return docs[0].Value
	}
	var out []byte
	for _, d := range docs {
		out = append(out, d.Value...)
	}
	return out
}

func joinDefinition(docs []store.Document) (*restapi.Definition, error) {
	d := new(restapi.Definition)
	if err := json.Unmarshal(join(docs), d); err != nil {
		return nil, err
	}
	// An imported definition may lack what it has none of: operations add to these.
	makeMap(&d.Resources)
	makeMap(&d.Models)
	makeMap(&d.Validators)
	makeMap(&d.Authorizers)
	makeMap(&d.GatewayResponses)
	for _, r := range d.Resources {
		makeMap(&r.Methods)
	}
	return d, nil
}

func makeMap[T any](m *map[string]T) {
	if *m == nil {
		*m = map[string]T{}
	}
}

// deployed reads the definition that a deployment froze: store.ErrNotFound
// where there is none.
func (s *Service) deployed(ctx context.Context, apiID, deploymentID string) (*restapi.Definition, error) {
	docs, err := s.docs.List(ctx, partKey(apiID, "deployments/"+deploymentID), "", 0)
	if err != nil {
		return nil, err
	}
	if len(docs) == 0 {
		return nil, fmt.Errorf("deployment %s of API %s: %w", deploymentID, apiID, store.ErrNotFound)
	}
	return joinDefinition(docs)
}

// newDefinition is that of an API that was just made: a root resource and the
// two models that each API begins with.
func newDefinition() *restapi.Definition {
	root := &restapi.Resource{ID: newID(10), Path: "/", Methods: map[string]*restapi.Method{}}
	return &restapi.Definition{
		RootResourceID:   root.ID,
		Resources:        map[string]*restapi.Resource{root.ID: root},
		Models:           defaultModels(),
		Validators:       map[string]*restapi.RequestValidator{},
		Authorizers:      map[string]*restapi.Authorizer{},
		GatewayResponses: map[string]*restapi.GatewayResponse{},
	}
}

// defaultModels are the models of every new API.
func defaultModels() map[string]*restapi.Model {
	return map[string]*restapi.Model{
		"Empty": {
			ID: newID(6), Name: "Empty", ContentType: "application/json",
			Description: "This is a default empty schema model",
			Schema:      "{\n  \"$schema\": \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \"Empty Schema\",\n  \"type\" : \"object\"\n}",
		},
		"Error": {
			ID: newID(6), Name: "Error", ContentType: "application/json",
			Description: "This is a default error schema model",
			Schema:      "{\n  \"$schema\" : \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \"Error Schema\",\n  \"type\" : \"object\",\n  \"properties\" : {\n    \"message\" : { \"type\" : \"string\" }\n  }\n}",
		},
	}
}
