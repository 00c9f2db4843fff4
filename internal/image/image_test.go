package image

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/paddock-run/paddock/internal/function"
)

const account, region = "123456789012", "eu-west-1"

// file is an entry of a layer.
type file = tar.Header

func regular(name, content string) file {
	return file{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content)), Linkname: content}
}

// newLayer makes a layer; Linkname of a regular file is its content.
func newLayer(t testing.TB, files ...file) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range files {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content, h.Linkname = h.Linkname, ""
		}
		if h.ModTime.IsZero() {
			h.ModTime = time.Unix(1700000000, 0)
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// newImage makes an image of this host's architecture.
func newImage(t testing.TB, change func(*v1.ConfigFile), layers ...v1.Layer) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		t.Fatal(err)
	}
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c = c.DeepCopy()
	c.OS, c.Architecture = "linux", runtime.GOARCH
	c.Config = v1.Config{Entrypoint: []string{"/main"}, Cmd: []string{"handler"}, WorkingDir: "/var/task", Env: []string{"A=b"}}
	if change != nil {
		change(c)
	}
	if img, err = mutate.ConfigFile(img, c); err != nil {
		t.Fatal(err)
	}
	return img
}

func newStore(t testing.TB, dir string, change func(*Options)) *Store {
	t.Helper()
	o := Options{Dir: dir, Local: true}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// inLayout writes images into an OCI layout and returns its URI.
func inLayout(t testing.TB, images ...v1.Image) string {
	t.Helper()
	dir := t.TempDir()
	p, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	for _, img := range images {
		if err := p.AppendImage(img); err != nil {
			t.Fatal(err)
		}
	}
	return layoutPrefix + dir
}

func ensure(t testing.TB, s *Store, uri string) (*function.Image, error) {
	t.Helper()
	at, err := s.Resolve(t.Context(), account, region, uri)
	if err != nil {
		return nil, err
	}
	return s.Ensure(t.Context(), at)
}

func mustEnsure(t testing.TB, s *Store, uri string) *function.Image {
	t.Helper()
	img, err := ensure(t, s, uri)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func wantRefusal(t *testing.T, err error, kind function.ImageErrorKind, part string) {
	t.Helper()
	var refused *function.ImageError
	if !errors.As(err, &refused) || refused.Kind != kind || !strings.Contains(refused.Reason, part) {
		t.Fatalf("error %v, want kind %d with %q", err, kind, part)
	}
}

func serveRegistry(t testing.TB) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestSources(t *testing.T) {
	img := newImage(t, nil, newLayer(t, regular("etc/one", "1")), newLayer(t, regular("opt/extensions/watch", "x")))
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	id, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	host := serveRegistry(t)
	tag, err := name.NewTag(host + "/team/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, img); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "app.tar")
	if err := tarball.WriteToFile(archive, tag, img); err != nil {
		t.Fatal(err)
	}
	oci := inLayout(t, img)
	for uri, want := range map[string]v1.Hash{
		tag.String():                          digest,
		host + "/team/app@" + digest.String(): digest,
		oci:                                   digest,
		oci + "@" + digest.String():           digest,
		"docker-archive:" + archive:           id,
		"docker-archive:" + archive + ":v1":   id,
	} {
		t.Run(uri, func(t *testing.T) {
			s := newStore(t, t.TempDir(), func(o *Options) { o.Registries = []string{host} })
			at, err := s.Resolve(t.Context(), account, region, uri)
			if err != nil {
				t.Fatal(err)
			}
			if at.Digest != want.String() || !strings.HasSuffix(at.URI, "@"+want.String()) {
				t.Errorf("resolved to %+v, want digest %s", at, want)
			}
			got, err := s.Ensure(t.Context(), at)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Layers) != 2 || got.EntryPoint[0] != "/main" || got.Command[0] != "handler" || got.WorkingDir != "/var/task" ||
				!slices.Equal(got.Env, []string{"A=b"}) || !slices.Equal(got.Extensions, []string{"watch"}) {
				t.Errorf("image %+v", got)
			}
			if text, err := os.ReadFile(filepath.Join(got.Layers[0], "etc/one")); err != nil || string(text) != "1" {
				t.Errorf("the layer's file has %q, %v", text, err)
			}
		})
	}
	s := newStore(t, t.TempDir(), func(o *Options) { o.Registries = []string{host} })
	_, err = s.Resolve(t.Context(), account, region, host+"/team/app:v2")
	wantRefusal(t, err, function.ImageMissing, "does not exist. Provide a valid source image.")
	_, err = s.Resolve(t.Context(), account, region, "docker-archive:"+archive+":v2")
	wantRefusal(t, err, function.ImageMissing, "does not exist")
	_, err = s.Resolve(t.Context(), account, region, "docker-archive:/dev/zero")
	wantRefusal(t, err, function.ImageDenied, "not a regular file")
}

func TestWhatIsRefused(t *testing.T) {
	plain := newLayer(t, regular("a", "1"))
	img := newImage(t, nil, plain)
	host := serveRegistry(t)
	index, err := name.NewTag(host + "/several:latest")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(index, mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img})); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, uri string
		kind      function.ImageErrorKind
		part      string
	}{
		{"an index", index.String(), function.ImageInvalid, "media type for the source image " + index.String() + " is not supported"},
		{"several in a layout", inLayout(t, img, newImage(t, nil, newLayer(t, regular("b", "2")))), function.ImageInvalid, "It has 2 images"},
		{"Windows", inLayout(t, newImage(t, func(c *v1.ConfigFile) { c.OS = "windows" }, plain)), function.ImageInvalid, `It is an image for "windows"`},
		{"another architecture", inLayout(t, newImage(t, func(c *v1.ConfigFile) { c.Architecture = "s390x" }, plain)), function.ImageInvalid, `for the architecture "s390x"`},
		{"no layers", inLayout(t, newImage(t, nil)), function.ImageInvalid, "has 0 layers"},
		{"a registry that is not allowed", "docker.io/library/alpine:3", function.ImageDenied, "--registry docker.io"},
		{"a short name", "alpine:3", function.ImageBadName, "is not valid"},
		{"a bad digest", host + "/a@sha256:12", function.ImageBadName, "is not valid"},
		{"a relative path", "oci-layout:some/where", function.ImageBadName, "not absolute"},
		{"no layout", "oci-layout:" + t.TempDir(), function.ImageMissing, "does not exist"},
		{"our own registry, which is not there", account + ".dkr.ecr.us-east-1.amazonaws.com/app", function.ImageMissing, "does not exist"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStore(t, t.TempDir(), func(o *Options) { o.Registries = []string{host} })
			_, err := ensure(t, s, test.uri)
			wantRefusal(t, err, test.kind, test.part)
		})
	}
	s := newStore(t, t.TempDir(), func(o *Options) { o.Local = false })
	_, err = ensure(t, s, inLayout(t, img))
	wantRefusal(t, err, function.ImageDenied, "no images from its own files")
}

