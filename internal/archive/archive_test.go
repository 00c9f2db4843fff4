package archive_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/archive"
)

// item is one entry to put into a test archive.
type item struct {
	name    string
	body    string
	mode    fs.FileMode // with type
	windows bool        // no Unix attributes
	deflate bool
}

func file(name, body string) item { return item{name: name, body: body, mode: 0o644} }
func link(name, to string) item {
	return item{name: name, body: to, mode: fs.ModeSymlink | 0o777}
}

func build(t testing.TB, items ...item) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, it := range items {
		h := &zip.FileHeader{Name: it.name}
		if it.deflate {
			h.Method = zip.Deflate
		}
		if !it.windows {
			h.SetMode(it.mode)
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, it.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func open(b []byte) (*archive.Archive, error) {
	return archive.Open(bytes.NewReader(b), int64(len(b)), archive.Lambda)
}

func unpack(t testing.TB, b []byte) (string, error) {
	t.Helper()
	a, err := open(b)
	if err != nil {
		return "", err
	}
	dir := t.TempDir()
	return dir, a.Unpack(t.Context(), dir)
}

// tree lists a folder as "mode path[ -> target]: content" lines.
func tree(t testing.TB, dir string) string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		switch {
		case d.IsDir():
			out = append(out, fmt.Sprintf("%o %s/", fi.Mode().Perm(), rel))
		case d.Type() == fs.ModeSymlink:
			to, err := os.Readlink(p)
			if err != nil {
				return err
			}
			out = append(out, rel+" -> "+to)
		default:
			b, err := os.ReadFile(p)
			if err != nil && !errors.Is(err, fs.ErrPermission) {
				return err
			}
			out = append(out, fmt.Sprintf("%o %s: %s", fi.Mode().Perm(), rel, b))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, "\n")
}

func TestUnpack(t *testing.T) {
	old := syscall.Umask(0o077) // modes must not depend on the daemon's umask
	defer syscall.Umask(old)
	dir, err := unpack(t, build(t,
		file("index.py", "print(1)"),
		item{name: "bin/run", body: "#!/bin/sh", mode: 0o755, deflate: true},
		item{name: "set", body: "x", mode: fs.ModeSetuid | 0o4755},
		item{name: "private/", mode: fs.ModeDir | 0o700},
		item{name: "private/key", body: "k", mode: 0o600},
		item{name: "win/", windows: true},
		item{name: "win/a.txt", body: "w", windows: true},
		file("./dot//slash.txt", "d"),
		file("twice", "first"), file("twice", "second"),
		link("lib/current", "../bin/run"),
		link("dangling", "nowhere"),
	))
	if err != nil {
		t.Fatal(err)
	}
	want := `755 bin/
755 bin/run: #!/bin/sh
dangling -> nowhere
755 dot/
644 dot/slash.txt: d
644 index.py: print(1)
755 lib/
lib/current -> ../bin/run
755 private/
600 private/key: k
755 set: x
644 twice: second
755 win/
644 win/a.txt: w`
	if got := tree(t, dir); got != want {
		t.Errorf("tree:\n%s\nwant:\n%s", got, want)
	}
	if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != 0o755 {
		t.Errorf("root folder: %v %v, want 0755", fi.Mode(), err)
	}
}

func TestUnpackKeepsTimes(t *testing.T) {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	at := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	if _, err := w.CreateHeader(&zip.FileHeader{Name: "a", Modified: at}); err != nil {
		t.Fatal(err)
	}
	w.Close()
	dir, err := unpack(t, buf.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(filepath.Join(dir, "a"))
	if err != nil || !fi.ModTime().Equal(at) {
		t.Errorf("time %v (%v), want %v", fi.ModTime(), err, at)
	}
}

func TestRefused(t *testing.T) {
	deep := strings.Repeat("d/", 200) + "f"
	for _, tt := range []struct {
		name   string
		items  []item
		kind   archive.Kind
		detail string
	}{
		{"parent", []item{file("../x", "")}, archive.Unsafe, "leads out"},
		{"inner parent", []item{file("a/../b", "")}, archive.Unsafe, "leads out"},
		{"absolute", []item{file("/etc/passwd", "")}, archive.Unsafe, "absolute"},
		{"backslash", []item{file(`a\b`, "")}, archive.Unsafe, "backslash"},
		{"windows parent", []item{file(`..\x`, "")}, archive.Unsafe, "backslash"},
		{"NUL", []item{file("a\x00b", "")}, archive.Unsafe, "NUL"},
		{"long name", []item{file(strings.Repeat("n", 256), "")}, archive.Unsafe, "too long a name"},
		{"long path", []item{file(strings.Repeat("12345678/", 120)+"x", "")}, archive.Unsafe, "too long a path"},
		{"deep", []item{file(deep, "")}, archive.Unsafe, "folders deep"},
		{"link out", []item{link("l", "../x")}, archive.Unsafe, "link that leads out"},
		{"link out of a folder", []item{link("a/b/l", "../../../x")}, archive.Unsafe, "link that leads out"},
		{"absolute link", []item{link("l", "/etc")}, archive.Unsafe, "link that leads out"},
		{"link out by a link", []item{link("a/b/s", "../../."), link("l", "a/b/s/..")}, archive.Unsafe, "link that leads out"},
		{"link loop", []item{link("a", "b"), link("b", "a")}, archive.Unsafe, "link that leads out"},
		{"empty link", []item{link("l", "")}, archive.Unsafe, "no valid target"},
		{"long link", []item{link("l", strings.Repeat("x", 2000))}, archive.Unsafe, "too long a target"},
		{"file under a link", []item{link("d", "."), file("d/f", "")}, archive.Unsafe, "both a folder"},
		{"file under a file", []item{file("d", ""), file("d/f", "")}, archive.Unsafe, "both a folder"},
		{"folder and file", []item{file("d", ""), {name: "d/", mode: fs.ModeDir | 0o755}}, archive.Unsafe, "both a folder"},
		{"fifo", []item{{name: "p", mode: fs.ModeNamedPipe | 0o644}}, archive.Unsafe, "neither a file"},
		{"device", []item{{name: "p", mode: fs.ModeDevice | 0o644}}, archive.Unsafe, "neither a file"},
		{"socket", []item{{name: "p", mode: fs.ModeSocket | 0o644}}, archive.Unsafe, "neither a file"},
		{"empty", nil, archive.Empty, "no entries"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := open(build(t, tt.items...))
			wantError(t, err, tt.kind, tt.detail)
		})
	}
}

func wantError(t *testing.T, err error, kind archive.Kind, detail string) {
	t.Helper()
	var ae *archive.Error
	if !errors.As(err, &ae) {
		t.Fatalf("error %v, want an *archive.Error", err)
	}
	if ae.Kind != kind || !strings.Contains(ae.Error(), detail) {
		t.Errorf("error %q of kind %d, want kind %d and %q", ae, ae.Kind, kind, detail)
	}
}

func TestNotAZip(t *testing.T) {
	good := build(t, file("a", "some content that is not compressed"))
	for name, b := range map[string][]byte{
		"text":      []byte("hello"),
		"truncated": good[:len(good)-10],
		"base64":    []byte("UEsDBBQAAAAIAA=="),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := open(b)
			wantError(t, err, archive.Corrupt, "")
		})
	}
	_, err := open(nil)
	wantError(t, err, archive.Empty, "")
}

