package apigateway

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// DeleteDeployment removes a deployment that no stage serves.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteDeployment.html
func (s *Service) DeleteDeployment(ctx context.Context, in *api.DeleteDeploymentRequest) (*schema.Unit, error) {
	_, err := s.change(ctx, *in.RestApiId, func(a *apiState) error {
		id := *in.DeploymentId
		if a.Deployments[id] == nil {
			return errNoDeployment
		}
		for _, st := range a.Stages {
			if st.DeploymentID == id || st.Canary != nil && st.Canary.DeploymentID == id {
				return badRequest("Active stages pointing to this deployment must be moved or deleted")
			}
		}
		docs, err := s.docs.List(ctx, partKey(a.ID, "deployments/"+id), "", 0)
		if err != nil {
			return err
		}
		for _, d := range docs {
			a.writes = append(a.writes, store.Write{Key: d.Key})
		}
		delete(a.Deployments, id)
		return nil
	})
	return &schema.Unit{}, err
}