// changeBlob rewrites a blob of a layout.
func changeBlob(t *testing.T, uri string, h v1.Hash, change func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(strings.TrimPrefix(uri, layoutPrefix), "blobs", h.Algorithm, h.Hex)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if content = change(content); content == nil {
		err = os.Remove(path)
	} else {
		err = os.WriteFile(path, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestDamagedImages(t *testing.T) {
	l := newLayer(t, regular("a", strings.Repeat("some text ", 10000)))
	digest, err := l.Digest()
	if err != nil {
		t.Fatal(err)
	}
	other := newLayer(t, regular("b", "2"))
	for _, test := range []struct {
		name   string
		img    v1.Image
		change func([]byte) []byte
		part   string
	}{
		{"truncated", newImage(t, nil, l), func(b []byte) []byte { return b[:len(b)/2] }, "is truncated"},
		{"another end", newImage(t, nil, l), func(b []byte) []byte { return append(b, 0) }, "longer than its manifest says"},
		{"missing", newImage(t, nil, l), func([]byte) []byte { return nil }, "is missing"},
		{"no tar", newImage(t, nil, l), func(b []byte) []byte { return bytes.Repeat([]byte("x"), len(b)) }, "is damaged"},
		{"another layer", newImage(t, nil, l), func([]byte) []byte {
			rc, err := other.Compressed()
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(rc)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}, "layer " + digest.String()},
		{"a configuration of another layer", newImage(t, func(c *v1.ConfigFile) {
			c.RootFS.DiffIDs = []v1.Hash{{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}}
		}, l), nil, "unpacks to the wrong digest"},
		{"a configuration of more layers", newImage(t, func(c *v1.ConfigFile) {
			c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)})
		}, l), nil, "1 layers, its configuration 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			uri := inLayout(t, test.img)
			if test.change != nil {
				changeBlob(t, uri, digest, test.change)
			}
			s := newStore(t, t.TempDir(), nil)
			_, err := ensure(t, s, uri)
			wantRefusal(t, err, function.ImageInvalid, test.part)
			for _, dir := range []string{layersFolder, imagesFolder, incoming} {
				if left, err := os.ReadDir(s.at(dir)); err != nil || len(left) > 0 {
					t.Errorf("%s is left in %s: %v", left, dir, err)
				}
			}
		})
	}
}

