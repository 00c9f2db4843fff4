package apigateway

import (
	"context"
	"testing"
	"time"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
)

func TestRequestValidators(t *testing.T) {
	f := setup(t)
	_, err := f.CreateRequestValidator(f.ctx, &api.CreateRequestValidatorRequest{RestApiId: new("nosuch"), Name: new("v")})
	wantError(t, err, "BadRequestException", "Invalid REST API identifier specified")
	v := must(f.CreateRequestValidator(f.ctx, &api.CreateRequestValidatorRequest{RestApiId: f.api, Name: new("v"), ValidateRequestBody: new(true)}))(t)
	if !*v.ValidateRequestBody || *v.ValidateRequestParameters {
		t.Errorf("%+v", v)
	}
	update := func(triples ...string) (*api.RequestValidator, error) {
		return f.UpdateRequestValidator(f.ctx, &api.UpdateRequestValidatorRequest{RestApiId: f.api, RequestValidatorId: v.Id, PatchOperations: patch(triples...)})
	}
	got := must(update("replace", "/validateRequestBody", "no", "replace", "/validateRequestParameters", "TRUE", "replace", "/name", "w"))(t)
	if *got.ValidateRequestBody || !*got.ValidateRequestParameters || *got.Name != "w" {
		t.Errorf("%+v", got)
	}
	_, err = update("replace", "/name", "")
	wantError(t, err, "BadRequestException", "Request Validator name cannot be blank")
	_, err = update("replace", "/invalidPath", "")
	wantError(t, err, "BadRequestException", "Invalid patch path  '/invalidPath' specified for op 'replace'. Must be one of: [/name, /validateRequestParameters, /validateRequestBody]")

	must(f.PutMethod(f.ctx, &api.PutMethodRequest{RestApiId: f.api, ResourceId: f.root, HttpMethod: new("GET"), AuthorizationType: new("NONE"), RequestValidatorId: v.Id}))(t)
	remove := &api.DeleteRequestValidatorRequest{RestApiId: f.api, RequestValidatorId: v.Id}
	_, err = f.DeleteRequestValidator(f.ctx, remove)
	wantError(t, err, "ConflictException", "is referenced in method request: //GET")
	must(f.DeleteMethod(f.ctx, &api.DeleteMethodRequest{RestApiId: f.api, ResourceId: f.root, HttpMethod: new("GET")}))(t)
	must(f.DeleteRequestValidator(f.ctx, remove))(t)
	_, err = f.DeleteRequestValidator(f.ctx, remove)
	wantError(t, err, "NotFoundException", "Invalid Request Validator identifier specified")
	_, err = f.GetRequestValidator(f.ctx, &api.GetRequestValidatorRequest{RestApiId: new("nosuch"), RequestValidatorId: v.Id})
	wantError(t, err, "NotFoundException", "Invalid Request Validator identifier specified")
}

