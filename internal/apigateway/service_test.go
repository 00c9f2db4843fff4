package apigateway

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/store/local"
)

// fixture is a service over a store of its own, with one API.
type fixture struct {
	*Service
	t    *testing.T
	ctx  context.Context
	docs store.Documents
	api  *string
	root *string
}

func setup(t *testing.T) *fixture {
	t.Helper()
	state, err := local.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { state.Close() })
	s, err := New(t.Context(), Options{Documents: state.Documents, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{Service: s, t: t, ctx: as(t.Context(), "000000000000", "us-east-1"), docs: state.Documents}
	out := must(s.CreateRestApi(f.ctx, &api.CreateRestApiRequest{Name: new("pets")}))(t)
	f.api, f.root = out.Id, out.RootResourceId
	return f
}

func as(ctx context.Context, account, region string) context.Context {
	return identity.With(ctx, &identity.Identity{Account: account, Region: region, BaseURL: "http://127.0.0.1:4566"})
}

// must returns what a call returned, or fails the test.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// wantError checks the error's type by its name, and that its text holds part.
func wantError(t *testing.T, err error, kind, part string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s: %s", kind, part)
	}
	if !strings.HasPrefix(err.Error(), kind+": ") || !strings.Contains(err.Error(), part) {
		t.Fatalf("error %q, want %s with %q", err, kind, part)
	}
}

// patch makes patch operations of "op path value" triples.
func patch(triples ...string) []*api.PatchOperation {
	var out []*api.PatchOperation
	for i := 0; i < len(triples); i += 3 {
		p := &api.PatchOperation{Op: new(api.Op(triples[i])), Path: new(triples[i+1])}
		if triples[i] != "remove" {
			p.Value = new(triples[i+2])
		}
		out = append(out, p)
	}
	return out
}
