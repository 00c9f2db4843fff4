package registry

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	api "github.com/paddock-run/paddock/internal/api/ecr"
	"github.com/paddock-run/paddock/internal/ecr"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store/blobfile"
	"github.com/paddock-run/paddock/internal/store/local"
)

// serve starts a registry with the repositories one and two, and returns its
// host:port and the password for it.
func serve(t *testing.T, enforce bool) (host, password string) {
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
	s, err := ecr.New(ecr.Options{Documents: state.Documents, Blobs: blobs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), state.Close()); err != nil {
			t.Error(err)
		}
	})
	h := New(Options{Repositories: s, Enforce: enforce})
	id := &identity.Identity{Account: "123456789012", Region: "us-east-1", Partition: "aws"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mine := *id
		mine.BaseURL = "http://" + r.Host
		if !h.Owns(r.URL.Path) {
			t.Errorf("%s is not owned", r.URL.Path)
		}
		h.ServeHTTP(w, r.WithContext(identity.With(r.Context(), &mine)))
	}))
	t.Cleanup(server.Close)
	ctx := identity.With(t.Context(), id)
	for _, repository := range []string{"one", "two"} {
		if _, err := s.CreateRepository(ctx, &api.CreateRepositoryRequest{RepositoryName: &repository}); err != nil {
			t.Fatal(err)
		}
	}
	token, err := s.GetAuthorizationToken(ctx, &api.GetAuthorizationTokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := base64.StdEncoding.DecodeString(*token.AuthorizationData[0].AuthorizationToken)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(server.URL, "http://"), strings.TrimPrefix(string(text), "AWS:")
}

func tag(t *testing.T, s string) name.Tag {
	t.Helper()
	out, err := name.NewTag(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPushAndPull(t *testing.T) {
	host, _ := serve(t, false)
	img, err := random.Image(100<<10, 3)
	if err != nil {
		t.Fatal(err)
	}
	one := tag(t, host+"/one:v1")
	if err := remote.Write(one, img); err != nil {
		t.Fatal(err)
	}
	back, err := remote.Image(one)
	if err != nil {
		t.Fatal(err)
	}
	want, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := back.Digest(); err != nil || got != want {
		t.Errorf("pulled %v, %v; pushed %v", got, err, want)
	}
	layers, err := back.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		rc, err := l.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, rc); err != nil { // checks its digest
			t.Error(err)
		}
	}
	if err := remote.Write(tag(t, host+"/two:v1"), back); err != nil { // mounts
		t.Error(err)
	}
	if err := remote.WriteIndex(tag(t, host+"/two:index"), mustIndex(t)); err != nil {
		t.Error(err)
	}
	if tags, err := remote.List(one.Context()); err != nil || len(tags) != 1 || tags[0] != "v1" {
		t.Errorf("tags %q, %v", tags, err)
	}
	if err := remote.Delete(one); err != nil {
		t.Error(err)
	}
	if _, err := remote.Head(one); err == nil {
		t.Error("a deleted tag is there")
	}
	if err := remote.Write(tag(t, host+"/none:v1"), img); err == nil || !strings.Contains(err.Error(), "NAME_UNKNOWN") {
		t.Errorf("a push into a repository that is not there: %v", err)
	}
}

func mustIndex(t *testing.T) v1.ImageIndex {
	t.Helper()
	index, err := random.Index(1000, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

func TestCredentialsAreAskedFor(t *testing.T) {
	host, password := serve(t, true)
	img, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	to := tag(t, host+"/one:v1")
	for _, auth := range []authn.Authenticator{authn.Anonymous, &authn.Basic{Username: "AWS", Password: "x"}, &authn.Basic{Username: "root", Password: password}} {
		if err := remote.Write(to, img, remote.WithAuth(auth)); err == nil || !strings.Contains(err.Error(), "UNAUTHORIZED") && !strings.Contains(err.Error(), "401") {
			t.Errorf("with %T: %v", auth, err)
		}
	}
	if err := remote.Write(to, img, remote.WithAuth(&authn.Basic{Username: "AWS", Password: password})); err != nil {
		t.Error(err)
	}
}

func TestUploadsByHand(t *testing.T) {
	host, _ := serve(t, false)
	do := func(method, url, body, contentRange string, want int) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if contentRange != "" {
			req.Header.Set("Content-Range", contentRange)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.Body.Close() != nil || resp.StatusCode != want {
			t.Fatalf("%s %s: %d %s, %v; want %d", method, url, resp.StatusCode, text, err, want)
		}
		return resp
	}
	base := "http://" + host + "/v2/one/blobs/uploads/"
	digest := ecr.Digest([]byte("some text"))
	do(http.MethodPost, base+"?digest="+digest, "some text", "", http.StatusCreated)
	at := do(http.MethodPost, base, "", "", http.StatusAccepted).Header.Get("Location")
	do(http.MethodPatch, at, "some ", "0-4", http.StatusAccepted)
	do(http.MethodPatch, at, "text", "7-10", http.StatusRequestedRangeNotSatisfiable)
	if got := do(http.MethodGet, at, "", "", http.StatusNoContent).Header.Get("Range"); got != "0-4" {
		t.Errorf("the upload has %s", got)
	}
	do(http.MethodPut, at+"?digest="+digest, "text", "5-8", http.StatusCreated)
	do(http.MethodPut, at+"?digest="+digest, "", "", http.StatusNotFound)
	at = do(http.MethodPost, base, "", "", http.StatusAccepted).Header.Get("Location")
	do(http.MethodPut, at+"?digest="+digest, "else", "", http.StatusBadRequest)
	at = do(http.MethodPost, base, "", "", http.StatusAccepted).Header.Get("Location")
	do(http.MethodDelete, at, "", "", http.StatusNoContent)
	do(http.MethodGet, "http://"+host+"/v2/one/blobs/"+digest, "", "", http.StatusOK)
	do(http.MethodGet, "http://"+host+"/v2/two/blobs/"+digest, "", "", http.StatusNotFound)
	do(http.MethodPost, "http://"+host+"/v2/one/tags/list", "", "", http.StatusMethodNotAllowed)
}