func TestSizeIsBounded(t *testing.T) {
	s := newStore(t, t.TempDir(), func(o *Options) { o.MaxBytes = 1 << 20 })
	zeros := strings.Repeat("\x00", 600<<10)
	if _, err := ensure(t, s, inLayout(t, newImage(t, nil, newLayer(t, regular("a", zeros))))); err != nil {
		t.Fatal(err)
	}
	_, err := ensure(t, s, inLayout(t, newImage(t, nil, newLayer(t, regular("a", zeros)), newLayer(t, regular("b", zeros)))))
	wantRefusal(t, err, function.ImageTooLarge, "over 1048576 bytes")
	_, err = ensure(t, s, inLayout(t, newImage(t, nil, newLayer(t, regular("a", strings.Repeat("\x00", 70<<20))))))
	wantRefusal(t, err, function.ImageTooLarge, "over 1048576 bytes")
}

func TestLayersAreSharedAndRemoved(t *testing.T) {
	base := newLayer(t, regular("base", "1"))
	one := inLayout(t, newImage(t, nil, base, newLayer(t, regular("one", "1"))))
	two := inLayout(t, newImage(t, nil, base, newLayer(t, regular("two", "2"))))
	dir := t.TempDir()
	s := newStore(t, dir, nil)
	first, second := mustEnsure(t, s, one), mustEnsure(t, s, two)
	if first.Layers[0] != second.Layers[0] || first.Layers[1] == second.Layers[1] {
		t.Fatalf("layers %v and %v", first.Layers, second.Layers)
	}
	if err := s.Sweep(t.Context(), func(digest string) bool { return digest == second.Digest }); err != nil {
		t.Fatal(err)
	}
	for _, l := range []struct {
		path string
		left bool
	}{{first.Layers[0], true}, {first.Layers[1], false}, {second.Layers[1], true}} {
		if _, err := os.Stat(l.path); (err == nil) != l.left {
			t.Errorf("%s is left: %v, want %v", l.path, err == nil, l.left)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// After a restart the image is there without its source.
	if err := os.RemoveAll(strings.TrimPrefix(two, layoutPrefix)); err != nil {
		t.Fatal(err)
	}
	s = newStore(t, dir, func(o *Options) { o.Grace = time.Millisecond })
	again, err := s.Ensure(t.Context(), Resolved{Digest: second.Digest, URI: two + "@" + second.Digest})
	if err != nil || !slices.Equal(again.Layers, second.Layers) || again.EntryPoint[0] != "/main" {
		t.Fatalf("after a restart: %+v, %v", again, err)
	}
	s.Release(second.Digest)
	eventually(t, func() bool {
		left, err := os.ReadDir(s.at(layersFolder))
		return err == nil && len(left) == 0
	})
	if _, err := s.Ensure(t.Context(), Resolved{Digest: second.Digest, URI: two + "@" + second.Digest}); err == nil {
		t.Error("a removed image without a source is there")
	}
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for tick := time.NewTicker(time.Millisecond); !ok(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("it does not become so")
		}
	}
}

func TestWhatACrashLeftIsRemoved(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir, nil)
	img := mustEnsure(t, s, inLayout(t, newImage(t, nil, newLayer(t, regular("a", "1")))))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	half, orphan := s.at(incoming, "HALF"), s.at(layersFolder, strings.Repeat("0", 32))
	for _, path := range []string{half, orphan} {
		if err := os.MkdirAll(filepath.Join(path, "x"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s = newStore(t, dir, nil)
	eventually(t, func() bool {
		left, err := os.ReadDir(s.at(incoming))
		return err == nil && len(left) == 0
	})
	if _, err := os.Stat(orphan); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a layer of no image is there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(img.Layers[0], "a")); err != nil {
		t.Errorf("an image's layer is gone: %v", err)
	}
}
