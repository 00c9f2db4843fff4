package apigateway

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// DeleteStage removes a stage, also from usage plans. Its deployments stay. A stage
// that a custom domain name leads to is not deleted.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteStage.html
func (s *Service) DeleteStage(ctx context.Context, in *api.DeleteStageRequest) (*schema.Unit, error) {
	err := s.changeStage(ctx, in.RestApiId, in.StageName, func(a *apiState, st *stage) error {
		if err := s.checkUnmapped(a.ID, st.Name); err != nil {
			return err
		}
		delete(a.Stages, st.Name)
		var err error
		a.writes, err = s.leavePlans(ctx, a.ID, st.Name)
		return err
	})
	return &schema.Unit{}, err
}

// FlushStageCache empties a stage's cache.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_FlushStageCache.html
func (s *Service) FlushStageCache(ctx context.Context, in *api.FlushStageCacheRequest) (*schema.Unit, error) {
	err := s.changeStage(ctx, in.RestApiId, in.StageName, func(_ *apiState, st *stage) error {
		st.CacheEpoch++
		return nil
	})
	return &schema.Unit{}, err
}

// FlushStageAuthorizersCache forgets what a stage's authorizers answered.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_FlushStageAuthorizersCache.html
func (s *Service) FlushStageAuthorizersCache(ctx context.Context, in *api.FlushStageAuthorizersCacheRequest) (*schema.Unit, error) {
	err := s.changeStage(ctx, in.RestApiId, in.StageName, func(_ *apiState, st *stage) error {
		st.AuthorizersEpoch++
		return nil
	})
	return &schema.Unit{}, err
}

func (s *Service) changeStage(ctx context.Context, apiID, name *string, fn func(*apiState, *stage) error) error {
	_, err := s.change(ctx, *apiID, func(a *apiState) error {
		st := a.Stages[*name]
		if st == nil {
			return errNoStage
		}
		return fn(a, st)
	})
	return err
}
