package apigateway

import (
	"errors"
	"strings"
	"testing"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
)

func TestMethodsAreChecked(t *testing.T) {
	f := setup(t)
	for _, c := range []struct {
		change     func(*api.PutMethodRequest)
		kind, want string
	}{
		{func(in *api.PutMethodRequest) { in.RestApiId = new("nosuch") }, "NotFoundException", "Invalid Resource identifier specified"},
		{func(in *api.PutMethodRequest) { in.ResourceId = new("nosuch") }, "NotFoundException", "Invalid Resource identifier specified"},
		{func(in *api.PutMethodRequest) { in.HttpMethod = new("FETCH") }, "BadRequestException", "Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY"},
		{func(in *api.PutMethodRequest) { in.AuthorizationType = new("CUSTOM") }, "BadRequestException", "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer."},
		{func(in *api.PutMethodRequest) { in.AuthorizationType = new("MAGIC") }, "BadRequestException", "Invalid authorization type"},
		{func(in *api.PutMethodRequest) { in.RequestValidatorId = new("nosuch") }, "BadRequestException", "Invalid Request Validator identifier specified"},
		{func(in *api.PutMethodRequest) { in.RequestModels = map[string]string{"application/json": "petModel"} }, "BadRequestException", "Invalid model identifier specified: petModel"},
		{func(in *api.PutMethodRequest) { in.RequestParameters = map[string]bool{"header.x": true} }, "BadRequestException", "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: header.x]"},
		{func(in *api.PutMethodRequest) {
			in.RequestParameters = map[string]bool{"method.request.header.x": true, "method.request.querystring.x": true}
		}, "BadRequestException", "Parameter names must be unique across querystring, header and path"},
	} {
		in := &api.PutMethodRequest{RestApiId: f.api, ResourceId: f.root, HttpMethod: new("GET"), AuthorizationType: new("NONE")}
		c.change(in)
		_, err := f.PutMethod(f.ctx, in)
		wantError(t, err, c.kind, c.want)
	}
	f.method(f.root, "GET")
	_, err := f.PutMethod(f.ctx, &api.PutMethodRequest{RestApiId: f.api, ResourceId: f.root, HttpMethod: new("GET"), AuthorizationType: new("NONE")})
	wantError(t, err, "ConflictException", "Method already exists for this resource")
}

func TestMethodsArePatched(t *testing.T) {
	f := setup(t)
	f.method(f.root, "GET")
	update := func(triples ...string) (*api.Method, error) {
		return f.UpdateMethod(f.ctx, &api.UpdateMethodRequest{RestApiId: f.api, ResourceId: f.root, HttpMethod: new("GET"), PatchOperations: patch(triples...)})
	}
	m := must(update(
		"replace", "/apiKeyRequired", "true", "replace", "/operationName", "List", "replace", "/authorizationType", "AWS_IAM",
		"add", "/requestParameters/method.request.querystring.q", "true", "add", "/requestModels/application~1json", "Empty",
	))(t)
	if !*m.ApiKeyRequired || *m.OperationName != "List" || *m.AuthorizationType != "AWS_IAM" || !m.RequestParameters["method.request.querystring.q"] || m.RequestModels["application/json"] != "Empty" {
		t.Errorf("%+v", m)
	}
	m = must(update("replace", "/requestParameters/method.request.querystring.q", "false", "remove", "/requestModels/application~1json", ""))(t)
	if m.RequestParameters["method.request.querystring.q"] || m.RequestModels != nil {
		t.Errorf("%+v", m)
	}
	for _, c := range [][5]string{
		{"add", "/operationName", "x", "BadRequestException", "Invalid patch operation specified. Must be one of: [replace]"},
		{"replace", "/httpMethod", "x", "BadRequestException", "Invalid patch path /httpMethod"},
		{"replace", "/requestModels/application/json", "Empty", "BadRequestException", "Invalid patch path /requestModels/application/json"},
		{"replace", "/requestParameters/method.request.header.none", "true", "NotFoundException", "Invalid parameter name specified"},
		{"remove", "/requestModels/text~1plain", "", "NotFoundException", "Content-Type specified was not found"},
		{"replace", "/authorizationType", "CUSTOM", "BadRequestException", "Invalid authorizer ID specified"},
	} {
		_, err := update(c[0], c[1], c[2])
		wantError(t, err, c[3], c[4])
	}
	if got := must(f.GetMethod(f.ctx, &api.GetMethodRequest{RestApiId: f.api, ResourceId: f.root, HttpMethod: new("GET")}))(t); *got.AuthorizationType != "AWS_IAM" {
		t.Errorf("a refused patch changed the method: %+v", got)
	}
	must(f.DeleteMethod(f.ctx, &api.DeleteMethodRequest{RestApiId: f.api, ResourceId: f.root, HttpMethod: new("GET")}))(t)
	_, err := update("replace", "/operationName", "x")
	wantError(t, err, "NotFoundException", "Invalid Method identifier specified")
}

