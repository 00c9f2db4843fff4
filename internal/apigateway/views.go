package apigateway

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/paddock-run/paddock/internal/restapi"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/store/snapshot"
)

// views are what the gateway asks for on every request, in memory, by the keys
// of the documents.
type views struct {
	keys    *snapshot.Map[*apiKey]
	values  *snapshot.Map[string] // keyvalues: the ID of the key with that value
	plans   *snapshot.Map[*restapi.Plan]
	domains *snapshot.Map[*restapi.Domain]
	links   *snapshot.Map[*vpcLink]

	composed sync.Map // *composedKey by the key's document key
}

// composedKey is a key as the gateway has it, and what it was made of.
type composedKey struct {
	from  *apiKey
	plans []*restapi.Plan
	key   *restapi.Key
}

const (
	keysKind    = "apikeys"
	valuesKind  = "keyvalues"
	plansKind   = "usageplans"
	domainsKind = "domains"
	linksKind   = "vpclinks"
)

func openViews(ctx context.Context, docs store.Documents, log *slog.Logger) (*views, error) {
	v := &views{}
	failed := func(err error) { log.Error("a change of keys, plans or domain names cannot be served", "error", err) }
	var err error
	if v.keys, err = snapshot.Open(ctx, docs, keyPrefix+keysKind+"/", decode[apiKey], failed); err != nil {
		return nil, err
	}
	id := func(d store.Document) (string, error) { return string(d.Value), nil }
	if v.values, err = snapshot.Open(ctx, docs, keyPrefix+valuesKind+"/", id, failed); err != nil {
		return nil, err
	}
	if v.plans, err = snapshot.Open(ctx, docs, keyPrefix+plansKind+"/", servedPlan, failed); err != nil {
		return nil, err
	}
	if v.domains, err = snapshot.Open(ctx, docs, keyPrefix+domainsKind+"/", servedDomain, failed); err != nil {
		return nil, err
	}
	v.links, err = snapshot.Open(ctx, docs, keyPrefix+linksKind+"/", decode[vpcLink], failed)
	return v, err
}

// apply takes a document that was just written.
func (v *views) apply(d store.Document) error {
	kind, _, _ := strings.Cut(strings.TrimPrefix(d.Key, keyPrefix), "/")
	switch kind {
	case keysKind:
		return v.keys.Apply(d)
	case valuesKind:
		return v.values.Apply(d)
	case plansKind:
		return v.plans.Apply(d)
	case domainsKind:
		return v.domains.Apply(d)
	case linksKind:
		return v.links.Apply(d)
	}
	return nil
}

// APIKey returns the key with that value, or nil where there is none. It answers
// from memory; as long as neither the key nor its plans change, it returns the
// same pointer.
func (s *Service) APIKey(account, region, value string) *restapi.Key {
	v := s.views
	at := account + "/" + region + "/"
	id, ok := v.values.Get(keyPrefix + valuesKind + "/" + at + hashValue(value))
	if !ok {
		return nil
	}
	key := keyPrefix + keysKind + "/" + at + id
	k, ok := v.keys.Get(key)
	if !ok {
		v.composed.Delete(key)
		return nil
	}
	plans := make([]*restapi.Plan, 0, len(k.Plans))
	for _, id := range k.Plans {
		if p, ok := v.plans.Get(keyPrefix + plansKind + "/" + at + id); ok {
			plans = append(plans, p)
		}
	}
	if c, ok := v.composed.Load(key); ok {
		if c := c.(*composedKey); c.from == k && slices.Equal(c.plans, plans) {
			return c.key
		}
	}
	c := &composedKey{from: k, plans: plans, key: &restapi.Key{
		ID: k.ID, Value: k.Value, Name: k.Name, CustomerID: k.CustomerID, Enabled: k.Enabled, Plans: plans,
	}}
	v.composed.Store(key, c)
	return c.key
}

// KeyChanges counts the changes of keys and plans: as long as it stays, APIKey and
// Plan return what they returned.
func (s *Service) KeyChanges() uint64 {
	v := s.views
	return v.values.Changes() + v.keys.Changes() + v.plans.Changes()
}

// Plan returns a usage plan, or nil. It answers from memory.
func (s *Service) Plan(account, region, id string) *restapi.Plan {
	p, _ := s.views.plans.Get(keyPrefix + plansKind + "/" + account + "/" + region + "/" + id)
	return p
}

// VPCLinkTarget returns the ARN of the load balancer that a VPC link was made for,
// "" where there is no such link. It answers from memory.
func (s *Service) VPCLinkTarget(account, region, id string) string {
	l, ok := s.views.links.Get(keyPrefix + linksKind + "/" + account + "/" + region + "/" + id)
	if !ok || len(l.Targets) == 0 {
		return ""
	}
	return l.Targets[0]
}

// Domain returns the custom domain name that serves a host (without a port, in
// any case): the name itself, or a wildcard "*.example.com" that covers it. It is
// nil where there is none. It answers from memory.
func (s *Service) Domain(host string) *restapi.Domain {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if d, ok := s.views.domains.Get(keyPrefix + domainsKind + "/" + host); ok {
		return d
	}
	if _, parent, ok := strings.Cut(host, "."); ok {
		d, _ := s.views.domains.Get(keyPrefix + domainsKind + "/*." + parent)
		return d
	}
	return nil
}
