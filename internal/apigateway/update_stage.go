package apigateway

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/restapi"
)

// UpdateStage changes a stage by patch operations: settings of the stage, of
// its methods ("/{resource}/{METHOD}/…", "/*/*/…") and of its canary. The canary
// is promoted by copying its deployment and variables.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateStage.html
func (s *Service) UpdateStage(ctx context.Context, in *api.UpdateStageRequest) (*api.Stage, error) {
	var st *stage
	err := s.changeStage(ctx, in.RestApiId, in.StageName, func(a *apiState, found *stage) error {
		st = found
		was := st.DocumentationVersion
		for _, o := range in.PatchOperations {
			if turnsLoggingOn(o) {
				if err := s.checkLogRole(ctx); err != nil {
					return err
				}
			}
			if err := s.patchStage(ctx, a, st, o); err != nil {
				return err
			}
		}
		if st.DocumentationVersion != was {
			if err := s.checkDocumentationVersion(ctx, a, st); err != nil {
				return err
			}
		}
		if len(in.PatchOperations) > 0 {
			st.LastUpdatedDate = s.timestamp()
		}
		return checkStage(a, st)
	})
	if err != nil {
		return nil, err
	}
	return stageView(st), nil
}

// patchStage carries one operation out.
func (s *Service) patchStage(ctx context.Context, a *apiState, st *stage, o *api.PatchOperation) error {
	op, path, value, err := patchParts(o)
	if err != nil {
		return err
	}
	switch {
	case op == "copy":
		return promote(st, path, text(o.From))
	case op == "move" || op == "test":
		return badRequest("Invalid patch operation specified. Must be 'add'|'remove'|'replace'|'copy'")
	}
	if p, name := s.stagePatches(ctx, a, st).find(path); p != nil && p.function(op) != nil {
		return p.function(op)(name, value)
	}
	// What is no path of the stage itself is one of a method, to AWS too: the
	// errors say so.
	if op == "remove" {
		return removeMethodSettings(st, path)
	}
	if path == "/accessLogSettings" || strings.HasPrefix(path, "/accessLogSettings/") {
		return badRequest("Invalid accessLogSettings path. Must be one of : [/accessLogSettings/destinationArn, /accessLogSettings/format]")
	}
	if op == "add" && strings.HasPrefix(path, "/canarySettings/") {
		return badRequest("Invalid add operation with path: %s", path)
	}
	return setMethodSetting(st, path, value)
}

func turnsLoggingOn(o *api.PatchOperation) bool {
	op, path, value, err := patchParts(o)
	if err != nil || op == "remove" { // what is wrong with it, patchStage says
		return false
	}
	return strings.HasPrefix(path, "/accessLogSettings/") || strings.HasSuffix(path, "/logging/loglevel") && value != "OFF"
}

// checkLogRole lets nobody turn logging on before the account has a role for it.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
func (s *Service) checkLogRole(ctx context.Context) error {
	a, _, err := s.loadAccount(ctx)
	if err == nil && a.CloudWatchRoleARN == "" {
		err = badRequest("CloudWatch Logs role ARN must be set in account settings to enable logging")
	}
	return err
}

