package apigateway

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
)

// UpdateDeployment changes a deployment's description.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateDeployment.html
func (s *Service) UpdateDeployment(ctx context.Context, in *api.UpdateDeploymentRequest) (*api.Deployment, error) {
	var d *deployment
	_, err := s.change(ctx, *in.RestApiId, func(a *apiState) error {
		if d = a.Deployments[*in.DeploymentId]; d == nil {
			return errNoDeployment
		}
		return patchTable{{path: "/description", replace: setText(&d.Description)}}.apply(in.PatchOperations)
	})
	if err != nil {
		return nil, err
	}
	return deploymentView(d), nil
}
