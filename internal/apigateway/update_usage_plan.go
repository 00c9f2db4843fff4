package apigateway

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
	"github.com/paddock-run/paddock/internal/store"
)

// UpdateUsagePlan changes a usage plan by patch operations.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateUsagePlan.html
func (s *Service) UpdateUsagePlan(ctx context.Context, in *api.UpdateUsagePlanRequest) (*api.UsagePlan, error) {
	p, err := usagePlans.change(ctx, s, *in.UsagePlanId, func(p *usagePlan) ([]store.Write, error) {
		stages := len(p.Stages)
		for _, o := range in.PatchOperations {
			op, path, value, err := patchParts(o)
			if err != nil {
				return nil, err
			}
			done, err := patchPlanStage(p, op, path, value)
			if err == nil && !done {
				err = s.planPatches(ctx, p).apply([]*api.PatchOperation{o})
			}
			if err != nil {
				return nil, err
			}
		}
		if p.Throttle != nil {
			if err := checkThrottle(p.Throttle); err != nil {
				return nil, err
			}
		}
		if err := p.checkQuota(); err != nil {
			return nil, err
		}
		if len(p.Stages) > stages {
			return nil, s.checkKeysOf(ctx, p)
		}
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	return usagePlanView(p), nil
}

// checkKeysOf refuses stages that a key of the plan has through another plan.
func (s *Service) checkKeysOf(ctx context.Context, p *usagePlan) error {
	keys, err := s.keysOf(ctx, p.ID)
	if err != nil {
		return err
	}
	others, err := usagePlans.list(ctx, s)
	if err != nil {
		return err
	}
	for _, other := range others {
		if other.ID == p.ID {
			continue
		}
		st := shared(p, other)
		if st == "" {
			continue
		}
		for _, k := range keys {
			if slices.Contains(k.Plans, other.ID) {
				return conflict("API Key %s cannot be associated with more than one usage plan for API Stage %s", k.ID, st)
			}
		}
	}
	return nil
}

func (s *Service) planPatches(ctx context.Context, p *usagePlan) patchTable {
	rate := throttleNumber(func() *restapi.Throttle { return p.throttle() }, "rateLimit")
	burst := throttleNumber(func() *restapi.Throttle { return p.throttle() }, "burstLimit")
	period := func(_, value string) error {
		p.quota().Period = value
		return nil
	}
	limit := quotaNumber(p, func(q *restapi.Quota) *int32 { return &q.Limit })
	offset := quotaNumber(p, func(q *restapi.Quota) *int32 { return &q.Offset })
	return patchTable{
		{path: "/name", replace: func(_, value string) error {
			if value == "" {
				return badRequest("Usage Plan name cannot be empty")
			}
			p.Name = value
			return nil
		}},
		{path: "/description", replace: setText(&p.Description)},
		{path: "/productCode", replace: setText(&p.ProductCode), remove: clearText(&p.ProductCode)},
		{path: "/apiStages", add: func(_, value string) error {
			apiID, stage, _ := strings.Cut(value, ":")
			return s.addStage(ctx, p, apiID, stage)
		}, remove: func(_, value string) error {
			apiID, stage, _ := strings.Cut(value, ":")
			if p.stage(apiID, stage) == nil {
				return notFound("Invalid API Stage {api: %s, stage: %s} specified for usageplan %s", apiID, stage, p.ID)
			}
			p.Stages = slices.DeleteFunc(p.Stages, func(st restapi.PlanStage) bool { return st.APIID == apiID && st.Stage == stage })
			return nil
		}},
		{path: "/throttle", remove: func(_, _ string) error { p.Throttle = nil; return nil }},
		{path: "/throttle/rateLimit", add: rate, replace: rate},
		{path: "/throttle/burstLimit", add: burst, replace: burst},
		{path: "/quota", remove: func(_, _ string) error { p.Quota = nil; return nil }},
		{path: "/quota/limit", add: limit, replace: limit},
		{path: "/quota/offset", add: offset, replace: offset},
		{path: "/quota/period", add: period, replace: period},
	}
}

func (p *usagePlan) throttle() *restapi.Throttle {
	if p.Throttle == nil {
		p.Throttle = &restapi.Throttle{Rate: defaultRate, Burst: defaultBurst}
	}
	return p.Throttle
}

func (p *usagePlan) quota() *restapi.Quota {
	if p.Quota == nil {
		p.Quota = &restapi.Quota{}
	}
	return p.Quota
}

// throttleNumber is a patch function that sets a throttle's member.
func throttleNumber(of func() *restapi.Throttle, member string) func(name, value string) error {
	return func(_, value string) error { return setThrottle(of(), member, value) }
}

func setThrottle(t *restapi.Throttle, member, value string) error {
	switch member {
	case "rateLimit":
		rate, err := strconv.ParseFloat(value, 64)
		if err != nil || rate < 0 || rate > 1e9 {
			return badRequest("Invalid patch value '%s' specified for rateLimit. Must be a number that is not negative", value)
		}
		t.Rate = rate
	case "burstLimit":
		burst, err := strconv.ParseInt(value, 10, 32)
		if err != nil || burst < 0 {
			return badRequest("Invalid patch value '%s' specified for burstLimit. Must be an integer that is not negative", value)
		}
		t.Burst = int32(burst)
	default:
		return badRequest("Invalid patch path %s", member)
	}
	return nil
}

func quotaNumber(p *usagePlan, member func(*restapi.Quota) *int32) func(name, value string) error {
	return func(_, value string) error {
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil {
			return badRequest("Invalid patch value '%s' specified. Must be an integer", value)
		}
		*member(p.quota()) = int32(n)
		return nil
	}
}

// patchPlanStage carries out an operation on a stage's throttles:
//
//	/apiStages/{api}:{stage}/throttle                                 remove; replace with a JSON object
//	/apiStages/{api}:{stage}/throttle/{path}/{method}                 remove
//	/apiStages/{api}:{stage}/throttle/{path}/{method}/{rateLimit|burstLimit}   add, replace
//
// done is false for any other path.
func patchPlanStage(p *usagePlan, op, path, value string) (done bool, err error) {
	parts := strings.Split(path, "/")
	if len(parts) < 4 || parts[1] != "apiStages" || parts[3] != "throttle" {
		return false, nil
	}
	apiID, stage, _ := strings.Cut(unescapePointer(parts[2]), ":")
	st := p.stage(apiID, stage)
	if st == nil {
		return true, notFound("Invalid API Stage {api: %s, stage: %s} specified for usageplan %s", apiID, stage, p.ID)
	}
	if st.Throttle == nil {
		st.Throttle = map[string]restapi.Throttle{}
	}
	var method string
	if len(parts) > 5 {
		method = unescapePointer(parts[4]) + "/" + unescapePointer(parts[5])
	}
	switch {
	case len(parts) == 4 && op == "remove":
		clear(st.Throttle)
	case len(parts) == 4 && op == "replace":
		return true, replaceThrottles(st, value)
	case len(parts) == 6 && op == "remove":
		if _, ok := st.Throttle[method]; !ok {
			return true, notFound("Invalid method specified: %s", method)
		}
		delete(st.Throttle, method)
	case len(parts) == 7 && (op == "replace" || op == "add"):
		t, ok := st.Throttle[method]
		if !ok {
			t = restapi.Throttle{Rate: defaultRate, Burst: defaultBurst}
		}
		if err := setThrottle(&t, parts[6], value); err != nil {
			return true, err
		}
		st.Throttle[method] = t
	default:
		return false, nil
	}
	return true, nil
}

// replaceThrottles takes the throttles of a stage's methods as a JSON object.
func replaceThrottles(st *restapi.PlanStage, value string) error {
	var all map[string]*api.ThrottleSettings
	if err := json.Unmarshal([]byte(value), &all); err != nil {
		return badRequest("Invalid patch value '%s' specified. Must be a JSON object of throttle settings by method", value)
	}
	clear(st.Throttle)
	for method, settings := range all {
		t, err := throttle(settings)
		if err != nil {
			return err
		}
		if t != nil {
			st.Throttle[method] = *t
		}
	}
	return nil
}
