package process

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/paddock-run/paddock/internal/sandbox"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestLaterLayersCoverEarlierOnes(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	write(t, filepath.Join(first, "lib", "a"), "first a")
	write(t, filepath.Join(first, "lib", "b"), "first b")
	write(t, filepath.Join(first, "folder", "x"), "x")
	write(t, filepath.Join(first, "file"), "a file")
	write(t, filepath.Join(second, "lib", "b"), "second b")
	write(t, filepath.Join(second, "folder"), "now a file")
	write(t, filepath.Join(second, "file", "y"), "now a folder")
	if err := os.Symlink("b", filepath.Join(second, "lib", "link")); err != nil {
		t.Fatal(err)
	}

	driver, err := New(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := driver.Close(); err != nil {
			t.Error(err)
		}
	}()
	spec := &sandbox.Spec{ID: "merge", Code: t.TempDir(), Layers: []string{first, second}}
	one, err := driver.New(context.Background(), spec)
	if err != nil {
		t.Fatal(err)
	}
	opt := one.Layout().Opt
	for name, want := range map[string]string{
		"lib/a": "first a", "lib/b": "second b", "lib/link": "second b",
		"folder": "now a file", "file/y": "now a folder",
	} {
		got, err := os.ReadFile(filepath.Join(opt, name))
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	if got, err := os.ReadFile(filepath.Join(first, "lib", "b")); err != nil || string(got) != "first b" {
		t.Errorf("the layer itself was changed: %q, %v", got, err)
	}
	two, err := driver.New(context.Background(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if two.Layout().Opt != opt {
		t.Error("the same layers were merged twice")
	}
}

func TestRemoveAllOfReadOnlyFolders(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may remove from any folder")
	}
	dir := filepath.Join(t.TempDir(), "top")
	write(t, filepath.Join(dir, "a", "b", "file"), "content")
	for _, path := range []string{filepath.Join(dir, "a", "b"), filepath.Join(dir, "a")} {
		if err := os.Chmod(path, 0o500); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Fatalf("still there: %v", err)
	}
}
