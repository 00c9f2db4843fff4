package ecr

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/paddock-run/paddock/internal/api/ecr"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/store/blobfile"
	"github.com/paddock-run/paddock/internal/store/local"
)

var team = Repository{"123456789012", "eu-west-1", "team/app"}

// world is a service over a real store.
type world struct {
	*Service
	blobs store.Blobs
	ctx   context.Context
	now   time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	state, err := local.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blobfile.Open(filepath.Join(dir, "registry"), nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{blobs: blobs, now: time.Unix(1700000000, 0).UTC()}
	if w.Service, err = New(Options{Documents: state.Documents, Blobs: blobs, Now: func() time.Time { return w.now }}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(w.Close(), state.Close()); err != nil {
			t.Error(err)
		}
	})
	w.ctx = identity.With(t.Context(), &identity.Identity{Account: team.Account, Region: team.Region, Partition: "aws", BaseURL: "http://127.0.0.1:4566"})
	return w
}

func (w *world) create(t *testing.T, change func(*api.CreateRepositoryRequest)) *api.Repository {
	t.Helper()
	in := &api.CreateRepositoryRequest{RepositoryName: new(team.Name)}
	if change != nil {
		change(in)
	}
	out, err := w.CreateRepository(w.ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	return out.Repository
}

// push uploads a layer and returns its digest.
func (w *world) push(t *testing.T, content string) string {
	t.Helper()
	id, err := w.StartUpload(w.ctx, team)
	if err != nil {
		t.Fatal(err)
	}
	half := len(content) / 2
	for i, part := range []string{content[:half], content[half:]} {
		if _, err := w.AppendUpload(w.ctx, team, id, int64(i*half), strings.NewReader(part)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.FinishUpload(w.ctx, team, id, Digest([]byte(content))); err != nil {
		t.Fatal(err)
	}
	return Digest([]byte(content))
}

func manifestOf(config string, layers ...string) string {
	var list []string
	for _, l := range layers {
		list = append(list, fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":%q,"size":3}`, l))
	}
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":2},"layers":[%s]}`, ociManifest, config, strings.Join(list, ","))
}

func (w *world) put(manifest, tag string) (*api.PutImageResponse, error) {
	in := &api.PutImageRequest{RepositoryName: new(team.Name), ImageManifest: &manifest}
	if tag != "" {
		in.ImageTag = &tag
	}
	return w.PutImage(w.ctx, in)
}

func wantError[E error](t *testing.T, err error) {
	t.Helper()
	var want E
	if !errors.As(err, &want) {
		t.Errorf("error %v, want a %T", err, want)
	}
}

func (w *world) stored(t *testing.T) int {
	t.Helper()
	if err := w.collect(); err != nil { // what runs in the background does no more
		t.Fatal(err)
	}
	blobs, err := w.blobs.List(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	return len(blobs)
}

func TestRepositories(t *testing.T) {
	w := newWorld(t)
	r := w.create(t, func(in *api.CreateRepositoryRequest) { in.Tags = []*api.Tag{{Key: new("a"), Value: new("b")}} })
	if *r.RepositoryUri != "123456789012.dkr.ecr.eu-west-1.localhost:4566/team/app" || *r.RepositoryArn != "arn:aws:ecr:eu-west-1:123456789012:repository/team/app" {
		t.Errorf("repository %s, %s", *r.RepositoryUri, *r.RepositoryArn)
	}
	_, err := w.CreateRepository(w.ctx, &api.CreateRepositoryRequest{RepositoryName: new(team.Name)})
	wantError[*api.RepositoryAlreadyExistsException](t, err)
	_, err = w.DescribeRepositories(w.ctx, &api.DescribeRepositoriesRequest{RepositoryNames: []string{"none"}})
	wantError[*api.RepositoryNotFoundException](t, err)
	for _, name := range []string{"b", "c"} {
		w.create(t, func(in *api.CreateRepositoryRequest) { in.RepositoryName = &name })
	}
	var names []string
	for in := (&api.DescribeRepositoriesRequest{MaxResults: new(int32(2))}); ; {
		out, err := w.DescribeRepositories(w.ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.Repositories {
			names = append(names, *r.RepositoryName)
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if !slices.Equal(names, []string{"b", "c", "team/app"}) {
		t.Errorf("repositories %q", names)
	}
	tags, err := w.ListTagsForResource(w.ctx, &api.ListTagsForResourceRequest{ResourceArn: r.RepositoryArn})
	if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].Value != "b" {
		t.Errorf("tags %+v, %v", tags, err)
	}
	_, err = w.GetRepositoryPolicy(w.ctx, &api.GetRepositoryPolicyRequest{RepositoryName: new(team.Name)})
	wantError[*api.RepositoryPolicyNotFoundException](t, err)
	_, err = w.GetLifecyclePolicy(w.ctx, &api.GetLifecyclePolicyRequest{RepositoryName: new(team.Name)})
	wantError[*api.LifecyclePolicyNotFoundException](t, err)
}

func TestPushAndDelete(t *testing.T) {
	w := newWorld(t)
	w.create(t, nil)
	config, shared, own := w.push(t, "{}"), w.push(t, "shared layer"), w.push(t, "own layer")
	_, err := w.put(manifestOf(config, "sha256:"+strings.Repeat("0", 64)), "bad")
	wantError[*api.LayersNotFoundException](t, err)
	one, err := w.put(manifestOf(config, shared, own), "one")
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.put(manifestOf(config, shared, own), "one")
	wantError[*api.ImageAlreadyExistsException](t, err)
	if _, err := w.put(manifestOf(config, shared), "two"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.put(manifestOf(config, shared, own), "also"); err != nil {
		t.Fatal(err)
	}
	if n := w.stored(t); n != 5 {
		t.Errorf("%d blobs, want 3 and two manifests", n)
	}
	got, err := w.BatchGetImage(w.ctx, &api.BatchGetImageRequest{RepositoryName: new(team.Name), ImageIds: []*api.ImageIdentifier{{ImageTag: new("also")}, {ImageTag: new("none")}, {}}})
	if err != nil || len(got.Images) != 1 || *got.Images[0].ImageManifest != *one.Image.ImageManifest || len(got.Failures) != 2 {
		t.Errorf("BatchGetImage: %+v, %v", got, err)
	}
	described, err := w.DescribeImages(w.ctx, &api.DescribeImagesRequest{RepositoryName: new(team.Name), ImageIds: []*api.ImageIdentifier{{ImageTag: new("one")}}})
	if err != nil || !slices.Equal(described.ImageDetails[0].ImageTags, []string{"also", "one"}) || *described.ImageDetails[0].ImageSizeInBytes != 8 {
		t.Errorf("DescribeImages: %+v, %v", described, err)
	}
	_, err = w.DeleteRepository(w.ctx, &api.DeleteRepositoryRequest{RepositoryName: new(team.Name)})
	wantError[*api.RepositoryNotEmptyException](t, err)

	remove := func(id *api.ImageIdentifier, want int) {
		t.Helper()
		out, err := w.BatchDeleteImage(w.ctx, &api.BatchDeleteImageRequest{RepositoryName: new(team.Name), ImageIds: []*api.ImageIdentifier{id}})
		if err != nil || len(out.ImageIds) != 1 || len(out.Failures) != 0 {
			t.Errorf("BatchDeleteImage: %+v, %v", out, err)
		}
		if n := w.stored(t); n != want {
			t.Errorf("%d blobs are left, want %d", n, want)
		}
	}
	remove(&api.ImageIdentifier{ImageTag: new("also")}, 5)                      // a tag of two
	remove(&api.ImageIdentifier{ImageDigest: one.Image.ImageId.ImageDigest}, 3) // with its own layer
	if _, err := w.DeleteRepository(w.ctx, &api.DeleteRepositoryRequest{RepositoryName: new(team.Name), Force: new(true)}); err != nil {
		t.Fatal(err)
	}
	if n := w.stored(t); n != 0 {
		t.Errorf("%d blobs are left of a deleted repository", n)
	}
}

func TestImmutableTags(t *testing.T) {
	w := newWorld(t)
	w.create(t, func(in *api.CreateRepositoryRequest) {
		in.ImageTagMutability = new(api.ImageTagMutabilityImmutableWithExclusion)
		in.ImageTagMutabilityExclusionFilters = []*api.ImageTagMutabilityExclusionFilter{{FilterType: new(api.ImageTagMutabilityExclusionFilterTypeWildcard), Filter: new("dev-*")}}
	})
	config, layer := w.push(t, "{}"), w.push(t, "layer")
	for _, tag := range []string{"v1", "dev-1"} {
		if _, err := w.put(manifestOf(config, layer), tag); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.put(manifestOf(config), "v1")
	wantError[*api.ImageTagAlreadyExistsException](t, err)
	if _, err := w.put(manifestOf(config), "dev-1"); err != nil {
		t.Errorf("a tag that is excluded: %v", err)
	}
}

func TestUploads(t *testing.T) {
	w := newWorld(t)
	_, err := w.StartUpload(w.ctx, team)
	wantError[*api.RepositoryNotFoundException](t, err)
	w.create(t, nil)
	id, err := w.StartUpload(w.ctx, team)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.AppendUpload(w.ctx, team, id, 0, strings.NewReader("some ")); err != nil {
		t.Fatal(err)
	}
	_, err = w.AppendUpload(w.ctx, team, id, 7, strings.NewReader("x"))
	wantError[*api.InvalidLayerPartException](t, err)
	_, err = w.FinishUpload(w.ctx, team, id, Digest([]byte("another")))
	wantError[*api.InvalidLayerException](t, err)
	_, err = w.FinishUpload(w.ctx, team, id, Digest([]byte("some ")))
	wantError[*api.UploadNotFoundException](t, err)
	if n := w.stored(t); n != 0 {
		t.Errorf("%d blobs are left of a refused layer", n)
	}
	digest := w.push(t, "a layer")
	available, err := w.BatchCheckLayerAvailability(w.ctx, &api.BatchCheckLayerAvailabilityRequest{RepositoryName: new(team.Name), LayerDigests: []string{digest, Digest(nil), "nonsense"}})
	if err != nil || *available.Layers[0].LayerAvailability != "AVAILABLE" || *available.Layers[0].LayerSize != 7 || *available.Layers[1].LayerAvailability != "UNAVAILABLE" || len(available.Failures) != 1 {
		t.Errorf("BatchCheckLayerAvailability: %+v, %v", available, err)
	}
	blob, err := w.Blob(w.ctx, team.Account, team.Region, team.Name, digest)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	var content bytes.Buffer
	if _, err := content.ReadFrom(blob); err != nil || content.String() != "a layer" {
		t.Errorf("the layer is %q, %v", content.String(), err)
	}
	if _, err := w.Blob(w.ctx, team.Account, "us-east-1", team.Name, digest); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("in another region: %v", err)
	}
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	out, err := w.GetAuthorizationToken(w.ctx, &api.GetAuthorizationTokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := base64.StdEncoding.DecodeString(*out.AuthorizationData[0].AuthorizationToken)
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimPrefix(string(text), "AWS:")
	if account, ok := w.TokenAccount(token); !ok || account != team.Account {
		t.Errorf("the token is of %q, %v", account, ok)
	}
	if *out.AuthorizationData[0].ProxyEndpoint != "http://123456789012.dkr.ecr.eu-west-1.localhost:4566" {
		t.Errorf("the registry is at %s", *out.AuthorizationData[0].ProxyEndpoint)
	}
	for _, bad := range []string{"", "x", token[:len(token)-2] + "AA", newWorld(t).token(team.Account, w.now.Add(time.Hour))} {
		if _, ok := w.TokenAccount(bad); ok {
			t.Errorf("the token %q is good", bad)
		}
	}
	w.now = w.now.Add(13 * time.Hour)
	if _, ok := w.TokenAccount(token); ok {
		t.Error("a token is good for longer than 12 hours")
	}
}