func TestGatewayResponses(t *testing.T) {
	f := setup(t)
	get := func(kind string) *api.GatewayResponse {
		t.Helper()
		return must(f.GetGatewayResponse(f.ctx, &api.GetGatewayResponseRequest{RestApiId: f.api, ResponseType: new(api.GatewayResponseType(kind))}))(t)
	}
	r := get("MISSING_AUTHENTICATION_TOKEN")
	if !*r.DefaultResponse || *r.StatusCode != "403" || r.ResponseTemplates["application/json"] != `{"message":$context.error.messageString}` || r.ResponseParameters == nil {
		t.Errorf("%+v", r)
	}
	if all := must(f.GetGatewayResponses(f.ctx, &api.GetGatewayResponsesRequest{RestApiId: f.api}))(t); len(all.Items) != 21 || all.Position != nil {
		t.Errorf("%d types", len(all.Items))
	}
	must(f.PutGatewayResponse(f.ctx, &api.PutGatewayResponseRequest{RestApiId: f.api, ResponseType: new(api.GatewayResponseTypeDefault5xx), StatusCode: new("599"),
		ResponseParameters: map[string]string{"gatewayresponse.header.x": "method.request.header.Accept"}}))(t)
	if r := get("API_CONFIGURATION_ERROR"); !*r.DefaultResponse || *r.StatusCode != "599" || len(r.ResponseParameters) != 1 {
		t.Errorf("inherited: %+v", r)
	}
	must(f.PutGatewayResponse(f.ctx, &api.PutGatewayResponseRequest{RestApiId: f.api, ResponseType: new(api.GatewayResponseTypeAuthorizerFailure),
		ResponseParameters: map[string]string{"gatewayresponse.header.foo": "'bar'"}}))(t)
	if r := get("AUTHORIZER_FAILURE"); *r.DefaultResponse || *r.StatusCode != "500" || r.ResponseParameters["gatewayresponse.header.foo"] != "'bar'" {
		t.Errorf("customized: %+v", r)
	}
	update := func(triples ...string) (*api.GatewayResponse, error) {
		return f.UpdateGatewayResponse(f.ctx, &api.UpdateGatewayResponseRequest{RestApiId: f.api, ResponseType: new(api.GatewayResponseTypeDefault4xx), PatchOperations: patch(triples...)})
	}
	if r := must(update("replace", "/statusCode", "444"))(t); *r.DefaultResponse || *r.StatusCode != "444" || len(r.ResponseTemplates) != 1 {
		t.Errorf("%+v", r)
	}
	for _, c := range [][5]string{
		{"add", "/statusCode", "400", "BadRequestException", "Invalid patch path /statusCode"},
		{"replace", "/wrongPath", "400", "BadRequestException", "Invalid patch path /wrongPath"},
		{"replace", "/responseParameters/gatewayresponse.header.no", "'x'", "NotFoundException", "Invalid parameter name specified"},
		{"replace", "/responseTemplates/application~1json", "", "BadRequestException", "Invalid null or empty value in responseTemplates"},
		{"add", "/responseParameters/header.x", "'x'", "BadRequestException", "Invalid mapping expression specified"},
		{"replace", "/statusCode", "999", "BadRequestException", "Invalid status code"},
	} {
		_, err := update(c[0], c[1], c[2])
		wantError(t, err, c[3], c[4])
	}
	remove := &api.DeleteGatewayResponseRequest{RestApiId: f.api, ResponseType: new(api.GatewayResponseTypeDefault4xx)}
	must(f.DeleteGatewayResponse(f.ctx, remove))(t)
	_, err := f.DeleteGatewayResponse(f.ctx, remove)
	wantError(t, err, "NotFoundException", "Gateway response type not defined on api")
}

