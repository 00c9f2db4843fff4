package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
)

// GetAlias implements
// https://docs.aws.amazon.com/lambda/latest/api/API_GetAlias.html
func (s *Service) GetAlias(ctx context.Context, in *api.GetAliasRequest) (*api.AliasConfiguration, error) {
	r, err := locateFunction(ctx, "GetAlias", in.FunctionName)
	if err != nil {
		return nil, err
	}
	name := deref(in.Name)
	snap, err := s.find(ctx, r)
	if err != nil {
		return nil, err
	}
	if snap == nil || snap.aliases[name] == nil {
		return nil, aliasNotFound(r, name)
	}
	return snap.aliases[name].doc.configuration(r, name), nil
}
