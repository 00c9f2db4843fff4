package lambda

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/function"
)

// images has one image, whose digest is all of a letter: the URI's last.
type images struct {
	mu       sync.Mutex
	broken   *function.ImageError // what Ensure returns
	released []string
}

func (i *images) Resolve(_ context.Context, account, region, uri string) (digest, resolved string, err error) {
	if strings.HasSuffix(uri, "none") {
		return "", "", function.NewImageError(function.ImageMissing, "Source image %s does not exist. Provide a valid source image.", uri)
	}
	digest = "sha256:" + strings.Repeat(uri[len(uri)-1:], 64)
	return digest, account + "/" + region + "@" + digest, nil
}

func (i *images) Ensure(_ context.Context, digest, _ string) (*function.Image, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.broken != nil {
		return nil, i.broken
	}
	return &function.Image{Digest: digest, Layers: []string{"/layer"}, EntryPoint: []string{"/main"}, Command: []string{"own"}, WorkingDir: "/app"}, nil
}

func (i *images) Release(digest string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.released = append(i.released, digest)
}

func (i *images) Sweep(context.Context, func(string) bool) error { return nil }

func imageWorld(t *testing.T) (*world, *images) {
	t.Helper()
	w, i := newWorld(t), &images{}
	w.images = i
	w.restart()
	return w, i
}

func imageRequest(uri string) *api.CreateFunctionRequest {
	return &api.CreateFunctionRequest{
		FunctionName: new("f"), Role: new(role), PackageType: new(api.PackageTypeImage), Code: &api.FunctionCode{ImageUri: &uri},
	}
}

func (w *world) settle() *api.FunctionConfiguration {
	w.t.Helper()
	var c *api.FunctionConfiguration
	waitFor(w.t, "the function's state", func() bool {
		var err error
		if c, err = w.GetFunctionConfiguration(ctx(), &api.GetFunctionConfigurationRequest{FunctionName: new("f")}); err != nil {
			w.t.Fatal(err)
		}
		return *c.State != api.StatePending && deref(c.LastUpdateStatus) != api.LastUpdateStatusInProgress
	})
	return c
}

func TestImageFunctions(t *testing.T) {
	w, i := imageWorld(t)
	in := imageRequest("registry/app:a")
	in.ImageConfig = &api.ImageConfig{Command: []string{"given"}}
	if _, err := w.CreateFunction(ctx(), in); err != nil {
		t.Fatal(err)
	}
	c := w.settle()
	if *c.State != api.StateActive || *c.PackageType != api.PackageTypeImage || *c.CodeSize != 0 || *c.CodeSha256 != strings.Repeat("a", 64) ||
		c.Runtime != nil || c.Handler != nil || c.RuntimeVersionConfig != nil || !slices.Equal(c.ImageConfigResponse.ImageConfig.Command, []string{"given"}) {
		t.Errorf("configuration %+v", c)
	}
	runs := func() *function.Image {
		t.Helper()
		v, err := w.Current(ctx(), arnBase+"f")
		if err != nil {
			t.Fatal(err)
		}
		return v.Image
	}
	if got := runs(); !slices.Equal(got.EntryPoint, []string{"/main"}) || !slices.Equal(got.Command, []string{"given"}) || got.WorkingDir != "/app" {
		t.Errorf("it runs %+v", got)
	}
	if _, err := w.UpdateFunctionConfiguration(ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: new("f"), ImageConfig: &api.ImageConfig{WorkingDirectory: new("/other")}}); err != nil {
		t.Fatal(err)
	}
	if got := runs(); !slices.Equal(got.Command, []string{"own"}) || got.WorkingDir != "/other" {
		t.Errorf("with another ImageConfig it runs %+v", got)
	}
	got, err := w.GetFunction(ctx(), &api.GetFunctionRequest{FunctionName: new("f")})
	if err != nil || *got.Code.RepositoryType != "ECR" || *got.Code.ImageUri != "registry/app:a" || !strings.HasSuffix(*got.Code.ResolvedImageUri, strings.Repeat("a", 64)) || got.Code.Location != nil {
		t.Errorf("code %+v, %v", got, err)
	}
	w.settle()
	if _, err := w.UpdateFunctionCode(ctx(), &api.UpdateFunctionCodeRequest{FunctionName: new("f"), ImageUri: new("registry/app:b")}); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if got := runs(); got.Digest != "sha256:"+strings.Repeat("b", 64) || got.WorkingDir != "/other" {
		t.Errorf("after the update it runs %+v", got)
	}
	waitFor(t, "the release of the first image", func() bool {
		i.mu.Lock()
		defer i.mu.Unlock()
		return slices.Equal(i.released, []string{"sha256:" + strings.Repeat("a", 64)})
	})
}

func TestImageFunctionsRefuse(t *testing.T) {
	w, i := imageWorld(t)
	for name, test := range map[string]struct {
		change func(*api.CreateFunctionRequest)
		want   string
	}{
		"handler":  {func(in *api.CreateFunctionRequest) { in.Handler = new("x") }, "InvalidParameterValueException: Please don't provide Runtime or Handler or Layer when the intended function PackageType is Image."},
		"layers":   {func(in *api.CreateFunctionRequest) { in.Layers = []string{"x"} }, "InvalidParameterValueException: Please don't provide Runtime or Handler or Layer when the intended function PackageType is Image."},
		"archive":  {func(in *api.CreateFunctionRequest) { in.Code.ZipFile = []byte("x") }, "InvalidParameterValueException: Please don't provide ZipFile when creating a function with packageType Image."},
		"no image": {func(in *api.CreateFunctionRequest) { in.Code.ImageUri = nil }, "InvalidParameterValueException: Please provide ImageUri when creating a function with packageType Image."},
		"missing":  {func(in *api.CreateFunctionRequest) { in.Code.ImageUri = new("registry/none") }, "InvalidParameterValueException: Source image registry/none does not exist. Provide a valid source image."},
	} {
		t.Run(name, func(t *testing.T) {
			in := imageRequest("registry/app:a")
			test.change(in)
			_, err := w.CreateFunction(ctx(), in)
			wantErr(t, err, test.want)
		})
	}
	for kind, code := range map[function.ImageErrorKind]api.StateReasonCode{
		function.ImageInvalid: api.StateReasonCodeInvalidImage, function.ImageMissing: api.StateReasonCodeImageDeleted, function.ImageDenied: api.StateReasonCodeImageAccessDenied,
	} {
		i.mu.Lock()
		i.broken = function.NewImageError(kind, "why")
		i.mu.Unlock()
		if _, err := w.CreateFunction(ctx(), imageRequest("registry/app:a")); err != nil {
			t.Fatal(err)
		}
		if c := w.settle(); *c.State != api.StateFailed || *c.StateReasonCode != code || *c.StateReason != "why" {
			t.Errorf("state %s, %s: %s", *c.State, *c.StateReasonCode, *c.StateReason)
		}
		if _, err := w.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new("f")}); err != nil {
			t.Fatal(err)
		}
	}
}
