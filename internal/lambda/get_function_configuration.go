package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
)

// GetFunctionConfiguration implements
// https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html
func (s *Service) GetFunctionConfiguration(ctx context.Context, in *api.GetFunctionConfigurationRequest) (*api.FunctionConfiguration, error) {
	r, err := locate(ctx, "GetFunctionConfiguration", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	_, v, err := s.named(ctx, r)
	if err != nil {
		return nil, err
	}
	return v.configuration(r, r.qualifier), nil
}
