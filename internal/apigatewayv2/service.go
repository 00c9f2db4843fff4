// Package apigatewayv2 is the control plane of HTTP APIs: for now quick create
// (CreateApi with a Lambda target) and what reads and removes what it made.
// Every other operation answers 501.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/api-reference.html
package apigatewayv2

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	api "github.com/paddock-run/paddock/internal/api/apigatewayv2"
	"github.com/paddock-run/paddock/internal/httpapi"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/store/snapshot"
)

const keyPrefix = "apigatewayv2/"

// Service implements the operations over documents, one an API. It is safe for
// concurrent use.
type Service struct {
	api.Unimplemented
	docs store.Documents
	now  func() time.Time
	// served holds every API as the gateway serves it, by its ID: IDs are unique
	// over accounts and regions.
	served *snapshot.Map[*httpapi.API]
}

var _ api.Handler = (*Service)(nil)

// New makes the service and loads the APIs there are. It follows the store's
// changes until ctx ends.
func New(ctx context.Context, docs store.Documents, log *slog.Logger) (*Service, error) {
	s := &Service{docs: docs, now: time.Now}
	var err error
	s.served, err = snapshot.Open(ctx, docs, keyPrefix, compile, func(err error) {
		log.Error("an API's change cannot be served", "error", err)
	})
	return s, err
}

// HTTPAPI returns the API with that ID as it is to be served, or nil.
func (s *Service) HTTPAPI(id string) *httpapi.API {
	a, _ := s.served.Get(keyPrefix + id)
	return a
}

// record is an API with its routes, integrations and stages, as stored.
type record struct {
	Account                   string
	Region                    string
	ID                        string
	Name                      string
	Description               *string   `json:",omitempty"`
	Version                   *string   `json:",omitempty"`
	Created                   time.Time // to the second
	DisableExecuteAPIEndpoint bool
	IPAddressType             string
	CORS                      *api.Cors         `json:",omitempty"`
	Tags                      map[string]string `json:",omitempty"`
	Quick                     *quick            `json:",omitempty"`
}

// quick is what quick create makes besides the API: one integration, one route
// to it, and a $default stage that deploys by itself.
type quick struct {
	IntegrationID string
	RouteID       string
	DeploymentID  string
	RouteKey      string
	FunctionARN   string
}

// defaultTimeout of an integration: the most that HTTP APIs allow.
const defaultTimeout = 30 * time.Second

func compile(d store.Document) (*httpapi.API, error) {
	var r record
	if err := json.Unmarshal(d.Value, &r); err != nil {
		return nil, err
	}
	out := &httpapi.API{
		Account: r.Account, Region: r.Region, ID: r.ID,
		ExecuteAPIDisabled: r.DisableExecuteAPIEndpoint,
		Stages:             map[string]*httpapi.Stage{},
	}
	if c := r.CORS; c != nil {
		out.CORS = &httpapi.CORS{
			AllowOrigins: c.AllowOrigins, AllowMethods: c.AllowMethods, AllowHeaders: c.AllowHeaders,
			ExposeHeaders: c.ExposeHeaders, AllowCredentials: c.AllowCredentials != nil && *c.AllowCredentials, MaxAge: c.MaxAge,
		}
	}
	if q := r.Quick; q != nil {
		out.Stages[defaultStage] = &httpapi.Stage{
			Name:   defaultStage,
			Routes: []httpapi.Route{{Key: q.RouteKey, FunctionARN: q.FunctionARN, Timeout: defaultTimeout}},
		}
	}
	return out, nil
}

const defaultStage = "$default"

// load reads an API of the caller's account and region.
func (s *Service) load(ctx context.Context, id string) (*record, store.Document, error) {
	d, err := s.docs.Get(ctx, keyPrefix+id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, d, notFound(id)
	}
	if err != nil {
		return nil, d, err
	}
	var r record
	if err := json.Unmarshal(d.Value, &r); err != nil {
		return nil, d, err
	}
	if me := identity.Of(ctx); r.Account != me.Account || r.Region != me.Region {
		return nil, d, notFound(id)
	}
	return &r, d, nil
}

// save writes an API under a condition and takes it into what is served.
func (s *Service) save(ctx context.Context, r *record, cond store.Condition) error {
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	key := keyPrefix + r.ID
	revision, err := s.docs.Write(ctx, store.Write{Key: key, Value: value, If: cond})
	if err != nil {
		return err
	}
	return s.served.Apply(store.Document{Key: key, Value: value, Revision: revision})
}

func notFound(id string) error {
	return &api.NotFoundException{Message: new("Invalid API identifier specified " + id), ResourceType: nil}
}

func badRequest(format string, args ...any) error {
	return &api.BadRequestException{Message: new(fmt.Sprintf(format, args...))}
}

// newID makes an identifier like AWS's: n lower-case letters and digits.
func newID(n int) string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, n)
	_, _ = rand.Read(b) // crypto/rand.Read never fails
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b)
}

// endpoint is where an API is served: a host name below localhost, which
// resolves to this machine, with the scheme and port that the client used.
func endpoint(ctx context.Context, r *record) string {
	host, scheme := r.ID+".execute-api."+r.Region+".localhost", "http"
	if u, err := url.Parse(identity.Of(ctx).BaseURL); err == nil && u.Host != "" {
		scheme = u.Scheme
		if p := u.Port(); p != "" {
			host += ":" + p
		}
	}
	return scheme + "://" + host
}