func TestAuthorizers(t *testing.T) {
	f := setup(t)
	create := func(change func(*api.CreateAuthorizerRequest)) (*api.Authorizer, error) {
		in := &api.CreateAuthorizerRequest{RestApiId: f.api, Name: new("a"), Type: new(api.AuthorizerTypeToken),
			AuthorizerUri: new(lambdaURIForTest), IdentitySource: new("method.request.header.Auth")}
		change(in)
		return f.CreateAuthorizer(f.ctx, in)
	}
	for _, c := range []struct {
		change func(*api.CreateAuthorizerRequest)
		want   string
	}{
		{func(in *api.CreateAuthorizerRequest) { in.Name = new("") }, "Authorizer name cannot be empty"},
		{func(in *api.CreateAuthorizerRequest) { in.AuthorizerUri = new("x") }, "Invalid Authorizer URI: x. Authorizer URI should be a valid API Gateway ARN that represents a Lambda function invocation."},
		{func(in *api.CreateAuthorizerRequest) { in.IdentitySource = nil }, "Identity source must be specified"},
		{func(in *api.CreateAuthorizerRequest) { in.IdentitySource = new("method.request.querystring.x") }, "Invalid mapping expression specified"},
		{func(in *api.CreateAuthorizerRequest) {
			in.IdentitySource = new("method.request.header.a,method.request.header.b")
		}, "Invalid mapping expression specified"},
		{func(in *api.CreateAuthorizerRequest) { in.AuthorizerResultTtlInSeconds = new(int32(3601)) }, "authorizerResultTtlInSeconds"},
		{func(in *api.CreateAuthorizerRequest) { in.IdentityValidationExpression = new("(") }, "Invalid identity validation expression"},
		{func(in *api.CreateAuthorizerRequest) { in.AuthorizerCredentials = new("x") }, "Invalid ARN specified in the request"},
		{func(in *api.CreateAuthorizerRequest) { in.Type = new(api.AuthorizerTypeCognitoUserPools) }, "Provider ARNs must be specified"},
		{func(in *api.CreateAuthorizerRequest) {
			in.Type, in.ProviderARNs = new(api.AuthorizerTypeCognitoUserPools), []string{"arn:aws:sqs:us-east-1:000000000000:q"}
		}, "Invalid ARN specified in the request"},
	} {
		_, err := create(c.change)
		wantError(t, err, "BadRequestException", c.want)
	}
	token := must(create(func(*api.CreateAuthorizerRequest) {}))(t)
	if *token.AuthType != "custom" {
		t.Errorf("%+v", token)
	}
	_, err := create(func(*api.CreateAuthorizerRequest) {})
	wantError(t, err, "ConflictException", "Authorizer name must be unique. Authorizer a already exists in this RestApi.")
	pool := must(create(func(in *api.CreateAuthorizerRequest) {
		in.Name, in.Type, in.AuthorizerUri = new("pool"), new(api.AuthorizerTypeCognitoUserPools), nil
		in.ProviderARNs = []string{"arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_abc"}
	}))(t)
	must(create(func(in *api.CreateAuthorizerRequest) {
		in.Name, in.Type, in.IdentitySource = new("r"), new(api.AuthorizerTypeRequest), new("method.request.header.a, method.request.querystring.b, context.accountId, stageVariables.c")
	}))(t)
	must(create(func(in *api.CreateAuthorizerRequest) {
		in.Name, in.Type, in.IdentitySource, in.AuthorizerResultTtlInSeconds = new("r0"), new(api.AuthorizerTypeRequest), nil, new(int32(0))
	}))(t)

	put := func(kind string, id *string) error {
		_, err := f.PutMethod(f.ctx, &api.PutMethodRequest{RestApiId: f.api, ResourceId: f.root, HttpMethod: new("GET"), AuthorizationType: &kind, AuthorizerId: id})
		return err
	}
	wantError(t, put("COGNITO_USER_POOLS", token.Id), "BadRequestException", "Invalid authorizer ID specified")
	wantError(t, put("CUSTOM", pool.Id), "BadRequestException", "Invalid authorizer ID specified")
	if err := put("CUSTOM", token.Id); err != nil {
		t.Fatal(err)
	}
	_, err = f.DeleteAuthorizer(f.ctx, &api.DeleteAuthorizerRequest{RestApiId: f.api, AuthorizerId: token.Id})
	wantError(t, err, "ConflictException", "is referenced in method: //GET")
	must(f.DeleteAuthorizer(f.ctx, &api.DeleteAuthorizerRequest{RestApiId: f.api, AuthorizerId: pool.Id}))(t)
	_, err = f.GetAuthorizer(f.ctx, &api.GetAuthorizerRequest{RestApiId: f.api, AuthorizerId: pool.Id})
	wantError(t, err, "NotFoundException", "Invalid Authorizer identifier specified")

	got := must(f.UpdateAuthorizer(f.ctx, &api.UpdateAuthorizerRequest{RestApiId: f.api, AuthorizerId: token.Id, PatchOperations: patch(
		"replace", "/name", "b", "replace", "/authorizerResultTtlInSeconds", "0", "replace", "/identityValidationExpression", "^Bearer .+$")}))(t)
	if *got.Name != "b" || *got.AuthorizerResultTtlInSeconds != 0 {
		t.Errorf("%+v", got)
	}
	_, err = f.UpdateAuthorizer(f.ctx, &api.UpdateAuthorizerRequest{RestApiId: f.api, AuthorizerId: token.Id, PatchOperations: patch("replace", "/name", "r")})
	wantError(t, err, "ConflictException", "Authorizer name must be unique")
	if l := must(f.GetAuthorizers(f.ctx, &api.GetAuthorizersRequest{RestApiId: f.api}))(t); len(l.Items) != 3 {
		t.Errorf("%d authorizers", len(l.Items))
	}
}

func TestTags(t *testing.T) {
	f := setup(t)
	f.mock(f.root, "GET")
	f.deploy("dev")
	for _, resource := range []string{"/restapis/" + *f.api, "/restapis/" + *f.api + "/stages/dev"} {
		arn := new("arn:aws:apigateway:us-east-1::" + resource)
		must(f.TagResource(f.ctx, &api.TagResourceRequest{ResourceArn: arn, Tags: map[string]string{"a": "1", "b": "2"}}))(t)
		must(f.UntagResource(f.ctx, &api.UntagResourceRequest{ResourceArn: arn, TagKeys: []string{"a", "none"}}))(t)
		if got := must(f.GetTags(f.ctx, &api.GetTagsRequest{ResourceArn: arn}))(t); len(got.Tags) != 1 || got.Tags["b"] != "2" {
			t.Errorf("%s: %v", resource, got.Tags)
		}
	}
	if st := must(f.GetStage(f.ctx, &api.GetStageRequest{RestApiId: f.api, StageName: new("dev")}))(t); st.Tags["b"] != "2" {
		t.Errorf("%v", st.Tags)
	}
	for arn, want := range map[string]string{
		"x": "Invalid ARN", "arn:aws:sqs:us-east-1::/restapis/a": "Invalid ARN", "arn:aws:apigateway:us-east-1::/nosuch/a": "Invalid ARN",
		"arn:aws:apigateway:eu-west-1::/restapis/" + *f.api:                "Invalid ARN",
		"arn:aws:apigateway:us-east-1::/restapis/" + *f.api + "/resources": "Invalid ARN",
	} {
		_, err := f.GetTags(f.ctx, &api.GetTagsRequest{ResourceArn: &arn})
		wantError(t, err, "BadRequestException", want)
	}
	_, err := f.TagResource(f.ctx, &api.TagResourceRequest{ResourceArn: new("arn:aws:apigateway:us-east-1::/restapis/" + *f.api), Tags: map[string]string{"aws:x": "1"}})
	wantError(t, err, "BadRequestException", "aws: prefix is reserved")
}

