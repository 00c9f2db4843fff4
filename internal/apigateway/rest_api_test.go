package apigateway

import (
	"testing"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
)

func TestAnAPIOfAnotherAccountIsNotThere(t *testing.T) {
	f := setup(t)
	for _, ctx := range []struct{ account, region string }{{"111111111111", "us-east-1"}, {"000000000000", "eu-west-1"}} {
		other := as(t.Context(), ctx.account, ctx.region)
		_, err := f.GetRestApi(other, &api.GetRestApiRequest{RestApiId: f.api})
		wantError(t, err, "NotFoundException", "Invalid API identifier specified "+ctx.account+":"+*f.api)
		_, err = f.DeleteRestApi(other, &api.DeleteRestApiRequest{RestApiId: f.api})
		wantError(t, err, "NotFoundException", "Invalid API identifier")
		if list := must(f.GetRestApis(other, &api.GetRestApisRequest{}))(t); len(list.Items) != 0 {
			t.Errorf("listed %v", list.Items)
		}
	}
}

func TestDeletingAnAPILeavesNothing(t *testing.T) {
	f := setup(t)
	must(f.DeleteRestApi(f.ctx, &api.DeleteRestApiRequest{RestApiId: f.api}))(t)
	if docs := must(f.docs.List(f.ctx, keyPrefix, "", 0))(t); len(docs) != 0 {
		t.Errorf("left: %v", docs)
	}
	_, err := f.DeleteRestApi(f.ctx, &api.DeleteRestApiRequest{RestApiId: f.api})
	wantError(t, err, "NotFoundException", "Invalid API identifier")
}

func TestAPIsAreListedByPages(t *testing.T) {
	f := setup(t)
	seen := map[string]bool{}
	for range 6 {
		must(f.CreateRestApi(f.ctx, &api.CreateRestApiRequest{Name: new("more")}))(t)
	}
	in := &api.GetRestApisRequest{Limit: new(int32(3))}
	for pages := 1; ; pages++ {
		out := must(f.GetRestApis(f.ctx, in))(t)
		for _, a := range out.Items {
			seen[*a.Id] = true
		}
		if out.Position == nil {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
		in.Position = out.Position
	}
	if len(seen) != 7 {
		t.Errorf("saw %d APIs", len(seen))
	}
	_, err := f.GetRestApis(f.ctx, &api.GetRestApisRequest{Position: new("?")})
	wantError(t, err, "BadRequestException", "Invalid position")
	_, err = f.GetRestApis(f.ctx, &api.GetRestApisRequest{Limit: new(int32(0))})
	wantError(t, err, "BadRequestException", "Invalid limit")
}
