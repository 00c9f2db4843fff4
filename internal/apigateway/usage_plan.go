package apigateway

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// usagePlan is a usage plan, as stored. Which keys belong to it, the keys say.
type usagePlan struct {
	restapi.Plan
	Description string            `json:",omitempty"`
	ProductCode string            `json:",omitempty"`
	Tags        map[string]string `json:",omitempty"`
}

var usagePlans = shelf[usagePlan]{kind: plansKind, missing: func(_ context.Context, id string) error {
	return notFound("Invalid Usage Plan ID specified")
}}

// The throttle of a plan that gives only half of one: an account's default.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
const (
	defaultRate  = 10000
	defaultBurst = 5000
)

// servedPlan is a plan as the gateway has it.
func servedPlan(d store.Document) (*restapi.Plan, error) {
	p, err := decode[usagePlan](d)
	return &p.Plan, err
}

// CreateUsagePlan makes a usage plan.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateUsagePlan.html
func (s *Service) CreateUsagePlan(ctx context.Context, in *api.CreateUsagePlanRequest) (*api.UsagePlan, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	p := usagePlan{Description: text(in.Description), Tags: maps.Clone(in.Tags)}
	if p.Name = *in.Name; p.Name == "" {
		return nil, badRequest("Usage Plan name cannot be empty")
	}
	var err error
	if p.Throttle, err = throttle(in.Throttle); err != nil {
		return nil, err
	}
	if q := in.Quota; q != nil {
		p.Quota = &restapi.Quota{}
		if q.Limit != nil {
			p.Quota.Limit = *q.Limit
		}
		if q.Offset != nil {
			p.Quota.Offset = *q.Offset
		}
		if q.Period != nil {
			p.Quota.Period = string(*q.Period)
		}
	}
	if err := p.checkQuota(); err != nil {
		return nil, err
	}
	for _, stage := range in.ApiStages {
		if err := s.addStage(ctx, &p, text(stage.ApiId), text(stage.Stage)); err != nil {
			return nil, err
		}
		ps := &p.Stages[len(p.Stages)-1]
		for method, t := range stage.Throttle {
			limit, err := throttle(t)
			if err != nil {
				return nil, err
			}
			if limit != nil {
				ps.Throttle[method] = *limit
			}
		}
	}
	out, err := usagePlans.create(ctx, s, 6, func(id string) (*usagePlan, []store.Write) {
		p.ID = id
		return &p, nil
	})
	if err != nil {
		return nil, err
	}
	return usagePlanView(out), nil
}

func throttle(t *api.ThrottleSettings) (*restapi.Throttle, error) {
	if t == nil {
		return nil, nil
	}
	out := &restapi.Throttle{Rate: defaultRate, Burst: defaultBurst}
	if t.RateLimit != nil {
		out.Rate = *t.RateLimit
	}
	if t.BurstLimit != nil {
		out.Burst = *t.BurstLimit
	}
	return out, checkThrottle(out)
}

func checkThrottle(t *restapi.Throttle) error {
	if t != nil && (t.Rate < 0 || t.Burst < 0) {
		return badRequest("Usage Plan throttle rate and burst limits must not be negative")
	}
	return nil
}

// checkQuota checks what a plan's quota says.
func (p *usagePlan) checkQuota() error {
	q := p.Quota
	if q == nil {
		return nil
	}
	switch {
	case q.Period != "DAY" && q.Period != "WEEK" && q.Period != "MONTH":
		return badRequest("Usage Plan quota must have a period of DAY, WEEK or MONTH")
	case q.Limit <= 0:
		return badRequest("Usage Plan quota limit must be greater than 0")
	case q.Period == "DAY" && q.Offset != 0:
		return badRequest("Usage Plan quota offset must be zero in the DAY period")
	case q.Period == "WEEK" && (q.Offset < 0 || q.Offset > 6):
		return badRequest("Usage Plan quota offset must be between zero and six inclusive in the WEEK period")
	case q.Period == "MONTH" && (q.Offset < 0 || q.Offset > 27):
		return badRequest("Usage Plan quota offset must be between zero and 27 inclusive in the MONTH period")
	}
	return nil
}

// addStage associates a stage, which must be there, with a plan.
func (s *Service) addStage(ctx context.Context, p *usagePlan, apiID, stage string) error {
	a, err := s.load(ctx, apiID)
	if err != nil && !isNotFound(err) {
		return err
	}
	if err != nil || a.Stages[stage] == nil {
		return badRequest("Invalid API Stage {api: %s, stage: %s} specified for usageplan %s", apiID, stage, p.ID)
	}
	if p.stage(apiID, stage) != nil {
		return conflict("API Stage {api: %s, stage: %s} is already associated with usageplan %s", apiID, stage, p.ID)
	}
	p.Stages = append(p.Stages, restapi.PlanStage{APIID: apiID, Stage: stage, Throttle: map[string]restapi.Throttle{}})
	return nil
}