const lambdaURIForTest = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:f/invocations"

func TestIntegrationsAreChecked(t *testing.T) {
	f := setup(t)
	f.checkTemplate = func(template string) error {
		if strings.Contains(template, "#broken") {
			return errors.New("line 1, column 1: unexpected #broken")
		}
		return nil
	}
	f.method(f.root, "GET")
	put := func(change func(*api.PutIntegrationRequest)) error {
		in := &api.PutIntegrationRequest{
			RestApiId: f.api, ResourceId: f.root, HttpMethod: new("GET"),
			Type: new(api.IntegrationTypeAwsProxy), IntegrationHttpMethod: new("POST"), Uri: new(lambdaURIForTest),
		}
		change(in)
		_, err := f.PutIntegration(f.ctx, in)
		return err
	}
	kind := func(t api.IntegrationType, uri string) func(*api.PutIntegrationRequest) {
		return func(in *api.PutIntegrationRequest) { in.Type, in.Uri = &t, &uri }
	}
	const invalid = "Invalid mapping expression specified: Validation Result: warnings : [], errors : "
	for _, c := range []struct {
		change func(*api.PutIntegrationRequest)
		want   string
	}{
		{func(in *api.PutIntegrationRequest) { in.IntegrationHttpMethod = nil }, "Enumeration value for HttpMethod must be non-empty"},
		{kind("HTTP", "non-valid-http"), "Invalid HTTP endpoint specified for URI"},
		{kind("HTTP_PROXY", "https:///x"), "Invalid HTTP endpoint specified for URI"},
		{kind("AWS", "non-valid-arn"), "Invalid ARN specified in the request"},
		{kind("AWS", "arn:aws:iam::0000000000:role/service-role/asdf"), "AWS ARN for integration must contain path or action"},
		{kind("AWS_PROXY", "arn:aws:apigateway:us-east-1:s3:path/b/k"), "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations."},
		{func(in *api.PutIntegrationRequest) { in.Credentials = new("role") }, "Invalid ARN specified in the request"},
		{func(in *api.PutIntegrationRequest) { in.TimeoutInMillis = new(int32(49)) }, "Timeout should be between 50 ms and 29000 ms"},
		{func(in *api.PutIntegrationRequest) { in.TimeoutInMillis = new(int32(29001)) }, "Timeout should be between 50 ms and 29000 ms"},
		{func(in *api.PutIntegrationRequest) { in.PassthroughBehavior = new("SOMETIMES") }, "Invalid passthrough behavior"},
		{func(in *api.PutIntegrationRequest) {
			in.TlsConfig = &api.TlsConfig{InsecureSkipVerification: new(true)}
		}, "TLS configuration"},
		{func(in *api.PutIntegrationRequest) { in.CacheKeyParameters = []string{"method.request.header.none"} }, "Invalid cache key parameter"},
		{func(in *api.PutIntegrationRequest) { in.RequestTemplates = map[string]string{"123": ""} }, "Validation Result: warnings : [], errors : [Invalid content type specified: 123]"},
		{func(in *api.PutIntegrationRequest) {
			in.RequestTemplates = map[string]string{"application/json": "#broken"}
		}, "line 1, column 1"},
		{func(in *api.PutIntegrationRequest) {
			in.RequestParameters = map[string]string{"integration.request.path.x": "true"}
		}, invalid + "[Invalid mapping expression specified: true]"},
		{func(in *api.PutIntegrationRequest) {
			in.RequestParameters = map[string]string{"integration.request.path.x": "method.request.path.x"}
		}, invalid + "[Invalid mapping expression parameter specified: method.request.path.x]"},
	} {
		wantError(t, put(c.change), "BadRequestException", c.want)
	}
	for _, ok := range []func(*api.PutIntegrationRequest){
		kind("HTTP", "http://${stageVariables.host}:80/x"),
		kind("AWS", "arn:aws:apigateway:us-east-1:sqs:action/SendMessage"),
		kind("AWS_PROXY", "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:${stageVariables.fn}/invocations"),
		func(in *api.PutIntegrationRequest) {
			in.RequestParameters = map[string]string{"integration.request.header.x": "'static'", "integration.request.querystring.y": "context.requestId"}
		},
	} {
		if err := put(ok); err != nil {
			t.Error(err)
		}
	}
}

