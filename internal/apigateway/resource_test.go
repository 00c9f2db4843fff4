package apigateway

import (
	"testing"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
)

// resource makes a resource and returns its ID.
func (f *fixture) resource(parent *string, part string) *string {
	f.t.Helper()
	return must(f.CreateResource(f.ctx, &api.CreateResourceRequest{RestApiId: f.api, ParentId: parent, PathPart: &part}))(f.t).Id
}

// method makes a method without an authorizer.
func (f *fixture) method(resource *string, name string) {
	f.t.Helper()
	must(f.PutMethod(f.ctx, &api.PutMethodRequest{RestApiId: f.api, ResourceId: resource, HttpMethod: &name, AuthorizationType: new("NONE")}))(f.t)
}

// mock makes a method that a MOCK integration answers.
func (f *fixture) mock(resource *string, name string) {
	f.t.Helper()
	f.method(resource, name)
	must(f.PutIntegration(f.ctx, &api.PutIntegrationRequest{
		RestApiId: f.api, ResourceId: resource, HttpMethod: &name, Type: new(api.IntegrationTypeMock),
		RequestTemplates: map[string]string{"application/json": `{"statusCode": 200}`},
	}))(f.t)
}

// paths lists the API's resources by path.
func (f *fixture) paths() []string {
	f.t.Helper()
	var out []string
	for _, r := range must(f.GetResources(f.ctx, &api.GetResourcesRequest{RestApiId: f.api}))(f.t).Items {
		out = append(out, *r.Path)
	}
	return out
}

func wantPaths(t *testing.T, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("paths %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("paths %q, want %q", got, want)
		}
	}
}

func TestResourcesMakeATree(t *testing.T) {
	f := setup(t)
	pets := f.resource(f.root, "pets")
	pet := f.resource(pets, "{id}")
	f.resource(pet, "photos")
	f.resource(f.root, "{proxy+}")
	wantPaths(t, f.paths(), "/", "/pets", "/pets/{id}", "/pets/{id}/photos", "/{proxy+}")

	must(f.UpdateResource(f.ctx, &api.UpdateResourceRequest{RestApiId: f.api, ResourceId: pets, PatchOperations: patch("replace", "/pathPart", "animals")}))(t)
	wantPaths(t, f.paths(), "/", "/animals", "/animals/{id}", "/animals/{id}/photos", "/{proxy+}")

	must(f.DeleteResource(f.ctx, &api.DeleteResourceRequest{RestApiId: f.api, ResourceId: pet}))(t)
	wantPaths(t, f.paths(), "/", "/animals", "/{proxy+}")
	_, err := f.DeleteResource(f.ctx, &api.DeleteResourceRequest{RestApiId: f.api, ResourceId: f.root})
	wantError(t, err, "BadRequestException", "Root resource")
}

func TestWhatAResourceMayNotBe(t *testing.T) {
	f := setup(t)
	pets := f.resource(f.root, "pets")
	greedy := f.resource(f.root, "{proxy+}")
	for _, c := range []struct {
		parent     *string
		part       string
		kind, want string
	}{
		{f.root, "a b", "BadRequestException", "Resource's path part only allow a-zA-Z0-9._-:"},
		{f.root, "", "BadRequestException", "Resource's path part only allow"},
		{f.root, "{a}b", "BadRequestException", "Resource's path part only allow"},
		{f.root, "{a++}", "BadRequestException", "Resource's path part only allow"},
		{f.root, "pets", "ConflictException", "Another resource with the same parent already has this name: pets"},
		{f.root, "{other}", "BadRequestException", "A sibling ({proxy+}) of this resource already has a variable path part -- only one is allowed"},
		{greedy, "more", "BadRequestException", "Cannot create a child of a resource with a greedy path variable: {proxy+}"},
		{new("nosuch"), "x", "NotFoundException", "Invalid Resource identifier specified"},
	} {
		_, err := f.CreateResource(f.ctx, &api.CreateResourceRequest{RestApiId: f.api, ParentId: c.parent, PathPart: &c.part})
		wantError(t, err, c.kind, c.want)
	}

	child := f.resource(pets, "child")
	grandchild := f.resource(child, "{proxy+}")
	for _, c := range []struct {
		resource   *string
		patch      []*api.PatchOperation
		kind, want string
	}{
		{pets, patch("replace", "/parentId", *child), "BadRequestException", "Resources cannot be cyclical."},
		{pets, patch("replace", "/parentId", "nosuch"), "NotFoundException", "Invalid Resource identifier"},
		{pets, patch("replace", "/invalid", "x"), "BadRequestException", "Invalid patch path  '/invalid' specified for op 'replace'. Must be one of: [/parentId, /pathPart]"},
		{pets, patch("remove", "/pathPart", ""), "BadRequestException", "Invalid patch path  '/pathPart' specified for op 'remove'. Please choose supported operations"},
		{f.root, patch("replace", "/pathPart", "x"), "BadRequestException", "Root resource cannot update its pathPart."},
		{f.root, patch("replace", "/parentId", *child), "BadRequestException", "Root resource cannot update its parentId."},
		{grandchild, patch("replace", "/parentId", *f.root), "ConflictException", "Another resource with the same parent already has this name: {proxy+}"},
	} {
		_, err := f.UpdateResource(f.ctx, &api.UpdateResourceRequest{RestApiId: f.api, ResourceId: c.resource, PatchOperations: c.patch})
		wantError(t, err, c.kind, c.want)
	}
	must(f.DeleteResource(f.ctx, &api.DeleteResourceRequest{RestApiId: f.api, ResourceId: greedy}))(t)
	_, err := f.UpdateResource(f.ctx, &api.UpdateResourceRequest{RestApiId: f.api, ResourceId: child, PatchOperations: patch("replace", "/pathPart", "{all+}")})
	wantError(t, err, "BadRequestException", "greedy path variable")
}

func TestResourcesAreShownWithTheirMethods(t *testing.T) {
	f := setup(t)
	f.mock(f.root, "GET")
	plain := must(f.GetResource(f.ctx, &api.GetResourceRequest{RestApiId: f.api, ResourceId: f.root}))(t)
	if m := plain.ResourceMethods["GET"]; m == nil || m.HttpMethod != nil {
		t.Errorf("without embed: %+v", m)
	}
	full := must(f.GetResource(f.ctx, &api.GetResourceRequest{RestApiId: f.api, ResourceId: f.root, Embed: []string{"methods"}}))(t)
	if m := full.ResourceMethods["GET"]; m == nil || *m.HttpMethod != "GET" || *m.MethodIntegration.Type != "MOCK" {
		t.Errorf("with embed: %+v", m)
	}
	_, err := f.GetResource(f.ctx, &api.GetResourceRequest{RestApiId: f.api, ResourceId: f.root, Embed: []string{"all"}})
	wantError(t, err, "BadRequestException", "Invalid embed parameter")
}

// Changes at the same time are all kept.
func TestConcurrentChanges(t *testing.T) {
	f := setup(t)
	const n = 12
	errs := make(chan error, n)
	for i := range n {
		go func() {
			_, err := f.CreateResource(f.ctx, &api.CreateResourceRequest{RestApiId: f.api, ParentId: f.root, PathPart: new("r" + string(rune('a'+i)))})
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := f.paths(); len(got) != n+1 {
		t.Errorf("%d resources: %q", len(got), got)
	}
}
