package apigateway

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
)

var errNoDeployment = &api.NotFoundException{Message: new("Invalid Deployment identifier specified")}

// GetDeployment returns a deployment; embed "apisummary" shows its methods.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetDeployment.html
func (s *Service) GetDeployment(ctx context.Context, in *api.GetDeploymentRequest) (*api.Deployment, error) {
	embed, err := embeds(in.Embed, "apisummary")
	if err != nil {
		return nil, err
	}
	a, err := s.load(ctx, *in.RestApiId)
	if err != nil {
		return nil, err
	}
	d := a.Deployments[*in.DeploymentId]
	if d == nil {
		return nil, errNoDeployment
	}
	out := deploymentView(d)
	if embed {
		frozen, err := s.deployed(ctx, a.ID, d.ID)
		if err != nil {
			return nil, err
		}
		out.ApiSummary = apiSummary(frozen)
	}
	return out, nil
}

// GetDeployments lists an API's deployments by ID.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetDeployments.html
func (s *Service) GetDeployments(ctx context.Context, in *api.GetDeploymentsRequest) (*api.Deployments, error) {
	a, err := s.load(ctx, *in.RestApiId)
	if err != nil {
		return nil, err
	}
	out := &api.Deployments{}
	out.Items, out.Position, err = viewPage(a.Deployments, deploymentView, in.Position, in.Limit)
	return out, err
}

// apiSummary is how the methods of a definition are guarded, by path and name.
func apiSummary(d *restapi.Definition) map[string]map[string]*api.MethodSnapshot {
	out := map[string]map[string]*api.MethodSnapshot{}
	for r, m := range methods(d) {
		if out[r.Path] == nil {
			out[r.Path] = map[string]*api.MethodSnapshot{}
		}
		out[r.Path][m.HTTPMethod] = &api.MethodSnapshot{AuthorizationType: &m.AuthorizationType, ApiKeyRequired: &m.APIKeyRequired}
	}
	return out
}