// patch changes the directory record of the only entry at offset by n bytes.
func patchDirectory(b []byte, offset int, n int, v uint64) []byte {
	b = bytes.Clone(b)
	at := bytes.LastIndex(b, []byte("PK\x01\x02")) + offset
	switch n {
	case 2:
		binary.LittleEndian.PutUint16(b[at:], uint16(v))
	case 4:
		binary.LittleEndian.PutUint32(b[at:], uint32(v))
	}
	return b
}

func TestBombs(t *testing.T) {
	zeros := build(t, item{name: "z", body: strings.Repeat("\x00", 1<<20), mode: 0o644, deflate: true})

	t.Run("claims too much", func(t *testing.T) {
		_, err := open(patchDirectory(zeros, 24, 4, 262144001))
		wantError(t, err, archive.TooLarge, "262144000")
	})
	t.Run("claims too little", func(t *testing.T) {
		// The directory says 10 bytes where the data yields a megabyte.
		dir, err := unpack(t, patchDirectory(zeros, 24, 4, 10))
		wantError(t, err, archive.Corrupt, "")
		if fi, err := os.Stat(filepath.Join(dir, "z")); err == nil && fi.Size() > 10 {
			t.Errorf("wrote %d bytes of 10", fi.Size())
		}
	})
	t.Run("sum", func(t *testing.T) {
		b := build(t, file("a", "12345"), file("b", "12345"))
		_, err := archive.Open(bytes.NewReader(b), int64(len(b)), archive.Limits{Unzipped: 9, Entries: 10})
		wantError(t, err, archive.TooLarge, "over 9 bytes")
		if _, err := archive.Open(bytes.NewReader(b), int64(len(b)), archive.Limits{Unzipped: 10, Entries: 10}); err != nil {
			t.Errorf("exactly the limit: %v", err)
		}
	})
	t.Run("wrong checksum", func(t *testing.T) {
		_, err := unpack(t, patchDirectory(zeros, 16, 4, 1))
		wantError(t, err, archive.Corrupt, "checksum")
	})
	t.Run("entries", func(t *testing.T) {
		b := build(t, file("a", ""), file("b", ""), file("c", ""))
		_, err := archive.Open(bytes.NewReader(b), int64(len(b)), archive.Limits{Unzipped: 1, Entries: 2})
		wantError(t, err, archive.Unsafe, "more than 2 entries")
	})
	t.Run("implied folders", func(t *testing.T) {
		b := build(t, file("a/b/c/d", ""))
		_, err := archive.Open(bytes.NewReader(b), int64(len(b)), archive.Limits{Unzipped: 1, Entries: 3})
		wantError(t, err, archive.Unsafe, "more than 3")
	})
	t.Run("shared data", func(t *testing.T) {
		b := build(t, file("a", "AAAA"), file("b", "BBBB"))
		// Point b's record at a's header.
		first := bytes.Index(b, []byte("PK\x03\x04"))
		_, err := open(patchDirectory(b, 42, 4, uint64(first)))
		wantError(t, err, archive.Unsafe, "shares its data")
	})
	t.Run("data beyond the end", func(t *testing.T) {
		b := patchDirectory(zeros, 20, 4, 1<<30)
		_, err := open(b)
		wantError(t, err, archive.Corrupt, "beyond")
	})
	t.Run("encrypted", func(t *testing.T) {
		_, err := open(patchDirectory(zeros, 8, 2, 1))
		wantError(t, err, archive.Unsafe, "encrypted")
	})
	t.Run("method", func(t *testing.T) {
		_, err := open(patchDirectory(zeros, 10, 2, 14))
		wantError(t, err, archive.Unsafe, "method 14")
	})
}