func (p *usagePlan) stage(apiID, stage string) *restapi.PlanStage {
	for i := range p.Stages {
		if p.Stages[i].APIID == apiID && p.Stages[i].Stage == stage {
			return &p.Stages[i]
		}
	}
	return nil
}

// GetUsagePlan returns a usage plan.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetUsagePlan.html
func (s *Service) GetUsagePlan(ctx context.Context, in *api.GetUsagePlanRequest) (*api.UsagePlan, error) {
	p, _, err := usagePlans.get(ctx, s, *in.UsagePlanId)
	if err != nil {
		return nil, err
	}
	return usagePlanView(p), nil
}

// GetUsagePlans lists usage plans by ID: all, or those of a key.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetUsagePlans.html
func (s *Service) GetUsagePlans(ctx context.Context, in *api.GetUsagePlansRequest) (*api.UsagePlans, error) {
	plans, err := usagePlans.list(ctx, s)
	if err != nil {
		return nil, err
	}
	if in.KeyId != nil {
		k, _, err := apiKeys.get(ctx, s, *in.KeyId)
		if err != nil {
			return nil, err
		}
		plans = slices.DeleteFunc(plans, func(p *usagePlan) bool { return !slices.Contains(k.Plans, p.ID) })
	}
	plans, next, err := page(plans, func(p *usagePlan) string { return p.ID }, in.Position, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &api.UsagePlans{Items: []*api.UsagePlan{}, Position: next}
	for _, p := range plans {
		out.Items = append(out.Items, usagePlanView(p))
	}
	return out, nil
}

// DeleteUsagePlan removes a usage plan, which no stage may be associated with
// any more; its keys stay.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteUsagePlan.html
func (s *Service) DeleteUsagePlan(ctx context.Context, in *api.DeleteUsagePlanRequest) (*schema.Unit, error) {
	return &schema.Unit{}, usagePlans.remove(ctx, s, *in.UsagePlanId, func(p *usagePlan) ([]store.Write, error) {
		if len(p.Stages) > 0 {
			var stages []string
			for _, st := range p.Stages {
				stages = append(stages, st.APIID+":"+st.Stage)
			}
			return nil, badRequest("Cannot delete usage plan '%s' because API stages are associated with it: %s", p.ID, strings.Join(stages, ", "))
		}
		return nil, nil
	})
}

// usagePlanView is a plan as clients see it.
func usagePlanView(p *usagePlan) *api.UsagePlan {
	out := &api.UsagePlan{
		Id: &p.ID, Name: &p.Name, Description: optional(p.Description), ProductCode: optional(p.ProductCode),
		Tags: p.Tags, ApiStages: []*api.ApiStage{},
	}
	if p.Throttle != nil {
		out.Throttle = throttleView(*p.Throttle)
	}
	if q := p.Quota; q != nil {
		out.Quota = &api.QuotaSettings{Limit: &q.Limit, Offset: &q.Offset, Period: new(api.QuotaPeriodType(q.Period))}
	}
	for _, st := range p.Stages {
		v := &api.ApiStage{ApiId: new(st.APIID), Stage: new(st.Stage)}
		for method, t := range st.Throttle {
			if v.Throttle == nil {
				v.Throttle = map[string]*api.ThrottleSettings{}
			}
			v.Throttle[method] = throttleView(t)
		}
		out.ApiStages = append(out.ApiStages, v)
	}
	return out
}

func throttleView(t restapi.Throttle) *api.ThrottleSettings {
	return &api.ThrottleSettings{RateLimit: &t.Rate, BurstLimit: &t.Burst}
}

// CreateUsagePlanKey puts a key into a usage plan. A key may belong to one plan
// only for each stage.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateUsagePlanKey.html
func (s *Service) CreateUsagePlanKey(ctx context.Context, in *api.CreateUsagePlanKeyRequest) (*api.UsagePlanKey, error) {
	if *in.KeyType != apiKeyType {
		return nil, badRequest("Invalid Key type specified. Must be %s", apiKeyType)
	}
	k, err := apiKeys.change(ctx, s, *in.KeyId, func(k *apiKey) ([]store.Write, error) {
		p, d, err := usagePlans.get(ctx, s, *in.UsagePlanId)
		if err != nil {
			return nil, err
		}
		if slices.Contains(k.Plans, p.ID) {
			return nil, conflict("API Key %s is already associated with usage plan %s", k.ID, p.ID)
		}
		var checks []store.Write
		for _, id := range k.Plans {
			other, d, err := usagePlans.get(ctx, s, id)
			if isNotFound(err) {
				continue // deleted
			}
			if err != nil {
				return nil, err
			}
			if st := shared(p, other); st != "" {
				return nil, conflict("API Key %s cannot be associated with more than one usage plan for API Stage %s", k.ID, st)
			}
			checks = append(checks, store.Write{Key: d.Key, If: store.AtRevision(d.Revision), Check: true})
		}
		k.Plans = append(k.Plans, p.ID)
		return append(checks, store.Write{Key: d.Key, If: store.AtRevision(d.Revision), Check: true}), nil
	})
	if err != nil {
		return nil, err
	}
	return usagePlanKeyView(k), nil
}

// apiKeyType is the one type of keys that a usage plan has.
const apiKeyType = "API_KEY"

// shared names a stage that both plans have.
func shared(a, b *usagePlan) string {
	for _, st := range a.Stages {
		if b.stage(st.APIID, st.Stage) != nil {
			return st.APIID + ":" + st.Stage
		}
	}
	return ""
}

func usagePlanKeyView(k *apiKey) *api.UsagePlanKey {
	return &api.UsagePlanKey{Id: &k.ID, Type: new(apiKeyType), Value: &k.Value, Name: optional(k.Name)}
}

var errNoPlanKey = &api.NotFoundException{Message: new("Invalid Usage Plan Key identifier specified")}

// planKey reads a key that belongs to a plan.
func (s *Service) planKey(ctx context.Context, plan, key string) (*apiKey, error) {
	if _, _, err := usagePlans.get(ctx, s, plan); err != nil {
		return nil, err
	}
	k, _, err := apiKeys.get(ctx, s, key)
	if isNotFound(err) || err == nil && !slices.Contains(k.Plans, plan) {
		return nil, errNoPlanKey
	}
	return k, err
}

// GetUsagePlanKey returns a key of a usage plan.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetUsagePlanKey.html
func (s *Service) GetUsagePlanKey(ctx context.Context, in *api.GetUsagePlanKeyRequest) (*api.UsagePlanKey, error) {
	k, err := s.planKey(ctx, *in.UsagePlanId, *in.KeyId)
	if err != nil {
		return nil, err
	}
	return usagePlanKeyView(k), nil
}

// keysOf lists the keys of a plan.
func (s *Service) keysOf(ctx context.Context, plan string) ([]*apiKey, error) {
	keys, err := apiKeys.list(ctx, s)
	return slices.DeleteFunc(keys, func(k *apiKey) bool { return !slices.Contains(k.Plans, plan) }), err
}

// GetUsagePlanKeys lists the keys of a usage plan by ID: those whose names begin
// with nameQuery.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetUsagePlanKeys.html
func (s *Service) GetUsagePlanKeys(ctx context.Context, in *api.GetUsagePlanKeysRequest) (*api.UsagePlanKeys, error) {
	if _, _, err := usagePlans.get(ctx, s, *in.UsagePlanId); err != nil {
		return nil, err
	}
	keys, err := s.keysOf(ctx, *in.UsagePlanId)
	if err != nil {
		return nil, err
	}
	keys = slices.DeleteFunc(keys, func(k *apiKey) bool { return !strings.HasPrefix(k.Name, text(in.NameQuery)) })
	keys, next, err := page(keys, func(k *apiKey) string { return k.ID }, in.Position, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &api.UsagePlanKeys{Items: []*api.UsagePlanKey{}, Position: next}
	for _, k := range keys {
		out.Items = append(out.Items, usagePlanKeyView(k))
	}
	return out, nil
}

// DeleteUsagePlanKey takes a key out of a usage plan.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteUsagePlanKey.html
func (s *Service) DeleteUsagePlanKey(ctx context.Context, in *api.DeleteUsagePlanKeyRequest) (*schema.Unit, error) {
	if _, _, err := usagePlans.get(ctx, s, *in.UsagePlanId); err != nil {
		return nil, err
	}
	_, err := apiKeys.change(ctx, s, *in.KeyId, func(k *apiKey) ([]store.Write, error) {
		i := slices.Index(k.Plans, *in.UsagePlanId)
		if i < 0 {
			return nil, errNoPlanKey
		}
		k.Plans = slices.Delete(k.Plans, i, i+1)
		return nil, nil
	})
	if isNotFound(err) && !errors.Is(err, errNoPlanKey) {
		err = errNoPlanKey
	}
	return &schema.Unit{}, err
}
