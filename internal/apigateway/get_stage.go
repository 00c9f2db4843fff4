package apigateway

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
)

var errNoStage = &api.NotFoundException{Message: new("Invalid stage identifier specified")}

// GetStage returns a stage.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetStage.html
func (s *Service) GetStage(ctx context.Context, in *api.GetStageRequest) (*api.Stage, error) {
	a, err := s.load(ctx, *in.RestApiId)
	if err != nil {
		return nil, err
	}
	st := a.Stages[*in.StageName]
	if st == nil {
		return nil, errNoStage
	}
	return stageView(st), nil
}

// GetStages lists an API's stages by name: all, or those that serve a
// deployment.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetStages.html
func (s *Service) GetStages(ctx context.Context, in *api.GetStagesRequest) (*api.Stages, error) {
	a, err := s.load(ctx, *in.RestApiId)
	if err != nil {
		return nil, err
	}
	out := &api.Stages{Item: []*api.Stage{}}
	for _, st := range sorted(a.Stages) {
		if in.DeploymentId == nil || st.DeploymentID == *in.DeploymentId {
			out.Item = append(out.Item, stageView(st))
		}
	}
	return out, nil
}

// stageView is a stage as clients see it.
func stageView(st *stage) *api.Stage {
	out := &api.Stage{
		StageName: &st.Name, DeploymentId: &st.DeploymentID, Description: optional(st.Description),
		ClientCertificateId: optional(st.ClientCertificateID),
		CacheClusterEnabled: &st.CacheClusterEnabled, CacheClusterStatus: new(api.CacheClusterStatusNotAvailable),
		Variables:            st.Variables,
		DocumentationVersion: optional(st.DocumentationVersion),
		TracingEnabled:       &st.TracingEnabled,
		WebAclArn:            optional(st.WebACLARN),
		Tags:                 st.Tags,
		MethodSettings:       map[string]*api.MethodSetting{},
		CreatedDate:          &st.CreatedDate, LastUpdatedDate: &st.LastUpdatedDate,
	}
	if st.CacheClusterEnabled {
		out.CacheClusterStatus = new(api.CacheClusterStatusAvailable)
	}
	if st.CacheClusterSize != "" {
		out.CacheClusterSize = new(api.CacheClusterSize(st.CacheClusterSize))
	} else if st.CacheClusterEnabled {
		out.CacheClusterSize = new(api.CacheClusterSize05)
	}
	if l := st.AccessLog; l != nil {
		out.AccessLogSettings = &api.AccessLogSettings{DestinationArn: optional(l.DestinationARN), Format: optional(l.Format)}
	}
	if c := st.Canary; c != nil {
		out.CanarySettings = &api.CanarySettings{DeploymentId: &c.DeploymentID, PercentTraffic: &c.Percent, StageVariableOverrides: c.Variables, UseStageCache: &c.UseStageCache}
	}
	for key, m := range st.Methods {
		out.MethodSettings[key] = methodSettingView(m)
	}
	return out
}

// methodSettingView is a method's settings as clients see them: with the
// defaults of those that were not set.
func methodSettingView(m *restapi.MethodSettings) *api.MethodSetting {
	strategy := api.UnauthorizedCacheControlHeaderStrategySucceedWithResponseHeader
	if m.UnauthorizedCacheControl != nil {
		strategy = api.UnauthorizedCacheControlHeaderStrategy(*m.UnauthorizedCacheControl)
	}
	return &api.MethodSetting{
		MetricsEnabled:                         new(or(m.MetricsEnabled, false)),
		LoggingLevel:                           m.LoggingLevel,
		DataTraceEnabled:                       new(or(m.DataTraceEnabled, false)),
		ThrottlingBurstLimit:                   new(or(m.ThrottlingBurst, accountBurst)),
		ThrottlingRateLimit:                    new(or(m.ThrottlingRate, accountRate)),
		CachingEnabled:                         new(or(m.CachingEnabled, false)),
		CacheTtlInSeconds:                      new(or(m.CacheTTLSeconds, 300)),
		CacheDataEncrypted:                     new(or(m.CacheDataEncrypted, false)),
		RequireAuthorizationForCacheControl:    new(or(m.CacheControlAuthorization, true)),
		UnauthorizedCacheControlHeaderStrategy: &strategy,
	}
}

// or is what p points to, or a default.
func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