// faulty fails every read after the first n bytes were asked for.
type faulty struct {
	*bytes.Reader
	left int
}

var errDisk = errors.New("disk on fire")

func (f *faulty) ReadAt(p []byte, off int64) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errDisk
	}
	return f.Reader.ReadAt(p, off)
}

func TestReaderFaultIsNotTheArchives(t *testing.T) {
	b := build(t, file("a", strings.Repeat("x", 1000)))
	failed := 0
	for left := 0; ; left += 50 {
		r := &faulty{bytes.NewReader(b), left}
		a, err := archive.Open(r, int64(len(b)), archive.Lambda)
		if err == nil {
			err = a.Unpack(t.Context(), t.TempDir())
		}
		if err == nil {
			break
		}
		failed++
		if !errors.Is(err, errDisk) {
			t.Fatalf("with %d bytes readable: %v, want the reader's error", left, err)
		}
	}
	if failed == 0 {
		t.Fatal("no read ever failed")
	}
}

func TestVerify(t *testing.T) {
	good := build(t, item{name: "d/z", body: strings.Repeat("z", 5000), mode: 0o644, deflate: true}, link("l", "d"))
	a, err := open(good)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if a.Len() != 3 {
		t.Errorf("%d entries", a.Len())
	}
	one := build(t, item{name: "z", body: strings.Repeat("z", 5000), mode: 0o644, deflate: true})
	for name, b := range map[string][]byte{"checksum": patchDirectory(one, 16, 4, 1), "size": patchDirectory(one, 24, 4, 10)} {
		a, err := open(b)
		if err != nil {
			t.Fatal(name, err)
		}
		wantError(t, a.Verify(t.Context()), archive.Corrupt, "")
	}
}

func TestUnpackStopsWithContext(t *testing.T) {
	a, err := open(build(t, file("a", "x")))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Unpack(ctx, t.TempDir()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

// FuzzOpen: whatever the bytes, nothing panics, nothing is written outside the
// folder, and no more than the archive's own account of its size inside.
func FuzzOpen(f *testing.F) {
	f.Add(build(f, file("index.py", "print(1)"), link("l", "index.py"), item{name: "d/", mode: fs.ModeDir | 0o755}))
	f.Add(build(f, link("a/b/s", "../.."), link("l", "a/b/s/x"), item{name: "z", body: strings.Repeat("a", 3000), mode: 0o755, deflate: true}))
	f.Add([]byte("PK\x05\x06"))
	limits := archive.Limits{Unzipped: 1 << 20, Entries: 100}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := archive.Open(bytes.NewReader(b), int64(len(b)), limits)
		if err != nil {
			var ae *archive.Error
			if !errors.As(err, &ae) {
				t.Fatalf("error %v is not an *archive.Error", err)
			}
			return
		}
		outer := t.TempDir()
		dir := filepath.Join(outer, "in")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		verr := a.Verify(t.Context())
		uerr := a.Unpack(t.Context(), dir)
		if uerr == nil && verr != nil {
			t.Fatalf("unpacked what does not verify: %v", verr)
		}
		if es, err := os.ReadDir(outer); err != nil || len(es) != 1 {
			t.Fatalf("outside the folder: %v %v", es, err)
		}
		var sum int64
		err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			fi, err := d.Info()
			if err != nil {
				return err
			}
			switch {
			case fi.Mode().IsRegular():
				sum += fi.Size()
			case d.Type() == fs.ModeSymlink:
				to, err := filepath.EvalSymlinks(p)
				if err == nil && to != dir && !strings.HasPrefix(to, dir+"/") {
					t.Fatalf("link %s leads to %s", p, to)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if sum > a.UnzippedSize || sum > limits.Unzipped {
			t.Fatalf("wrote %d bytes of %d", sum, a.UnzippedSize)
		}
		if uerr == nil && len(b) == 0 {
			t.Fatal("unpacked nothing from nothing")
		}
	})
}
