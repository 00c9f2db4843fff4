package apigatewayv2

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/apigatewayv2"
)

// What quick create made can be read like any other route, integration and
// stage. Each list has at most one item, so the first page is the last.

// firstPage refuses a page's size that is none, and tokens: no page ends with one.
func firstPage(maxResults, nextToken *string) error {
	if nextToken != nil {
		return badRequest("Invalid NextToken specified: %s", *nextToken)
	}
	_, err := pageSize(maxResults)
	return err
}

// GetRoutes lists an API's routes.
func (s *Service) GetRoutes(ctx context.Context, in *api.GetRoutesRequest) (*api.GetRoutesResponse, error) {
	if err := firstPage(in.MaxResults, in.NextToken); err != nil {
		return nil, err
	}
	r, _, err := s.load(ctx, *in.ApiId)
	if err != nil {
		return nil, err
	}
	out := &api.GetRoutesResponse{Items: []*api.Route{}}
	if r.Quick != nil {
		out.Items = append(out.Items, r.Quick.route())
	}
	return out, nil
}

// GetRoute returns one route.
func (s *Service) GetRoute(ctx context.Context, in *api.GetRouteRequest) (*api.GetRouteResult, error) {
	r, _, err := s.load(ctx, *in.ApiId)
	if err != nil {
		return nil, err
	}
	if r.Quick == nil || r.Quick.RouteID != *in.RouteId {
		return nil, &api.NotFoundException{Message: new("Unable to find Route by id " + *in.RouteId + " within " + r.ID)}
	}
	out := api.GetRouteResult(*r.Quick.route())
	return &out, nil
}

// GetIntegrations lists an API's integrations.
func (s *Service) GetIntegrations(ctx context.Context, in *api.GetIntegrationsRequest) (*api.GetIntegrationsResponse, error) {
	if err := firstPage(in.MaxResults, in.NextToken); err != nil {
		return nil, err
	}
	r, _, err := s.load(ctx, *in.ApiId)
	if err != nil {
		return nil, err
	}
	out := &api.GetIntegrationsResponse{Items: []*api.Integration{}}
	if r.Quick != nil {
		out.Items = append(out.Items, r.Quick.integration())
	}
	return out, nil
}

// GetIntegration returns one integration.
func (s *Service) GetIntegration(ctx context.Context, in *api.GetIntegrationRequest) (*api.GetIntegrationResult, error) {
	r, _, err := s.load(ctx, *in.ApiId)
	if err != nil {
		return nil, err
	}
	if r.Quick == nil || r.Quick.IntegrationID != *in.IntegrationId {
		return nil, &api.NotFoundException{Message: new("Invalid Integration identifier specified")}
	}
	out := api.GetIntegrationResult(*r.Quick.integration())
	return &out, nil
}

// GetStages lists an API's stages.
func (s *Service) GetStages(ctx context.Context, in *api.GetStagesRequest) (*api.GetStagesResponse, error) {
	if err := firstPage(in.MaxResults, in.NextToken); err != nil {
		return nil, err
	}
	r, _, err := s.load(ctx, *in.ApiId)
	if err != nil {
		return nil, err
	}
	out := &api.GetStagesResponse{Items: []*api.Stage{}}
	if r.Quick != nil {
		out.Items = append(out.Items, r.stage())
	}
	return out, nil
}

// GetStage returns one stage.
func (s *Service) GetStage(ctx context.Context, in *api.GetStageRequest) (*api.GetStageResponse, error) {
	r, _, err := s.load(ctx, *in.ApiId)
	if err != nil {
		return nil, err
	}
	if r.Quick == nil || *in.StageName != defaultStage {
		return nil, &api.NotFoundException{Message: new("Invalid stage identifier specified")}
	}
	out := api.GetStageResponse(*r.stage())
	return &out, nil
}

func (q *quick) route() *api.Route {
	return &api.Route{
		ApiGatewayManaged: new(true),
		ApiKeyRequired:    new(false),
		AuthorizationType: new(api.AuthorizationTypeNone),
		RouteId:           &q.RouteID,
		RouteKey:          &q.RouteKey,
		Target:            new("integrations/" + q.IntegrationID),
	}
}

func (q *quick) integration() *api.Integration {
	return &api.Integration{
		ApiGatewayManaged:    new(true),
		ConnectionType:       new(api.ConnectionTypeInternet),
		IntegrationId:        &q.IntegrationID,
		IntegrationMethod:    new("POST"),
		IntegrationType:      new(api.IntegrationTypeAwsProxy),
		IntegrationUri:       &q.FunctionARN,
		PayloadFormatVersion: new("2.0"),
		TimeoutInMillis:      new(int32(defaultTimeout.Milliseconds())),
	}
}

func (r *record) stage() *api.Stage {
	return &api.Stage{
		ApiGatewayManaged:           new(true),
		AutoDeploy:                  new(true),
		CreatedDate:                 &r.Created,
		DefaultRouteSettings:        &api.RouteSettings{DetailedMetricsEnabled: new(false)},
		DeploymentId:                &r.Quick.DeploymentID,
		LastDeploymentStatusMessage: new("Successfully deployed stage with deployment ID '" + r.Quick.DeploymentID + "'"),
		LastUpdatedDate:             &r.Created,
		StageName:                   new(defaultStage),
		StageVariables:              map[string]string{},
		RouteSettings:               map[string]*api.RouteSettings{},
		Tags:                        map[string]string{},
	}
}
