// Package apigateway is the control plane of REST APIs: what an API is made of
// (resources, methods, integrations, models, authorizers), the deployments that
// freeze it, and the stages that serve those. The gateway serves what RESTAPI
// returns.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_Operations.html
package apigateway

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"time"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/store/snapshot"
)

// Options are what a Service is made of.
type Options struct {
	Documents store.Documents
	// CheckTemplate says whether a mapping template parses: an error tells the
	// template's author where it does not. Nil: every template is taken.
	CheckTemplate func(template string) error
	// Tester carries out TestInvokeMethod and TestInvokeAuthorizer. Nil: these
	// answer 501. It may be set later with SetTester.
	Tester Tester
	// Truststores reads what mutual TLS of custom domain names trusts. Nil: a
	// domain name with mutual TLS is refused.
	Truststores Truststores
	// AccountRate (requests a second) and AccountBurst (requests) are the limits that
	// the gateway holds an account's APIs to in a region: GetAccount says so. 0: AWS's.
	AccountRate  float64
	AccountBurst int32
	Logger       *slog.Logger
}

// Service implements the operations over documents (see apis.go for how they
// are laid out). It is safe for concurrent use.
type Service struct {
	api.Unimplemented
	docs          store.Documents
	checkTemplate func(string) error
	log           *slog.Logger
	now           func() time.Time
	life          context.Context
	tester        testerBox
	// records holds every API's record by its document's key: what RESTAPI is
	// made from, and nothing else reads (operations read the store).
	records     *snapshot.Map[*record]
	served      served
	views       *views
	truststores Truststores
	usage       usageBox
	// throttle is what GetAccount shows.
	throttle restapi.Throttle
}

var _ api.Handler = (*Service)(nil)

// New makes the service and loads the APIs there are. It follows the store's
// changes until ctx ends.
func New(ctx context.Context, o Options) (*Service, error) {
	s := &Service{docs: o.Documents, checkTemplate: o.CheckTemplate, log: o.Logger, now: time.Now, life: ctx}
	if s.checkTemplate == nil {
		s.checkTemplate = func(string) error { return nil }
	}
	if o.Tester != nil {
		s.SetTester(o.Tester)
	}
	var err error
	s.records, err = snapshot.Open(ctx, o.Documents, recordPrefix, decodeRecord, func(err error) {
		s.log.Error("a REST API's change cannot be served", "error", err)
	})
	if err != nil {
		return nil, err
	}
	s.truststores = o.Truststores
	s.throttle = restapi.Throttle{Rate: cmp.Or(o.AccountRate, accountRate), Burst: cmp.Or(o.AccountBurst, accountBurst)}
	s.views, err = openViews(ctx, o.Documents, s.log)
	return s, err
}

func decodeRecord(d store.Document) (*record, error) {
	r := new(record)
	return r, json.Unmarshal(d.Value, r)
}

// timestamp is the present time as AWS keeps it, to the second.
func (s *Service) timestamp() time.Time { return s.now().UTC().Truncate(time.Second) }
