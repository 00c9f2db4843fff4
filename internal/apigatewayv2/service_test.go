package apigatewayv2

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"

	api "github.com/paddock-run/paddock/internal/api/apigatewayv2"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/store/local"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

const fn = "arn:aws:lambda:us-east-1:000000000000:function:f"

func setup(t *testing.T) (*Service, store.Documents, context.Context) {
	t.Helper()
	state, err := local.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { state.Close() })
	s, err := New(t.Context(), state.Documents, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s, state.Documents, as(t.Context(), "000000000000", "us-east-1")
}

func as(ctx context.Context, account, region string) context.Context {
	return identity.With(ctx, &identity.Identity{Account: account, Region: region, BaseURL: "http://127.0.0.1:4566"})
}

func create(t *testing.T, s *Service, ctx context.Context, change func(*api.CreateApiRequest)) *api.CreateApiResponse {
	t.Helper()
	in := &api.CreateApiRequest{Name: new("web"), ProtocolType: new(api.ProtocolTypeHttp), Target: new(fn)}
	if change != nil {
		change(in)
	}
	out, err := s.CreateApi(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestQuickCreate(t *testing.T) {
	s, _, ctx := setup(t)
	out := create(t, s, ctx, nil)
	if want := "http://" + *out.ApiId + ".execute-api.us-east-1.localhost:4566"; *out.ApiEndpoint != want {
		t.Errorf("endpoint %s, want %s", *out.ApiEndpoint, want)
	}
	served := s.HTTPAPI(*out.ApiId)
	if served == nil || len(served.Stages["$default"].Routes) != 1 {
		t.Fatalf("not served: %+v", served)
	}
	if r := served.Stages["$default"].Routes[0]; r.Key != "$default" || r.FunctionARN != fn {
		t.Errorf("route %+v", r)
	}
	routes, err := s.GetRoutes(ctx, &api.GetRoutesRequest{ApiId: out.ApiId})
	if err != nil || len(routes.Items) != 1 {
		t.Fatalf("routes: %v %v", routes, err)
	}
	integrations, err := s.GetIntegrations(ctx, &api.GetIntegrationsRequest{ApiId: out.ApiId})
	if err != nil || len(integrations.Items) != 1 {
		t.Fatalf("integrations: %v %v", integrations, err)
	}
	i := integrations.Items[0]
	if *routes.Items[0].Target != "integrations/"+*i.IntegrationId || *i.IntegrationUri != fn || *i.PayloadFormatVersion != "2.0" {
		t.Errorf("route target %s, integration %+v", *routes.Items[0].Target, i)
	}
	if _, err := s.GetRoute(ctx, &api.GetRouteRequest{ApiId: out.ApiId, RouteId: routes.Items[0].RouteId}); err != nil {
		t.Error(err)
	}
	if _, err := s.GetIntegration(ctx, &api.GetIntegrationRequest{ApiId: out.ApiId, IntegrationId: i.IntegrationId}); err != nil {
		t.Error(err)
	}
	stages, err := s.GetStages(ctx, &api.GetStagesRequest{ApiId: out.ApiId})
	if err != nil || len(stages.Items) != 1 || !*stages.Items[0].AutoDeploy {
		t.Errorf("stages: %v %v", stages, err)
	}
	if _, err := s.GetStage(ctx, &api.GetStageRequest{ApiId: out.ApiId, StageName: new("$default")}); err != nil {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	s, _, ctx := setup(t)
	for name, c := range map[string]struct {
		change func(*api.CreateApiRequest)
		want   any
	}{
		"websocket":            {func(in *api.CreateApiRequest) { in.ProtocolType = new(api.ProtocolTypeWebsocket) }, new(*schema.NotImplementedError)},
		"http target":          {func(in *api.CreateApiRequest) { in.Target = new("https://example.com") }, new(*schema.NotImplementedError)},
		"credentials":          {func(in *api.CreateApiRequest) { in.CredentialsArn = new("arn:aws:iam::000000000000:role/r") }, new(*schema.NotImplementedError)},
		"target of no kind":    {func(in *api.CreateApiRequest) { in.Target = new("nonsense") }, new(*api.BadRequestException)},
		"no name":              {func(in *api.CreateApiRequest) { in.Name = new("") }, new(*api.BadRequestException)},
		"long name":            {func(in *api.CreateApiRequest) { in.Name = new(strings.Repeat("x", 129)) }, new(*api.BadRequestException)},
		"route without slash":  {func(in *api.CreateApiRequest) { in.RouteKey = new("GET pets") }, new(*api.BadRequestException)},
		"route method":         {func(in *api.CreateApiRequest) { in.RouteKey = new("FETCH /pets") }, new(*api.BadRequestException)},
		"greedy in the middle": {func(in *api.CreateApiRequest) { in.RouteKey = new("GET /{a+}/b") }, new(*api.BadRequestException)},
		"same variable twice":  {func(in *api.CreateApiRequest) { in.RouteKey = new("GET /{a}/{a}") }, new(*api.BadRequestException)},
		"route without target": {func(in *api.CreateApiRequest) { in.Target, in.RouteKey = nil, new("GET /") }, new(*api.BadRequestException)},
		"credentials for all": {func(in *api.CreateApiRequest) {
			in.CorsConfiguration = &api.Cors{AllowCredentials: new(true), AllowOrigins: []string{"*"}}
		}, new(*api.BadRequestException)},
	} {
		in := &api.CreateApiRequest{Name: new("web"), ProtocolType: new(api.ProtocolTypeHttp), Target: new(fn)}
		c.change(in)
		if _, err := s.CreateApi(ctx, in); !errors.As(err, c.want) {
			t.Errorf("%s: %v, want a %T", name, err, c.want)
		}
	}
}

func TestAPIsAreTheirAccounts(t *testing.T) {
	s, _, ctx := setup(t)
	id := create(t, s, ctx, nil).ApiId
	for _, other := range []context.Context{as(t.Context(), "111111111111", "us-east-1"), as(t.Context(), "000000000000", "eu-west-1")} {
		var notFound *api.NotFoundException
		if _, err := s.GetApi(other, &api.GetApiRequest{ApiId: id}); !errors.As(err, &notFound) {
			t.Errorf("GetApi: %v", err)
		}
		if _, err := s.DeleteApi(other, &api.DeleteApiRequest{ApiId: id}); !errors.As(err, &notFound) {
			t.Errorf("DeleteApi: %v", err)
		}
		if list, err := s.GetApis(other, &api.GetApisRequest{}); err != nil || len(list.Items) != 0 {
			t.Errorf("GetApis: %v %v", list, err)
		}
	}
}

func TestGetApisPages(t *testing.T) {
	s, _, ctx := setup(t)
	want := map[string]bool{}
	for i := range 5 {
		want[*create(t, s, ctx, func(in *api.CreateApiRequest) { in.Name = new(fmt.Sprint("api", i)) }).ApiId] = true
	}
	in := &api.GetApisRequest{MaxResults: new("2")}
	pages := 0
	for {
		out, err := s.GetApis(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, a := range out.Items {
			if !want[*a.ApiId] {
				t.Errorf("%s twice, or never created", *a.ApiId)
			}
			delete(want, *a.ApiId)
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if len(want) != 0 || pages != 3 {
		t.Errorf("%d not listed, %d pages", len(want), pages)
	}
}

// The lists of what quick create made have one page: a token, or a size that is
// none, is refused all the same.
func TestQuickListsRefuseTokens(t *testing.T) {
	s, _, ctx := setup(t)
	id := create(t, s, ctx, nil).ApiId
	for what, c := range map[string]struct {
		size, token *string
		refused     bool
	}{
		"nothing":      {},
		"a size":       {size: new("1")},
		"a token":      {token: new("x"), refused: true},
		"a size of 0":  {size: new("0"), refused: true},
		"no size, x":   {size: new("x"), refused: true},
		"both, a page": {size: new("1"), token: new("x"), refused: true},
	} {
		_, routes := s.GetRoutes(ctx, &api.GetRoutesRequest{ApiId: id, MaxResults: c.size, NextToken: c.token})
		_, integrations := s.GetIntegrations(ctx, &api.GetIntegrationsRequest{ApiId: id, MaxResults: c.size, NextToken: c.token})
		_, stages := s.GetStages(ctx, &api.GetStagesRequest{ApiId: id, MaxResults: c.size, NextToken: c.token})
		for _, err := range []error{routes, integrations, stages} {
			if _, bad := errors.AsType[*api.BadRequestException](err); bad != c.refused || !c.refused && err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}

func TestNamesAreMeasuredInCharacters(t *testing.T) {
	s, _, ctx := setup(t)
	create(t, s, ctx, func(in *api.CreateApiRequest) { in.Name = new(strings.Repeat("ü", 128)) })
	if _, err := s.CreateApi(ctx, &api.CreateApiRequest{Name: new(strings.Repeat("ü", 129)), ProtocolType: new(api.ProtocolTypeHttp)}); err == nil {
		t.Error("a name of 129 characters was taken")
	}
}

func TestUpdateIsServed(t *testing.T) {
	s, _, ctx := setup(t)
	id := create(t, s, ctx, nil).ApiId
	other := strings.TrimSuffix(fn, "f") + "g"
	_, err := s.UpdateApi(ctx, &api.UpdateApiRequest{ApiId: id, Target: &other, RouteKey: new("GET /x"), DisableExecuteApiEndpoint: new(true), CorsConfiguration: &api.Cors{AllowOrigins: []string{"*"}}})
	if err != nil {
		t.Fatal(err)
	}
	served := s.HTTPAPI(*id)
	if r := served.Stages["$default"].Routes[0]; r.FunctionARN != other || r.Key != "GET /x" || !served.ExecuteAPIDisabled || served.CORS == nil {
		t.Errorf("served %+v, route %+v", served, r)
	}
	if out, err := s.GetApi(ctx, &api.GetApiRequest{ApiId: id}); err != nil || *out.Name != "web" {
		t.Errorf("the name was not kept: %v %v", out, err)
	}
}

func TestDeleteIsServedNoMore(t *testing.T) {
	s, _, ctx := setup(t)
	id := create(t, s, ctx, nil).ApiId
	if _, err := s.DeleteApi(ctx, &api.DeleteApiRequest{ApiId: id}); err != nil {
		t.Fatal(err)
	}
	if s.HTTPAPI(*id) != nil {
		t.Error("still served")
	}
	var notFound *api.NotFoundException
	if _, err := s.DeleteApi(ctx, &api.DeleteApiRequest{ApiId: id}); !errors.As(err, &notFound) {
		t.Errorf("a second time: %v", err)
	}
}

// A service that starts on a store with APIs serves them, and one follows what
// another writes.
func TestServesWhatTheStoreHas(t *testing.T) {
	s, docs, ctx := setup(t)
	id := create(t, s, ctx, nil).ApiId
	second, err := New(t.Context(), docs, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if second.HTTPAPI(*id) == nil {
		t.Error("not loaded")
	}
	watch := docs.Watch(ctx, keyPrefix)
	if _, err := s.DeleteApi(ctx, &api.DeleteApiRequest{ApiId: id}); err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Next(ctx); err != nil {
		t.Fatal(err)
	}
	for second.HTTPAPI(*id) != nil && t.Context().Err() == nil {
		runtime.Gosched() // the other service's watch has the change too: it has only to be read
	}
}
