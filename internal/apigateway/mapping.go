package apigateway

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/paddock-run/paddock/internal/restapi"
)

// Parameters and the expressions that map them.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/request-response-data-mappings.html
const parameterName = `[A-Za-z0-9!#$%&'*+\-.^_|~\[\]]+`

var (
	methodRequestParameter  = regexp.MustCompile(`^method\.request\.(?:path|querystring|multivaluequerystring|header|multivalueheader)\.` + parameterName + `$`)
	methodResponseParameter = regexp.MustCompile(`^method\.response\.header\.` + parameterName + `$`)
	integrationParameter    = regexp.MustCompile(`^integration\.request\.(?:path|querystring|multivaluequerystring|header|multivalueheader)\.` + parameterName + `$`)
	gatewayParameter        = regexp.MustCompile(`^gatewayresponse\.header\.` + parameterName + `$`)

	// What a request can be mapped from: the parts of the request, a body or
	// what a JSONPath finds in it, the context, a stage variable, a static text.
	requestExpression  = regexp.MustCompile(`^(?:method\.request\.(?:path|querystring|multivaluequerystring|header|multivalueheader)\.` + parameterName + `|method\.request\.body(?:[.\[].+)?|context\.[A-Za-z0-9_.\-]+|stageVariables\.[A-Za-z0-9_]+|'[^']*')$`)
	responseExpression = regexp.MustCompile(`^(?:integration\.response\.(?:header|multivalueheader)\.` + parameterName + `|integration\.response\.body(?:[.\[].+)?|context\.[A-Za-z0-9_.\-]+|stageVariables\.[A-Za-z0-9_]+|'[^']*')$`)

	statusCode  = regexp.MustCompile(`^[1-5][0-9][0-9]$`)
	contentType = regexp.MustCompile(`^(?:[A-Za-z0-9!#$&^_.+\-*]+/[A-Za-z0-9!#$&^_.+\-*]+(?:\s*;.*)?|\$default)$`)
)

func badExpression(expression string) error {
	return badRequest("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %s]", expression)
}

func badParameter(expression string) error {
	return badRequest("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: %s]", expression)
}

// checkKeys says whether each key of a map of parameters has its form.
func checkKeys[T any](parameters map[string]T, form *regexp.Regexp) error {
	for _, k := range slices.Sorted(maps.Keys(parameters)) {
		if !form.MatchString(k) {
			return badExpression(k)
		}
	}
	return nil
}

// checkMethodParameters checks the parameters that a method declares: names are
// unique over the places they come from.
func checkMethodParameters(parameters map[string]bool) error {
	if err := checkKeys(parameters, methodRequestParameter); err != nil {
		return err
	}
	seen := map[string]bool{}
	for k := range parameters {
		name := strings.SplitN(k, ".", 4)[3]
		if seen[name] {
			return badRequest("Parameter names must be unique across querystring, header and path")
		}
		seen[name] = true
	}
	return nil
}

// checkRequestMapping checks an integration's request parameters against what
// its method declares.
func checkRequestMapping(m *restapi.Method, mapping map[string]string) error {
	if err := checkKeys(mapping, integrationParameter); err != nil {
		return err
	}
	for _, k := range slices.Sorted(maps.Keys(mapping)) {
		expression := mapping[k]
		if !requestExpression.MatchString(expression) {
			return badExpression(expression)
		}
		if !declares(m, expression) {
			return badParameter(expression)
		}
	}
	return nil
}

// declares says whether a method declares the parameter of an expression; one
// that names none needs no declaration. Several values of a parameter are
// declared by its name in the plain form too.
func declares(m *restapi.Method, expression string) bool {
	if !methodRequestParameter.MatchString(expression) {
		return true
	}
	if _, ok := m.RequestParameters[expression]; ok {
		return true
	}
	_, ok := m.RequestParameters[strings.Replace(expression, ".multivalue", ".", 1)]
	return ok
}

// checkResponseMapping checks an integration response's parameters against what
// the method's response declares.
func checkResponseMapping(m *restapi.Method, r *restapi.IntegrationResponse) error {
	if err := checkKeys(r.Parameters, methodResponseParameter); err != nil {
		return err
	}
	for _, k := range slices.Sorted(maps.Keys(r.Parameters)) {
		if !responseExpression.MatchString(r.Parameters[k]) {
			return badExpression(r.Parameters[k])
		}
		declared := m.Responses[r.StatusCode]
		if declared == nil {
			return badRequest("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Output mapping refers to an invalid method response: %s]", r.StatusCode)
		}
		if _, ok := declared.Parameters[k]; !ok {
			return badParameter(k)
		}
	}
	return nil
}

// checkTemplates checks the templates of an integration or of a response.
func (s *Service) checkTemplates(templates map[string]string) error {
	for _, ct := range slices.Sorted(maps.Keys(templates)) {
		if !contentType.MatchString(ct) {
			return badRequest("Validation Result: warnings : [], errors : [Invalid content type specified: %s]", ct)
		}
		if err := s.checkTemplate(templates[ct]); err != nil {
			return badRequest("Invalid mapping template specified for content type %s: %v", ct, err)
		}
	}
	return nil
}

// checkModelRefs checks the models that a method or a response names.
func checkModelRefs(d *restapi.Definition, models map[string]string) error {
	for _, ct := range slices.Sorted(maps.Keys(models)) {
		if !contentType.MatchString(ct) {
			return badRequest("Validation Result: warnings : [], errors : [Invalid content type specified: %s]", ct)
		}
		if d.Models[models[ct]] == nil {
			return badRequest("Invalid model identifier specified: %s", models[ct])
		}
	}
	return nil
}
