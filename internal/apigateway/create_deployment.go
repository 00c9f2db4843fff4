package apigateway

import (
	"context"
	"encoding/json"
	"maps"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
)

// CreateDeployment freezes an API's live definition. With a stage's name that
// stage serves it from now on (it is made where there is none); with canary
// settings it is the stage's canary instead.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateDeployment.html
func (s *Service) CreateDeployment(ctx context.Context, in *api.CreateDeploymentRequest) (*api.Deployment, error) {
	var made *deployment
	_, err := s.change(ctx, *in.RestApiId, func(a *apiState) error {
		if err := s.checkDeployable(a.Definition); err != nil {
			return err
		}
		frozen, err := json.Marshal(a.Definition)
		if err != nil {
			return err
		}
		made = &deployment{ID: freshID(6, a.Deployments), Description: text(in.Description), Created: s.timestamp()}
		a.Deployments[made.ID] = made
		a.writes = pieces(partKey(a.ID, "deployments/"+made.ID), frozen)
		return s.deployTo(a, made.ID, in)
	})
	if err != nil {
		return nil, err
	}
	return deploymentView(made), nil
}

// checkDeployable says whether a definition can be served.
func (s *Service) checkDeployable(d *restapi.Definition) error {
	found := false
	for r, m := range methods(d) {
		found = true
		if m.Integration == nil {
			return badRequest("No integration defined for method")
		}
		templates := []map[string]string{m.Integration.Templates}
		for _, response := range m.Integration.Responses {
			templates = append(templates, response.Templates)
		}
		// An imported template was stored as the document had it.
		for _, t := range templates {
			if err := s.checkTemplates(t); err != nil {
				return badRequest("Invalid deployment content specified. %s/%s: %s", r.Path, m.HTTPMethod, messageOf(err))
			}
		}
	}
	if !found {
		return badRequest("The REST API doesn't contain any methods")
	}
	return nil
}

// deployTo lets the request's stage, if it names one, serve a deployment.
func (s *Service) deployTo(a *apiState, deploymentID string, in *api.CreateDeploymentRequest) error {
	name := text(in.StageName)
	if in.CanarySettings != nil {
		return s.deployCanary(a, deploymentID, in)
	}
	if name == "" {
		return nil
	}
	st := a.Stages[name]
	if st == nil {
		if err := checkStageName(name); err != nil {
			return err
		}
		st = s.newStage(name)
		a.Stages[name] = st
	}
	st.DeploymentID = deploymentID
	st.LastUpdatedDate = s.timestamp()
	if in.StageDescription != nil {
		st.Description = *in.StageDescription
	}
	if in.Variables != nil {
		st.Variables = maps.Clone(in.Variables)
	}
	if in.TracingEnabled != nil {
		st.TracingEnabled = *in.TracingEnabled
	}
	if in.CacheClusterEnabled != nil {
		st.CacheClusterEnabled = *in.CacheClusterEnabled
	}
	if in.CacheClusterSize != nil {
		st.CacheClusterSize = string(*in.CacheClusterSize)
	}
	return checkStage(a, st)
}

// deployCanary makes a deployment the canary of a stage that is there.
func (s *Service) deployCanary(a *apiState, deploymentID string, in *api.CreateDeploymentRequest) error {
	if in.StageName == nil || *in.StageName == "" {
		value := "null"
		if in.StageName != nil {
			value = ""
		}
		return badRequest("Invalid deployment content specified.Non null and non empty stageName must be provided for canary deployment. Provided value is %s", value)
	}
	st := a.Stages[*in.StageName]
	if st == nil {
		return badRequest("Invalid deployment content specified.Stage %s must already be created before making a canary release deployment", *in.StageName)
	}
	c := in.CanarySettings
	st.Canary = &restapi.Canary{DeploymentID: deploymentID, Variables: maps.Clone(c.StageVariableOverrides), UseStageCache: truth(c.UseStageCache)}
	if c.PercentTraffic != nil {
		st.Canary.Percent = *c.PercentTraffic
	}
	st.LastUpdatedDate = s.timestamp()
	return checkStage(a, st)
}

// deploymentView is a deployment as clients see it.
func deploymentView(d *deployment) *api.Deployment {
	return &api.Deployment{Id: &d.ID, Description: optional(d.Description), CreatedDate: &d.Created}
}
