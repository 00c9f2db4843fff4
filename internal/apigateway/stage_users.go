package apigateway

import (
	"context"
	"slices"
	"strings"

	"github.com/paddock-run/paddock/internal/restapi"
	"github.com/paddock-run/paddock/internal/store"
)

// mappedDomains are the custom domain names that lead to a stage of an API, or,
// where stage is empty, to the API.
func (s *Service) mappedDomains(apiID, stage string) []string {
	var out []string
	for d := range s.views.domains.Values() {
		if slices.ContainsFunc(d.Mappings, func(m restapi.Mapping) bool { return m.APIID == apiID && (stage == "" || m.Stage == stage) }) {
			out = append(out, d.Name)
		}
	}
	slices.Sort(out)
	return out
}

// checkUnmapped refuses to delete what custom domain names lead to: a stage, or,
// where stage is empty, all of an API.
func (s *Service) checkUnmapped(apiID, stage string) error {
	domains := s.mappedDomains(apiID, stage)
	if len(domains) == 0 {
		return nil
	}
	what, whose := "RestApi "+apiID, "RestApi"
	if stage != "" {
		what, whose = "stage "+stage, "stage"
	}
	return badRequest("Deleting %s failed. Please remove all base path mappings related to the %s in your domains: %s", what, whose, strings.Join(domains, ", "))
}

// leavePlans are the writes that take a stage of an API, or, where stage is empty,
// all of the API's stages out of the usage plans that have them.
func (s *Service) leavePlans(ctx context.Context, apiID, stage string) ([]store.Write, error) {
	goes := func(st restapi.PlanStage) bool { return st.APIID == apiID && (stage == "" || st.Stage == stage) }
	plans, err := usagePlans.list(ctx, s)
	if err != nil {
		return nil, err
	}
	var writes []store.Write
	for _, listed := range plans {
		if !slices.ContainsFunc(listed.Stages, goes) {
			continue
		}
		p, d, err := usagePlans.get(ctx, s, listed.ID)
		if isNotFound(err) {
			continue // deleted since
		}
		if err != nil {
			return nil, err
		}
		p.Stages = slices.DeleteFunc(p.Stages, goes)
		w, err := usagePlans.put(ctx, p.ID, p, store.AtRevision(d.Revision))
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	return writes, nil
}