func TestIntegrationsAndTheirResponses(t *testing.T) {
	f := setup(t)
	at := place{f.api, f.root, new("GET")}
	_, err := f.GetIntegration(f.ctx, &api.GetIntegrationRequest{RestApiId: at.api, ResourceId: at.resource, HttpMethod: at.method})
	wantError(t, err, "NotFoundException", "Invalid Method identifier specified")
	f.method(f.root, "GET")
	_, err = f.GetIntegration(f.ctx, &api.GetIntegrationRequest{RestApiId: at.api, ResourceId: at.resource, HttpMethod: at.method})
	wantError(t, err, "NotFoundException", "Invalid Integration identifier specified")
	put := &api.PutIntegrationResponseRequest{RestApiId: at.api, ResourceId: at.resource, HttpMethod: at.method, StatusCode: new("200")}
	_, err = f.PutIntegrationResponse(f.ctx, put)
	wantError(t, err, "NotFoundException", "Invalid Integration identifier specified")
	i := must(f.PutIntegration(f.ctx, &api.PutIntegrationRequest{RestApiId: at.api, ResourceId: at.resource, HttpMethod: at.method, Type: new(api.IntegrationTypeMock)}))(t)
	if *i.PassthroughBehavior != "WHEN_NO_MATCH" || *i.TimeoutInMillis != 29000 || *i.CacheNamespace != *f.root || i.CacheKeyParameters == nil {
		t.Errorf("defaults: %+v", i)
	}

	put.ResponseParameters = map[string]string{"method.response.header.x": "integration.response.header.y"}
	_, err = f.PutIntegrationResponse(f.ctx, put)
	wantError(t, err, "BadRequestException", "Output mapping refers to an invalid method response: 200")
	must(f.PutMethodResponse(f.ctx, &api.PutMethodResponseRequest{RestApiId: at.api, ResourceId: at.resource, HttpMethod: at.method, StatusCode: new("200")}))(t)
	_, err = f.PutIntegrationResponse(f.ctx, put)
	wantError(t, err, "BadRequestException", "Invalid mapping expression parameter specified: method.response.header.x")
	must(f.UpdateMethodResponse(f.ctx, &api.UpdateMethodResponseRequest{RestApiId: at.api, ResourceId: at.resource, HttpMethod: at.method, StatusCode: new("200"), PatchOperations: patch("add", "/responseParameters/method.response.header.x", "true")}))(t)
	must(f.PutIntegrationResponse(f.ctx, put))(t)
	put.SelectionPattern = new("(")
	_, err = f.PutIntegrationResponse(f.ctx, put)
	wantError(t, err, "BadRequestException", "Invalid selection pattern")

	r := must(f.UpdateIntegrationResponse(f.ctx, &api.UpdateIntegrationResponseRequest{RestApiId: at.api, ResourceId: at.resource, HttpMethod: at.method, StatusCode: new("200"), PatchOperations: patch(
		"replace", "/selectionPattern", `.*\[BadRequest\].*`, "add", "/responseTemplates/application~1json", "{}", "replace", "/contentHandling", "CONVERT_TO_TEXT")}))(t)
	if *r.SelectionPattern != `.*\[BadRequest\].*` || r.ResponseTemplates["application/json"] != "{}" || *r.ContentHandling != "CONVERT_TO_TEXT" {
		t.Errorf("%+v", r)
	}
	m := must(f.GetMethod(f.ctx, &api.GetMethodRequest{RestApiId: at.api, ResourceId: at.resource, HttpMethod: at.method}))(t)
	if m.MethodIntegration.IntegrationResponses["200"] == nil || m.MethodResponses["200"] == nil {
		t.Errorf("%+v", m)
	}

	must(f.DeleteIntegrationResponse(f.ctx, &api.DeleteIntegrationResponseRequest{RestApiId: at.api, ResourceId: at.resource, HttpMethod: at.method, StatusCode: new("200")}))(t)
	_, err = f.GetIntegrationResponse(f.ctx, &api.GetIntegrationResponseRequest{RestApiId: at.api, ResourceId: at.resource, HttpMethod: at.method, StatusCode: new("200")})
	wantError(t, err, "NotFoundException", "Invalid Response status code specified")
	_, err = f.DeleteIntegrationResponse(f.ctx, &api.DeleteIntegrationResponseRequest{RestApiId: at.api, ResourceId: at.resource, HttpMethod: new("PUT"), StatusCode: new("200")})
	wantError(t, err, "NotFoundException", "Invalid Integration identifier specified")

	u := must(f.UpdateIntegration(f.ctx, &api.UpdateIntegrationRequest{RestApiId: at.api, ResourceId: at.resource, HttpMethod: at.method, PatchOperations: patch(
		"replace", "/type", "HTTP", "replace", "/uri", "http://x/", "replace", "/httpMethod", "GET", "replace", "/timeoutInMillis", "100",
		"add", "/requestParameters/integration.request.header.h", "'v'", "add", "/cacheKeyParameters/integration.request.header.h", "",
		"replace", "/tlsConfig/insecureSkipVerification", "true")}))(t)
	if *u.Type != "HTTP" || *u.TimeoutInMillis != 100 || len(u.CacheKeyParameters) != 1 || !*u.TlsConfig.InsecureSkipVerification {
		t.Errorf("%+v", u)
	}
	must(f.DeleteIntegration(f.ctx, &api.DeleteIntegrationRequest{RestApiId: at.api, ResourceId: at.resource, HttpMethod: at.method}))(t)
}