func (s *Service) stagePatches(ctx context.Context, a *apiState, st *stage) patchTable {
	canary := func(fn func(c *restapi.Canary, name, value string) error) func(name, value string) error {
		return func(name, value string) error {
			if st.Canary == nil {
				st.Canary = &restapi.Canary{DeploymentID: st.DeploymentID}
			}
			return fn(st.Canary, name, value)
		}
	}
	setOverride := canary(func(c *restapi.Canary, name, value string) error {
		if c.Variables == nil {
			c.Variables = map[string]string{}
		}
		c.Variables[name] = value
		return nil
	})
	setVariable := func(name, value string) error {
		if st.Variables == nil {
			st.Variables = map[string]string{}
		}
		st.Variables[name] = value
		return nil
	}
	setLog := func(member func(*restapi.AccessLog) *string, check func(string) error) func(name, value string) error {
		return func(_, value string) error {
			if value == "" {
				return badRequest("Access Log value must not be empty")
			}
			if err := check(value); err != nil {
				return err
			}
			if st.AccessLog == nil {
				st.AccessLog = &restapi.AccessLog{}
			}
			*member(st.AccessLog) = value
			return nil
		}
	}
	setDestination := setLog(func(l *restapi.AccessLog) *string { return &l.DestinationARN }, checkLogDestination)
	setFormat := setLog(func(l *restapi.AccessLog) *string { return &l.Format }, checkLogFormat)
	return patchTable{
		{path: "/deploymentId", replace: setText(&st.DeploymentID)},
		{path: "/description", replace: setText(&st.Description), remove: clearText(&st.Description)},
		{path: "/cacheClusterEnabled", replace: setBool(&st.CacheClusterEnabled)},
		{path: "/cacheClusterSize", replace: setText(&st.CacheClusterSize)},
		{path: "/clientCertificateId", replace: func(_, value string) error {
			if value != "" {
				if _, _, err := s.loadClientCertificate(ctx, a.Account, a.Region, value); err != nil {
					return err
				}
			}
			st.ClientCertificateID = value
			return nil
		}, remove: clearText(&st.ClientCertificateID)},
		{path: "/documentationVersion", replace: setText(&st.DocumentationVersion), remove: clearText(&st.DocumentationVersion)},
		{path: "/tracingEnabled", replace: setBool(&st.TracingEnabled)},
		{path: "/accessLogSettings/destinationArn", add: setDestination, replace: setDestination},
		{path: "/accessLogSettings/format", add: setFormat, replace: setFormat},
		{path: "/accessLogSettings", remove: func(_, _ string) error {
			st.AccessLog = nil
			return nil
		}},
		{path: "/variables/{variable_name}", add: setVariable, replace: setVariable, remove: func(name, _ string) error {
			if _, ok := st.Variables[name]; !ok {
				return notFound("Invalid stage variable name specified: %s", name)
			}
			delete(st.Variables, name)
			return nil
		}},
		{path: "/canarySettings", remove: func(_, _ string) error {
			st.Canary = nil
			return nil
		}},
		{path: "/canarySettings/deploymentId", replace: canary(func(c *restapi.Canary, _, value string) error {
			c.DeploymentID = value
			return nil
		})},
		{path: "/canarySettings/percentTraffic", replace: canary(func(c *restapi.Canary, _, value string) error {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return badRequest("Percent traffic must be between 0.0 and 100.0")
			}
			c.Percent = n
			return nil
		})},
		{path: "/canarySettings/useStageCache", replace: canary(func(c *restapi.Canary, _, value string) error {
			return setBool(&c.UseStageCache)("", value)
		})},
		{path: "/canarySettings/stageVariableOverrides/{name}", add: setOverride, replace: setOverride, remove: func(name, _ string) error {
			if st.Canary == nil {
				return badRequest("Cannot remove canary stage variable %s because the stage has no canary", name)
			}
			delete(st.Canary.Variables, name)
			return nil
		}},
	}
}

// promote copies a canary's deployment or variables to the stage. Variables that
// the canary does not override stay.
func promote(st *stage, path, from string) error {
	switch {
	case path == "/deploymentId" && from == "/canarySettings/deploymentId":
		if st.Canary == nil {
			return errNoCanary
		}
		st.DeploymentID = st.Canary.DeploymentID
	case path == "/variables" && from == "/canarySettings/stageVariableOverrides":
		if st.Canary == nil {
			return errNoCanary
		}
		if st.Variables == nil {
			st.Variables = map[string]string{}
		}
		maps.Copy(st.Variables, st.Canary.Variables)
	default:
		return badRequest("Invalid copy operation with path: %s and from %s. Valid copy:path are [/deploymentId, /variables] and valid copy:from are [/canarySettings/deploymentId, /canarySettings/stageVariableOverrides]", path, from)
	}
	return nil
}

var errNoCanary = &api.BadRequestException{Message: new("Promotion not available. Canary does not exist.")}

// checkLogDestination takes the ARN of a log group or of a Firehose stream.
func checkLogDestination(value string) error {
	a, err := arn.Parse(value)
	if err != nil {
		return badRequest("Invalid ARN specified in the request. ARNs must start with 'arn:' and not contain regex characters: %s", value)
	}
	logGroup := a.Service == "logs" && strings.HasPrefix(a.Resource, "log-group:")
	stream := a.Service == "firehose" && strings.HasPrefix(a.Resource, "deliverystream/amazon-apigateway-")
	if !logGroup && !stream {
		return badRequest("Invalid ARN specified in the request: access logs go to a log group, or to a Firehose stream whose name begins with amazon-apigateway-")
	}
	return nil
}

// checkLogFormat asks for what tells lines apart, in a single line.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
func checkLogFormat(value string) error {
	if !slices.ContainsFunc([]string{"$context.requestId", "$context.extendedRequestId"}, func(v string) bool { return strings.Contains(value, v) }) {
		return badRequest("Access Log format must include at least one of [$context.requestId, $context.extendedRequestId]")
	}
	if strings.ContainsAny(strings.TrimRight(value, "\r\n"), "\r\n") {
		return badRequest("Access Log format must be single line, new line character is allowed only at end of the format")
	}
	return nil
}
