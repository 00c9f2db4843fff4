package apigateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/apigateway/openapi"
	"github.com/paddock-run/paddock/internal/restapi"
	"github.com/paddock-run/paddock/internal/store"
)

// importSettings are the parameters of ImportRestApi and PutRestApi.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-import-api.html
type importSettings struct {
	read     openapi.ReadOptions
	endpoint api.EndpointConfiguration
	// endpointGiven says that the request has an endpoint's type.
	endpointGiven bool
}

// importParameters reads the query parameters that are none of the operation's
// own members.
func importParameters(parameters map[string]string, failOnWarnings *bool) (importSettings, error) {
	s := importSettings{read: openapi.ReadOptions{FailOnWarnings: truth(failOnWarnings)}}
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		value := parameters[name]
		switch name {
		case "mode", "failonwarnings":
		case "basepath", "basePath":
			if s.read.BasePath = strings.ToLower(value); !slices.Contains([]string{"ignore", "prepend", "split"}, s.read.BasePath) {
				return s, badRequest("Invalid basepath specified: %s. Must be one of: [ignore, prepend, split]", value)
			}
		case "ignore":
			if value != "documentation" {
				return s, badRequest("Invalid value specified for ignore: %s. Must be documentation", value)
			}
			s.read.IgnoreDocumentation = true
		case "endpointConfigurationTypes":
			s.endpointGiven = true
			for t := range strings.SplitSeq(value, ",") {
				s.endpoint.Types = append(s.endpoint.Types, api.EndpointType(strings.TrimSpace(t)))
			}
		case "vpcEndpointIds":
			for id := range strings.SplitSeq(value, ",") {
				s.endpoint.VpcEndpointIds = append(s.endpoint.VpcEndpointIds, strings.TrimSpace(id))
			}
		case "endpointConfigurationIpAddressType":
			s.endpoint.IpAddressType = new(api.IpAddressType(value))
		default:
			// A signature may stand in the query too.
			if !strings.HasPrefix(strings.ToLower(name), "x-amz-") {
				return s, badRequest("Invalid parameter specified: %s", name)
			}
		}
	}
	return s, nil
}

// importError is an error of package openapi as AWS answers it.
func importError(err error) error {
	var e *openapi.Error
	if errors.As(err, &e) {
		return badRequest("%s", e.Error())
	}
	return err
}

// ImportRestApi makes an API of an OpenAPI document: Swagger 2.0 or OpenAPI 3.0,
// JSON or YAML, at most 6 MB.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_ImportRestApi.html
func (s *Service) ImportRestApi(ctx context.Context, in *api.ImportRestApiRequest) (*api.RestApi, error) {
	settings, err := importParameters(in.Parameters, in.FailOnWarnings)
	if err != nil {
		return nil, err
	}
	for {
		a := &apiState{record: s.newRecord(ctx, "")}
		a.ID = newID(10)
		doc, err := s.readOpenAPI(settings, in.Body, a.ID)
		if err != nil {
			return nil, err
		}
		a.Definition = doc.Definition
		if err := s.importInto(ctx, a, doc, settings); err != nil {
			return nil, err
		}
		err = s.createImported(ctx, a)
		if errors.Is(err, store.ErrConflict) {
			continue // that ID is taken, and the document's models hold it
		}
		if err != nil {
			return nil, err
		}
		return restAPI(a), nil
	}
}

func (s *Service) readOpenAPI(settings importSettings, body []byte, apiID string) (*openapi.Document, error) {
	o := settings.read
	o.APIID, o.NewID = apiID, newID
	doc, err := openapi.Read(body, o)
	if err != nil {
		return nil, importError(err)
	}
	return doc, nil
}

// createImported stores a new API whose identifier stands already.
func (s *Service) createImported(ctx context.Context, a *apiState) error {
	definition, err := json.Marshal(a.Definition)
	if err != nil {
		return err
	}
	value, err := json.Marshal(a.record)
	if err != nil {
		return err
	}
	writes := append([]store.Write{{Key: recordKey(a.ID), Value: value, If: store.Absent}}, a.writes...)
	revision, err := s.docs.Write(ctx, append(writes, pieces(partKey(a.ID, "live"), definition)...)...)
	if err != nil {
		return err
	}
	return s.records.Apply(store.Document{Key: writes[0].Key, Value: value, Revision: revision})
}

// PutRestApi takes an OpenAPI document into an API: mode merge (the default)
// keeps what the document does not have, overwrite does not. Deployments and
// stages stay.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_PutRestApi.html
func (s *Service) PutRestApi(ctx context.Context, in *api.PutRestApiRequest) (*api.RestApi, error) {
	settings, err := importParameters(in.Parameters, in.FailOnWarnings)
	if err != nil {
		return nil, err
	}
	a, err := s.change(ctx, *in.RestApiId, func(a *apiState) error {
		doc, err := s.readOpenAPI(settings, in.Body, a.ID)
		if err != nil {
			return err
		}
		if in.Mode != nil && *in.Mode == api.PutModeOverwrite {
			a.Definition = doc.Overwrite(a.Definition)
		} else if a.Definition, err = doc.Merge(a.Definition); err != nil {
			return importError(err)
		}
		return s.importInto(ctx, a, doc, settings)
	})
	if err != nil {
		return nil, err
	}
	return restAPI(a), nil
}

