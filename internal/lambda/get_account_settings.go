package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/archive"
	"github.com/paddock-run/paddock/internal/identity"
)

// Quotas of a new AWS account, as GetAccountSettings reports them.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const (
	accountCodeSize    = 80530636800 // bytes: 75 GB
	accountConcurrency = 1000        // unless Options say otherwise
)

// GetAccountSettings implements
// https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html
func (s *Service) GetAccountSettings(ctx context.Context, _ *api.GetAccountSettingsRequest) (*api.GetAccountSettingsResponse, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	id := identity.Of(ctx)
	var functions int64
	size := s.layers.size(id.Account, id.Region)
	if scope := s.index.scope(scopeKey{id.Account, id.Region}, false); scope != nil {
		for _, name := range scope.list("", true, scope.count()) {
			snap, err := s.index.lookup(id.Account, id.Region, name)
			if err != nil {
				return nil, err
			}
			if snap == nil {
				continue
			}
			functions++
			snap.each(func(v *version) { size += v.doc.CodeSize })
		}
	}
	unreserved := max(0, s.opts.Concurrency-s.setAside(scopeKey{id.Account, id.Region}, ""))
	return &api.GetAccountSettingsResponse{
		AccountLimit: &api.AccountLimit{
			TotalCodeSize:                  new(int64(accountCodeSize)),
			CodeSizeUnzipped:               new(archive.Lambda.Unzipped),
			CodeSizeZipped:                 new(int64(maxZipped)),
			ConcurrentExecutions:           new(int32(s.opts.Concurrency)),
			UnreservedConcurrentExecutions: new(int32(unreserved)),
		},
		AccountUsage: &api.AccountUsage{TotalCodeSize: new(size), FunctionCount: new(functions)},
	}, nil
}
