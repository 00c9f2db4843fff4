package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
)

// GetPolicy implements
// https://docs.aws.amazon.com/lambda/latest/api/API_GetPolicy.html
func (s *Service) GetPolicy(ctx context.Context, in *api.GetPolicyRequest) (*api.GetPolicyResponse, error) {
	r, err := locate(ctx, "GetPolicy", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	snap, err := s.find(ctx, r)
	if err != nil {
		return nil, err
	}
	if snap == nil || snap.policies[policyItem(r.qualifier)] == nil {
		return nil, notFound("The resource you requested does not exist.")
	}
	p := snap.policies[policyItem(r.qualifier)].doc
	policy, err := p.text()
	if err != nil {
		return nil, err
	}
	return &api.GetPolicyResponse{Policy: new(policy), RevisionId: new(p.RevisionID)}, nil
}
