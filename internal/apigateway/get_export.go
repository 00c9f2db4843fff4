package apigateway

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/apigateway/openapi"
	"github.com/paddock-run/paddock/internal/identity"
)

// GetExport writes what a stage serves as an OpenAPI document: exportType oas30
// or swagger, in JSON or (Accept: application/yaml) YAML. The parameter
// extensions names what of API Gateway's own it has, several by commas:
// integrations, authorizers, documentation, postman, or apigateway for the first
// three.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetExport.html
func (s *Service) GetExport(ctx context.Context, in *api.GetExportRequest) (*api.ExportResponse, error) {
	o := openapi.WriteOptions{Format: *in.ExportType, Stage: *in.StageName, Region: identity.Of(ctx).Region}
	if o.Format != openapi.OpenAPI30 && o.Format != openapi.Swagger20 {
		return nil, badRequest("Invalid export type specified: %s. Must be one of: [oas30, swagger]", o.Format)
	}
	contentType, extension := "application/json", "json"
	switch accept, _, _ := strings.Cut(text(in.Accepts), ";"); strings.TrimSpace(accept) {
	case "", "*/*", "application/*", "application/json":
	case "application/yaml", "application/x-yaml":
		o.YAML, contentType, extension = true, "application/yaml", "yaml"
	default:
		return nil, badRequest("Invalid Accept header specified: %s. Must be one of: [application/json, application/yaml]", *in.Accepts)
	}
	if err := exportExtensions(&o, in.Parameters); err != nil {
		return nil, err
	}
	doc, created, err := s.exported(ctx, *in.RestApiId, *in.StageName)
	if err != nil {
		return nil, err
	}
	o.Scheme, o.Host = invokeHost(ctx, *in.RestApiId)
	body, err := openapi.Write(doc, o)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%s_%s.%s", o.Format, created.Format("2006-01-02T15:04:05Z"), extension)
	return &api.ExportResponse{ContentType: &contentType, ContentDisposition: new(`attachment; filename="` + name + `"`), Body: body}, nil
}

func exportExtensions(o *openapi.WriteOptions, parameters map[string]string) error {
	for name, value := range parameters {
		if name != "extensions" {
			// "postman" alone is how the documentation has it too.
			if name != "postman" && !strings.HasPrefix(strings.ToLower(name), "x-amz-") {
				return badRequest("Invalid parameter specified: %s", name)
			}
			o.Postman = o.Postman || name == "postman"
			continue
		}
		for ext := range strings.SplitSeq(value, ",") {
			switch strings.TrimSpace(ext) {
			case "integrations":
				o.Integrations = true
			case "authorizers":
				o.Authorizers = true
			case "documentation":
				o.Documentation = true
			case "apigateway":
				o.Integrations, o.Authorizers, o.Documentation = true, true, true
			case "postman":
				o.Postman = true
			default:
				return badRequest("Invalid export extension specified: %s. Must be one of: [apigateway, authorizers, documentation, integrations, postman]", ext)
			}
		}
	}
	return nil
}

// exported is what a stage serves as a document, and when its deployment was made.
func (s *Service) exported(ctx context.Context, apiID, stageName string) (*openapi.Document, time.Time, error) {
	a, err := s.load(ctx, apiID)
	if err != nil {
		return nil, time.Time{}, err
	}
	st := a.Stages[stageName]
	if st == nil {
		return nil, time.Time{}, notFound("Invalid stage identifier specified")
	}
	definition, err := s.deployed(ctx, a.ID, st.DeploymentID)
	if err != nil {
		return nil, time.Time{}, err
	}
	doc := &openapi.Document{
		Name: a.Name, Description: a.Description, Version: a.Version, Definition: definition,
		SecurityPolicy: a.SecurityPolicy, EndpointAccessMode: a.EndpointAccessMode, DocumentationVersion: st.DocumentationVersion,
	}
	created := a.Created
	if d := a.Deployments[st.DeploymentID]; d != nil {
		created = d.Created
	}
	created = created.UTC()
	if doc.Version == "" {
		doc.Version = created.Format("2006-01-02T15:04:05Z")
	}
	if len(a.VPCEndpointIDs) > 0 {
		doc.Endpoint = &openapi.Endpoint{VPCEndpointIDs: slices.Clone(a.VPCEndpointIDs)}
	}
	if st.DocumentationVersion != "" {
		v, _, err := s.docVersion(ctx, a.ID, st.DocumentationVersion)
		if err != nil && !isNotFound(err) {
			return nil, time.Time{}, err
		}
		if err == nil {
			doc.Documentation = v.Parts
		}
	}
	return doc, created, nil
}

// invokeHost is where an API is served: a host name below localhost, which
// resolves to this machine, with the scheme and port that the client used.
func invokeHost(ctx context.Context, apiID string) (scheme, host string) {
	me := identity.Of(ctx)
	scheme, host = "http", apiID+".execute-api."+me.Region+".localhost"
	if u, err := url.Parse(me.BaseURL); err == nil && u.Host != "" {
		scheme = u.Scheme
		if p := u.Port(); p != "" {
			host += ":" + p
		}
	}
	return scheme, host
}
