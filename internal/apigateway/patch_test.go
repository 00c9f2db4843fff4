package apigateway

import (
	"errors"
	"testing"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/restapi"
)

func TestPatchPathsMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, path, name string
		ok                  bool
	}{
		{"/name", "/name", "", true},
		{"/name", "/names", "", false},
		{"/m/{name}", "/m/a~1b~0c", "a/b~c", true},
		{"/m/{name}", "/m/~01", "~1", true},
		{"/m/{name}", "/m/", "", false},
		{"/m/{name}", "/m/a/b", "", false},
		{"/m/{name}", "/n/a", "", false},
		{"/m/{name}", "", "", false},
	} {
		if name, ok := matchPatchPath(c.pattern, c.path); ok != c.ok || ok && name != c.name {
			t.Errorf("%s on %s: %q %v", c.pattern, c.path, name, ok)
		}
	}
}

// Whatever a client sends is done or answered with an error of the model, and
// what was done can be stored and served.
func FuzzPatch(f *testing.F) {
	for _, path := range []string{"/description", "/variables/a", "/*/*/metrics/enabled", "/~1a~1{b}/GET/throttling/rateLimit", "/canarySettings/percentTraffic",
		"/canarySettings/stageVariableOverrides/x", "/accessLogSettings/format", "/requestParameters/integration.request.header.x", "/requestTemplates/application~1json",
		"/cacheKeyParameters/method.request.header.x", "/binaryMediaTypes/a~1b", "/minimumCompressionSize", "/endpointConfiguration/types/0", "/policy", "/", "", "//", "/~"} {
		for _, op := range []string{"add", "replace", "remove", "copy"} {
			f.Add(op, path, "1", "/canarySettings/deploymentId")
		}
	}
	s := &Service{checkTemplate: func(string) error { return nil }}
	f.Fuzz(func(t *testing.T, op, path, value, from string) {
		ops := []*api.PatchOperation{{Op: new(api.Op(op)), Path: &path, Value: &value, From: &from}}
		a := &apiState{record: &record{EndpointTypes: []string{"EDGE"}, Deployments: map[string]*deployment{"d": {}}}, Definition: newDefinition()}
		m := &restapi.Method{HTTPMethod: "GET", AuthorizationType: authNone, Integration: &restapi.Integration{Type: typeMock}}
		st := &stage{Stage: restapi.Stage{Name: "s", DeploymentID: "d"}}
		a.Stages = map[string]*stage{"s": st}
		for _, err := range []error{
			restAPIPatches(a).applyTersely(ops),
			methodPatches(m).applyTersely(ops),
			checkMethod(a.Definition, m),
			integrationPatches(m.Integration).applyTersely(ops),
			s.checkIntegration(target{apiState: a, method: m}, m.Integration),
			checkStage(a, st),
		} {
			modelled(t, err)
		}
		if path != "/clientCertificateId" { // which asks the store
			modelled(t, s.patchStage(t.Context(), a, st, ops[0]))
		}
		normalSettings(st.Methods)
		stageView(st)
		methodView(m)
		restAPI(a)
	})
}

func modelled(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	_, bad := errors.AsType[*api.BadRequestException](err)
	if !bad && !isNotFound(err) {
		t.Errorf("%T: %v", err, err)
	}
}

// An imported integration may lack what PutIntegration sets.
func TestAnImportedIntegrationCanBePatched(t *testing.T) {
	f := setup(t)
	f.mock(f.root, "GET")
	must(f.change(f.ctx, *f.api, func(a *apiState) error {
		a.Definition.Resources[*f.root].Methods["GET"].Integration = &restapi.Integration{Type: typeMock}
		return nil
	}))(t)
	i := must(f.UpdateIntegration(f.ctx, &api.UpdateIntegrationRequest{RestApiId: f.api, ResourceId: f.root, HttpMethod: new("GET"), PatchOperations: patch("replace", "/cacheNamespace", "n")}))(t)
	if *i.CacheNamespace != "n" || *i.TimeoutInMillis != defaultTimeoutMillis || *i.PassthroughBehavior != passthroughNoMatch {
		t.Errorf("%+v", i)
	}
}