// importInto takes over what a document says beside its definition, which a has
// already, and checks that definition.
func (s *Service) importInto(ctx context.Context, a *apiState, doc *openapi.Document, settings importSettings) error {
	a.Name, a.Description, a.Version = doc.Name, doc.Description, doc.Version
	a.Warnings = doc.Warnings
	if doc.SecurityPolicy != "" {
		if !slices.Contains(securityPolicies, doc.SecurityPolicy) {
			return badRequest("Invalid security policy specified: %s", doc.SecurityPolicy)
		}
		a.SecurityPolicy = doc.SecurityPolicy
	}
	if doc.EndpointAccessMode != "" {
		a.EndpointAccessMode = doc.EndpointAccessMode
	}
	if err := a.setEndpoint(importedEndpoint(doc.Endpoint, settings)); err != nil {
		return err
	}
	for _, r := range a.Definition.Resources {
		for _, m := range r.Methods {
			if m.Integration == nil {
				continue
			}
			if m.Integration.CacheNamespace == "" {
				m.Integration.CacheNamespace = r.ID
			}
			if m.Integration.TimeoutMillis == 0 {
				m.Integration.TimeoutMillis = defaultTimeoutMillis
			}
		}
	}
	if problems := s.checkDefinition(a); len(problems) > 0 {
		return importError(&openapi.Error{Errors: problems, Warnings: doc.Warnings})
	}
	if settings.read.IgnoreDocumentation {
		return nil
	}
	if _, err := s.importParts(ctx, a, doc.Documentation, false); err != nil {
		return err
	}
	if doc.DocumentationVersion == "" {
		return nil
	}
	return s.importDocVersion(ctx, a, doc)
}

// importDocVersion makes the version that a document gives its documentation,
// unless there is one of that name, which stays as it is.
func (s *Service) importDocVersion(ctx context.Context, a *apiState, doc *openapi.Document) error {
	if len(doc.DocumentationVersion) > maxVersionName {
		return badRequest("Documentation version must have between 1 and %d characters", maxVersionName)
	}
	switch _, _, err := s.docVersion(ctx, a.ID, doc.DocumentationVersion); {
	case err == nil:
		return nil
	case !isNotFound(err):
		return err
	}
	return a.putDocVersion(&docVersion{Version: doc.DocumentationVersion, Created: s.timestamp(), Parts: doc.Documentation}, nil)
}

// importedEndpoint is the endpoint that the request's parameters give, else the
// document; nil: neither.
func importedEndpoint(e *openapi.Endpoint, settings importSettings) *api.EndpointConfiguration {
	out := settings.endpoint
	if e != nil {
		if !settings.endpointGiven {
			for _, t := range e.Types {
				out.Types = append(out.Types, api.EndpointType(t))
			}
		}
		if out.VpcEndpointIds == nil {
			out.VpcEndpointIds = e.VPCEndpointIDs
		}
		if out.IpAddressType == nil && e.IPAddressType != "" {
			out.IpAddressType = new(api.IpAddressType(e.IPAddressType))
		}
	}
	if len(out.Types)+len(out.VpcEndpointIds) == 0 && out.IpAddressType == nil {
		return nil
	}
	return &out
}

// checkDefinition checks an imported definition as the operations that would have
// made it do, and says what is wrong in AWS's words.
func (s *Service) checkDefinition(a *apiState) []string {
	d := a.Definition
	var out []string
	note := func(err error, format string, args ...any) {
		if err != nil {
			out = append(out, fmt.Sprintf(format, args...)+": "+messageOf(err))
		}
	}
	policy, err := checkPolicy(d.Policy)
	note(err, "Unable to set the resource policy")
	d.Policy = policy
	for _, name := range slices.Sorted(maps.Keys(d.Models)) {
		note(checkModel(a.ID, d, d.Models[name]), "Unable to create model for '%s'", name)
	}
	for _, z := range d.Authorizers {
		note(checkAuthorizer(d, z), "Unable to create authorizer '%s'", z.Name)
	}
	for _, kind := range slices.Sorted(maps.Keys(d.GatewayResponses)) {
		if _, known := gatewayStatus[kind]; !known {
			note(badRequest("Invalid gateway response type"), "Unable to put gateway response '%s'", kind)
			continue
		}
		note(s.checkGatewayResponse(d.GatewayResponses[kind]), "Unable to put gateway response '%s'", kind)
	}
	for _, id := range slices.SortedFunc(maps.Keys(d.Resources), func(x, y string) int { return strings.Compare(d.Resources[x].Path, d.Resources[y].Path) }) {
		r := d.Resources[id]
		for _, name := range slices.Sorted(maps.Keys(r.Methods)) {
			s.checkImportedMethod(target{apiState: a, resource: r, method: r.Methods[name]}, note)
		}
	}
	return out
}

func (s *Service) checkImportedMethod(t target, note func(err error, format string, args ...any)) {
	m, path := t.method, t.resource.Path
	note(checkMethod(t.Definition, m), "Unable to put method '%s' on resource at path '%s'", m.HTTPMethod, path)
	for _, status := range slices.Sorted(maps.Keys(m.Responses)) {
		note(checkMethodResponse(t.Definition, m.Responses[status]), "Unable to put method response '%s' on '%s' for resource at path '%s'", status, m.HTTPMethod, path)
	}
	i := m.Integration
	if i == nil {
		return
	}
	note(s.checkIntegration(t, i), "Unable to put integration on '%s' for resource at path '%s'", m.HTTPMethod, path)
	for _, status := range slices.Sorted(maps.Keys(i.Responses)) {
		note(s.checkImportedResponse(m, i.Responses[status]), "Unable to put integration response '%s' on '%s' for resource at path '%s'", status, m.HTTPMethod, path)
	}
}

func (s *Service) checkImportedResponse(m *restapi.Method, r *restapi.IntegrationResponse) error {
	if err := checkResponseMapping(m, r); err != nil {
		return err
	}
	return s.checkTemplates(r.Templates)
}
