package apigateway

import (
	"context"
	"maps"
	"regexp"
	"slices"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
)

// CreateStage makes a stage that serves a deployment.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateStage.html
func (s *Service) CreateStage(ctx context.Context, in *api.CreateStageRequest) (*api.Stage, error) {
	if err := checkStageName(*in.StageName); err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	var st *stage
	_, err := s.change(ctx, *in.RestApiId, func(a *apiState) error {
		if a.Stages[*in.StageName] != nil {
			return conflict("Stage already exists")
		}
		st = s.newStage(*in.StageName)
		st.DeploymentID = *in.DeploymentId
		st.Description = text(in.Description)
		st.CacheClusterEnabled = truth(in.CacheClusterEnabled)
		if in.CacheClusterSize != nil {
			st.CacheClusterSize = string(*in.CacheClusterSize)
		}
		st.Variables = maps.Clone(in.Variables)
		st.DocumentationVersion = text(in.DocumentationVersion)
		st.TracingEnabled = truth(in.TracingEnabled)
		st.Tags = maps.Clone(in.Tags)
		if c := in.CanarySettings; c != nil {
			st.Canary = &restapi.Canary{DeploymentID: text(c.DeploymentId), Variables: maps.Clone(c.StageVariableOverrides), UseStageCache: truth(c.UseStageCache)}
			if c.PercentTraffic != nil {
				st.Canary.Percent = *c.PercentTraffic
			}
			if st.Canary.DeploymentID == "" {
				st.Canary.DeploymentID = st.DeploymentID
			}
		}
		a.Stages[st.Name] = st
		if err := s.checkDocumentationVersion(ctx, a, st); err != nil {
			return err
		}
		return checkStage(a, st)
	})
	if err != nil {
		return nil, err
	}
	return stageView(st), nil
}

func (s *Service) newStage(name string) *stage {
	now := s.timestamp()
	return &stage{Stage: restapi.Stage{Name: name, CreatedDate: now, LastUpdatedDate: now}}
}

var stageName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)

func checkStageName(name string) error {
	if !stageName.MatchString(name) {
		return badRequest("Stage name only allows a-zA-Z0-9_-")
	}
	return nil
}

var (
	variableName  = regexp.MustCompile(`^[A-Za-z0-9_]{1,64}$`)
	variableValue = regexp.MustCompile(`^[A-Za-z0-9\-._~:/?#&=,]{0,512}$`)
)

// maxStages is how many stages an API may have (AWS: 10, and more on request).
const maxStages = 100

// checkStage checks a stage against the rest of its API.
func checkStage(a *apiState, st *stage) error {
	if len(a.Stages) > maxStages {
		return limitExceeded("Maximum number of stages for this API has been reached. Please contact AWS if you need additional stages")
	}
	if a.Deployments[st.DeploymentID] == nil {
		return badRequest("Deployment id does not exist")
	}
	if st.CacheClusterSize != "" && !slices.Contains(cacheSizes, st.CacheClusterSize) {
		return badRequest("Invalid cache cluster size specified: %s", st.CacheClusterSize)
	}
	if err := checkVariables(st.Variables); err != nil {
		return err
	}
	c := st.Canary
	if c == nil {
		return nil
	}
	if a.Deployments[c.DeploymentID] == nil {
		return badRequest("Deployment id does not exist")
	}
	if !(c.Percent >= 0 && c.Percent <= 100) { // no NaN either
		return badRequest("Percent traffic must be between 0.0 and 100.0")
	}
	return checkVariables(c.Variables)
}

// checkVariables checks stage variables.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-set-stage-variables-aws-console.html
func checkVariables(variables map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if !variableName.MatchString(name) {
			return badRequest("Invalid stage variable name: %s. Please use values with alphanumeric characters and underscores only", name)
		}
		if !variableValue.MatchString(variables[name]) {
			return badRequest("Invalid stage variable value: %s. Please use values with alphanumeric characters and the symbols ' ', -', '.', '_', ':', '/', '?', '&', '=', and ','.", variables[name])
		}
	}
	return nil
}

// cacheSizes are the sizes of a stage's cache, in GB.
var cacheSizes = []string{"0.5", "1.6", "6.1", "13.5", "28.4", "58.2", "118", "237"}