func TestAccount(t *testing.T) {
	f := setup(t)
	a := must(f.GetAccount(f.ctx, &api.GetAccountRequest{}))(t)
	if *a.ThrottleSettings.BurstLimit != 5000 || *a.ThrottleSettings.RateLimit != 10000 || a.CloudwatchRoleArn != nil {
		t.Errorf("%+v", a)
	}
	must(f.UpdateAccount(f.ctx, &api.UpdateAccountRequest{PatchOperations: patch("replace", "/cloudwatchRoleArn", "arn:aws:iam::000000000000:role/logs")}))(t)
	if a := must(f.GetAccount(f.ctx, &api.GetAccountRequest{}))(t); *a.CloudwatchRoleArn != "arn:aws:iam::000000000000:role/logs" {
		t.Errorf("%+v", a)
	}
	if a := must(f.GetAccount(as(t.Context(), "111111111111", "us-east-1"), &api.GetAccountRequest{}))(t); a.CloudwatchRoleArn != nil {
		t.Error("another account has it too")
	}
	_, err := f.UpdateAccount(f.ctx, &api.UpdateAccountRequest{PatchOperations: patch("replace", "/cloudwatchRoleArn", "x")})
	wantError(t, err, "BadRequestException", "role ARN")
	_, err = f.UpdateAccount(f.ctx, &api.UpdateAccountRequest{PatchOperations: patch("replace", "/throttleSettings/rateLimit", "1")})
	wantError(t, err, "BadRequestException", "Must be one of: [/cloudwatchRoleArn, /features]")
}

// told is a Tester that keeps what it was asked.
type told struct {
	method     TestMethod
	authorizer TestAuthorizer
}

func (r *told) TestMethod(_ context.Context, t TestMethod) (*TestMethodResult, error) {
	r.method = t
	return &TestMethodResult{Status: 201, Headers: map[string][]string{"X": {"1", "2"}}, Body: "b", Log: "l", Latency: 5 * time.Millisecond}, nil
}

func (r *told) TestAuthorizer(_ context.Context, t TestAuthorizer) (*TestAuthorizerResult, error) {
	r.authorizer = t
	return &TestAuthorizerResult{ClientStatus: 200, PrincipalID: "me", Policy: "{}"}, nil
}

var _ Tester = (*told)(nil)

func TestInvocationsAreHandedOn(t *testing.T) {
	f := setup(t)
	in := &api.TestInvokeMethodRequest{RestApiId: f.api, ResourceId: f.root, HttpMethod: new("GET"), PathWithQueryString: new("/?a=b"),
		Headers: map[string]string{"H": "1"}, MultiValueHeaders: map[string][]string{"H": {"0"}, "M": {"2"}}, StageVariables: map[string]string{"v": "x"}}
	if _, err := f.TestInvokeMethod(f.ctx, in); err == nil {
		t.Error("without a data plane it answered")
	}
	r := new(told)
	f.SetTester(r)
	_, err := f.TestInvokeMethod(f.ctx, in)
	wantError(t, err, "NotFoundException", "Invalid Method identifier specified")
	f.mock(f.root, "GET")
	out := must(f.TestInvokeMethod(f.ctx, in))(t)
	if *out.Status != 201 || out.Headers["X"] != "2" || len(out.MultiValueHeaders["X"]) != 2 || *out.Latency != 5 || *out.Log != "l" {
		t.Errorf("%+v", out)
	}
	if h := r.method.Headers; len(h["H"]) != 2 || len(h["M"]) != 1 || r.method.PathWithQuery != "/?a=b" || r.method.Definition.Resources[*f.root].Methods["GET"] == nil {
		t.Errorf("%+v", r.method)
	}
	_, err = f.TestInvokeAuthorizer(f.ctx, &api.TestInvokeAuthorizerRequest{RestApiId: f.api, AuthorizerId: new("nosuch")})
	wantError(t, err, "NotFoundException", "Invalid Authorizer identifier")
}
