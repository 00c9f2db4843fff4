package apigateway

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/paddock-run/paddock/internal/restapi"
)

// served is what RESTAPI returns, made when it is first asked for after a change.
type served struct {
	apis sync.Map // of *servedAPI, by API ID
}

// servedAPI is an API as the gateway has it.
type servedAPI struct {
	current atomic.Pointer[servedState]

	mu sync.Mutex // held while a new state is made
	// definitions of the deployments that stages serve, by ID: they never change.
	definitions map[string]*restapi.Definition
}

type servedState struct {
	record *record // what api was made of
	api    *restapi.API
}

// RESTAPI returns the API with that identifier as it is to be served, or nil
// where there is none. It answers from memory; after a change to the API's stages
// the first call reads the definitions of new deployments. Two deployments never
// share a Definition, and a deployment's Definition keeps its address for as long
// as a stage serves it.
func (s *Service) RESTAPI(apiID string) *restapi.API {
	r, ok := s.records.Get(recordKey(apiID))
	if !ok {
		s.served.apis.Delete(apiID)
		return nil
	}
	v, ok := s.served.apis.Load(apiID)
	if !ok {
		v, _ = s.served.apis.LoadOrStore(apiID, &servedAPI{})
	}
	e := v.(*servedAPI)
	if state := e.current.Load(); state != nil && state.record == r {
		return state.api
	}
	return s.serve(e, apiID)
}

// serve makes an API's new state. Where a definition cannot be read, the state
// before goes on.
func (s *Service) serve(e *servedAPI, apiID string) *restapi.API {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, ok := s.records.Get(recordKey(apiID)) // the newest, now that the lock is held
	if !ok {
		return nil
	}
	state := e.current.Load()
	if state != nil && state.record == r {
		return state.api
	}
	next, err := s.compile(s.life, e, r)
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			s.log.Error("a REST API's change cannot be served", "api", apiID, "error", err)
		}
		if state != nil {
			return state.api
		}
		return nil
	}
	e.current.Store(&servedState{record: r, api: next})
	return next
}

func (s *Service) compile(ctx context.Context, e *servedAPI, r *record) (*restapi.API, error) {
	out := &restapi.API{Account: r.Account, Region: r.Region, ID: r.ID, Name: r.Name, Stages: map[string]*restapi.ServedStage{}}
	definitions := map[string]*restapi.Definition{}
	definition := func(id string) (*restapi.Definition, error) {
		d := definitions[id]
		if d == nil {
			d = e.definitions[id]
		}
		if d == nil {
			var err error
			if d, err = s.deployed(ctx, r.ID, id); err != nil {
				return nil, err
			}
		}
		definitions[id] = d
		return d, nil
	}
	for name, st := range r.Stages {
		ss := &restapi.ServedStage{Stage: st.Stage, CacheEpoch: st.CacheEpoch, AuthorizersEpoch: st.AuthorizersEpoch}
		ss.Methods = normalSettings(st.Methods)
		var err error
		if ss.Definition, err = definition(st.DeploymentID); err != nil {
			return nil, err
		}
		if st.Canary != nil {
			if ss.CanaryDefinition, err = definition(st.Canary.DeploymentID); err != nil {
				return nil, err
			}
		}
		if st.ClientCertificateID != "" {
			c, _, err := s.loadClientCertificate(ctx, r.Account, r.Region, st.ClientCertificateID)
			if err != nil {
				return nil, err
			}
			ss.ClientCertificate, ss.ClientKey = c.Certificate, c.Key
		}
		out.Stages[name] = ss
	}
	e.definitions = definitions
	return out, nil
}
