package image

import (
	"archive/tar"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/function"
)

func folder(name string, mode int64) file {
	return file{Name: name, Typeflag: tar.TypeDir, Mode: mode}
}

func symlink(name, to string) file {
	return file{Name: name, Typeflag: tar.TypeSymlink, Linkname: to, Mode: 0o777}
}

// tree lists what a layer's folder has: whiteouts as "-name", folders as
// "name/", links as "name>target".
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, dir+"/")
		switch {
		case d.IsDir():
			name += "/"
		case isWhiteout(info):
			name = "-" + name
		case d.Type() == fs.ModeSymlink:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			name += ">" + to
		}
		all = append(all, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func TestWhiteouts(t *testing.T) {
	lower := newLayer(t, regular("keep/a", ""), regular("keep/b", ""), regular("all/a", ""), regular("all/sub/b", ""),
		regular("again/old", ""), regular("again/both/old", ""), folder("private", 0o711), regular("private/x", ""), regular("gone", ""))
	middle := newLayer(t, regular(".wh.gone", ""), regular("all/c", ""))
	upper := newLayer(t,
		regular("keep/.wh.a", ""), regular("keep/.wh.never", ""),
		regular("all/.wh..wh..opq", ""), regular("all/c", "new"),
		regular(".wh.again", ""), regular("again/new", ""), regular("again/both/new", ""),
		regular("private/y", ""), regular(".wh.gone", ""), regular(".wh..wh.plnk", ""))
	s := newStore(t, t.TempDir(), nil)
	img := mustEnsure(t, s, inLayout(t, newImage(t, nil, lower, middle, upper)))
	if got, want := tree(t, img.Layers[1]), []string{"-gone", "all/", "all/c"}; !slices.Equal(got, want) {
		t.Errorf("middle layer: %q, want %q", got, want)
	}
	want := []string{"-again/both/old", "-again/old", "-all/a", "-all/sub", "-keep/a", "again/", "again/both/", "again/both/new", "again/new", "all/", "all/c", "keep/", "private/", "private/y"}
	if got := tree(t, img.Layers[2]); !slices.Equal(got, want) {
		t.Errorf("upper layer: %q, want %q", got, want)
	}
	if info, err := os.Stat(filepath.Join(img.Layers[2], "private")); err != nil || info.Mode().Perm() != 0o711 {
		t.Errorf("a folder that only the lower layer describes has mode %v, %v", info.Mode(), err)
	}
}

func TestEntries(t *testing.T) {
	sparse := strings.Repeat("\x00", 1<<20) + "end" + strings.Repeat("\x00", 1<<20)
	l := newLayer(t,
		folder("usr/bin", 0o755), symlink("bin", "usr/bin"), regular("bin/tool", "through a link"),
		symlink("abs", "/usr/bin"), regular("abs/other", "through an absolute one"),
		symlink("out", "../../../../tmp"), regular("out/inside", "does not leave"),
		file{Name: "suid", Typeflag: tar.TypeReg, Mode: 0o6755}, file{Name: "theirs", Typeflag: tar.TypeReg, Mode: 0o640, Uid: functionUser},
		file{Name: "group", Typeflag: tar.TypeReg, Mode: 0o750, Gid: functionGroup}, file{Name: "closed", Typeflag: tar.TypeReg, Mode: 0o600},
		file{Name: "null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}, file{Name: "disk", Typeflag: tar.TypeBlock}, file{Name: "pipe", Typeflag: tar.TypeFifo},
		regular("first", "same"), file{Name: "second", Typeflag: tar.TypeLink, Linkname: "first"},
		regular("twice", "old"), regular("twice", "new"), regular("was/a/file", ""), regular("was", "is one"),
		folder("sticky", 0o1777), folder("locked", 0), regular("locked/x", ""), regular("sparse", sparse),
		regular("./dotted//name", ""), regular("/rooted", ""),
	)
	s := newStore(t, t.TempDir(), nil)
	at := mustEnsure(t, s, inLayout(t, newImage(t, nil, l))).Layers[0]
	want := []string{"abs>/usr/bin", "bin>usr/bin", "closed", "dotted/", "dotted/name", "first", "group", "locked/", "locked/x", "out>../../../../tmp",
		"rooted", "second", "sparse", "sticky/", "suid", "theirs", "tmp/", "tmp/inside", "twice", "usr/", "usr/bin/", "usr/bin/other", "usr/bin/tool", "was"}
	if got := tree(t, at); !slices.Equal(got, want) {
		t.Errorf("there is %q, want %q", got, want)
	}
	for name, mode := range map[string]fs.FileMode{
		"suid": 0o755, "theirs": 0o646, "group": 0o755, "closed": 0o600, "sticky": 0o777 | fs.ModeSticky | fs.ModeDir, "locked": fs.ModeDir,
	} {
		if info, err := os.Lstat(filepath.Join(at, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s has mode %v, %v; want %v", name, info.Mode(), err, mode)
		}
	}
	for name, content := range map[string]string{"second": "same", "twice": "new", "was": "is one", "sparse": sparse} {
		if text, err := os.ReadFile(filepath.Join(at, name)); err != nil || string(text) != content {
			t.Errorf("%s has %d bytes, %v", name, len(text), err)
		}
	}
	if info, err := os.Lstat(filepath.Join(at, "first")); err != nil || info.ModTime().Unix() != 1700000000 {
		t.Errorf("a file's time is %v, %v", info.ModTime(), err)
	}
}

func TestOwnFilesHaveTheRightsOfOthers(t *testing.T) {
	l := newLayer(t, file{Name: "closed", Typeflag: tar.TypeReg, Mode: 0o600}, file{Name: "run", Typeflag: tar.TypeReg, Mode: 0o755}, file{Name: "read", Typeflag: tar.TypeReg, Mode: 0o744})
	s := newStore(t, t.TempDir(), func(o *Options) { o.OwnFiles = true })
	at := mustEnsure(t, s, inLayout(t, newImage(t, nil, l))).Layers[0]
	for name, mode := range map[string]fs.FileMode{"closed": 0o200, "run": 0o755, "read": 0o644} {
		if info, err := os.Lstat(filepath.Join(at, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s has mode %v, %v; want %v", name, info.Mode(), err, mode)
		}
	}
}

func TestMaliciousEntries(t *testing.T) {
	for name, entries := range map[string][]file{
		"leads out of the image":  {regular("../evil", "")},
		"out of the image":        {regular("a/../../evil", "")},
		"no file of the layer":    {{Name: "x", Typeflag: tar.TypeLink, Linkname: "etc/passwd"}},
		"leads out":               {{Name: "x", Typeflag: tar.TypeLink, Linkname: "../../etc/passwd"}},
		"too many symbolic links": {symlink("a", "b"), symlink("b", "a"), regular("a/x", "")},
		"which is none":           {regular("a", ""), regular("a/b", "")},
		"a whiteout of nothing":   {regular("a/.wh.", "")},
		"whiteout of nothing":     {regular("a/.wh...", "")},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, t.TempDir(), nil)
			_, err := ensure(t, s, inLayout(t, newImage(t, nil, newLayer(t, entries...))))
			wantRefusal(t, err, function.ImageInvalid, name)
		})
	}
}

func FuzzUnpackStaysInside(f *testing.F) {
	f.Add("a", "b", "a/c", byte(tar.TypeSymlink))
	f.Add("a", "../..", "a/c", byte(tar.TypeSymlink))
	f.Add("a", "/..", "a/.wh.x", byte(tar.TypeLink))
	f.Fuzz(func(t *testing.T, first, target, second string, kind byte) {
		dir := t.TempDir()
		in := filepath.Join(dir, "a", "b", "root")
		if err := os.MkdirAll(in, 0o755); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(in)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		u := newUnpacker(root, nil, false)
		_ = u.entry(strings.NewReader(""), &tar.Header{Name: first, Linkname: target, Typeflag: kind, Mode: 0o755})
		_ = u.entry(strings.NewReader(""), &tar.Header{Name: second, Typeflag: tar.TypeReg, Mode: 0o644})
		_ = u.hide()
		if got := tree(t, filepath.Join(dir, "a", "b")); len(got) == 0 || got[0] != "root/" {
			t.Fatalf("outside there is %q", got)
		}
		for _, outside := range []string{dir, filepath.Join(dir, "a")} {
			if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
				t.Fatalf("%s has %v, %v", outside, entries, err)
			}
		}
	})
}
