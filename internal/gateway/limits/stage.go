package limits

import (
	"sync"

	"github.com/paddock-run/paddock/internal/gateway/rest"
	"github.com/paddock-run/paddock/internal/restapi"
)

// stage is what limits a stage, made once for each snapshot of it.
type stage struct {
	api     string
	served  *restapi.ServedStage
	account *bucket
	methods sync.Map // *restapi.Method to *methods
	clients sync.Map // API key (string) to *client
}

func (l *Limits) stage(r *rest.Request) *stage {
	if s, ok := l.stages.Load(r.Stage); ok {
		return s.(*stage)
	}
	s, _ := l.stages.LoadOrStore(r.Stage, &stage{
		api: r.API.ID, served: r.Stage, account: l.bucket(bucketID{account: r.API.Account, region: r.API.Region}),
	})
	return s.(*stage)
}

// method is a method's throttle by its stage's settings.
type method struct {
	bucket *bucket // nil: no limit of its own
	rate   rate
	name   string // as usage plans name it: "/pets/{id}/GET"
	any    string // the name that an ANY method has besides, else empty
}

// methods are those of a definition's method: one, or with ANY one for each verb.
type methods struct {
	one    *method
	byVerb map[string]*method
}

func (s *stage) method(l *Limits, r *rest.Request) *method {
	v, ok := s.methods.Load(r.Method)
	if !ok {
		v, _ = s.methods.LoadOrStore(r.Method, s.newMethods(l, r))
	}
	all := v.(*methods)
	if m := all.byVerb[r.HTTPMethod]; m != nil {
		return m
	}
	return all.one
}

func (s *stage) newMethods(l *Limits, r *rest.Request) *methods {
	out := &methods{one: s.newMethod(l, r, r.Method.HTTPMethod)}
	if r.Method.HTTPMethod == "ANY" {
		out.byVerb = map[string]*method{}
		for _, verb := range []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"} {
			out.byVerb[verb] = s.newMethod(l, r, verb)
			out.byVerb[verb].any = r.Resource.Path + "/ANY"
		}
	}
	return out
}

// newMethod reads a stage's settings for a verb: its own, else those of ANY, else
// those of all methods. Where only one of rate and burst is set, the other is the
// account's.
func (s *stage) newMethod(l *Limits, r *rest.Request, verb string) *method {
	path := r.Resource.Path
	m := &method{name: path + "/" + verb}
	settings := rest.MethodSettings(&s.served.Stage, path, verb)
	if r.Method.HTTPMethod == "ANY" {
		general := rest.MethodSettings(&s.served.Stage, path, "ANY")
		all := rest.MethodSettings(&s.served.Stage, "", "")
		if settings.ThrottlingRate == all.ThrottlingRate {
			settings.ThrottlingRate = general.ThrottlingRate
		}
		if settings.ThrottlingBurst == all.ThrottlingBurst {
			settings.ThrottlingBurst = general.ThrottlingBurst
		}
	}
	if settings.ThrottlingRate == nil && settings.ThrottlingBurst == nil {
		return m
	}
	perSecond, burst := DefaultRate, DefaultBurst
	if settings.ThrottlingRate != nil {
		perSecond = *settings.ThrottlingRate
	}
	if settings.ThrottlingBurst != nil {
		burst = *settings.ThrottlingBurst
	}
	m.rate = newRate(perSecond, burst)
	m.bucket = l.bucket(bucketID{account: r.API.Account, region: r.API.Region, api: r.API.ID, stage: s.served.Name, method: m.name})
	return m
}

// client is a key on a stage, made once for each change of keys and plans.
type client struct {
	changes uint64
	key     *restapi.Key
	plan    *restapi.Plan // the one that opens the stage
	meter   *meter
	bucket  *bucket // nil: the plan has no throttle
	rate    rate
	methods map[string]limit // those of the plan for methods of the stage
}

type limit struct {
	bucket *bucket
	rate   rate
}

// throttle is the plan's for a method: the method's own, else that of the plan.
func (c *client) throttle(m *method) (*bucket, rate) {
	if len(c.methods) > 0 {
		for _, name := range [...]string{m.name, m.any} {
			if t, ok := c.methods[name]; ok {
				return t.bucket, t.rate
			}
		}
	}
	return c.bucket, c.rate
}

// client finds the client of a key's value: one that is there, enabled, and whose
// plan has the stage.
func (s *stage) client(l *Limits, r *rest.Request, value string) (*client, *rest.Failure) {
	changes := l.directory.KeyChanges() // before what may change
	if v, ok := s.clients.Load(value); ok {
		if c := v.(*client); c.changes == changes {
			return c, nil
		}
	}
	c, why := s.newClient(l, r, value, changes)
	if c == nil {
		s.clients.Delete(value)
		return nil, &rest.Failure{Type: rest.TypeInvalidAPIKey, Detail: why}
	}
	s.clients.Store(value, c)
	return c, nil
}

func (s *stage) newClient(l *Limits, r *rest.Request, value string, changes uint64) (*client, string) {
	if value == "" {
		return nil, "API Key is missing"
	}
	account, region := r.API.Account, r.API.Region
	key := l.directory.APIKey(account, region, value)
	switch {
	case key == nil:
		return nil, "API Key is not known"
	case !key.Enabled:
		return nil, "API Key " + key.ID + " is disabled"
	}
	for _, plan := range key.Plans {
		for i := range plan.Stages {
			st := &plan.Stages[i]
			if st.APIID != s.api || st.Stage != s.served.Name {
				continue
			}
			c := &client{changes: changes, key: key, plan: plan, meter: l.usage.meter(meterID{account, region, plan.ID, key.ID})}
			id := bucketID{account: account, region: region, plan: plan.ID, key: key.ID}
			if t := plan.Throttle; t != nil {
				c.bucket, c.rate = l.bucket(id), newRate(t.Rate, t.Burst)
			}
			c.methods = make(map[string]limit, len(st.Throttle))
			id.api, id.stage = s.api, s.served.Name
			for name, t := range st.Throttle {
				if len(name) == 0 || name[0] != '/' {
					name = "/" + name
				}
				id.method = name
				c.methods[name] = limit{l.bucket(id), newRate(t.Rate, t.Burst)}
			}
			return c, ""
		}
	}
	return nil, "API Key " + key.ID + " is in no usage plan of the stage"
}
