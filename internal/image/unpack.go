package image

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
)

// The user and group that functions run as: that of AWS Lambda.
const (
	functionUser  = 993
	functionGroup = 990
)

// maxLinks bounds how many symbolic links one name may lead through, as Linux does.
const maxLinks = 40

// Whiteouts are how a layer says what it deletes of those below.
// https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
const (
	whiteoutPrefix = ".wh."
	opaqueMarker   = ".wh..wh..opq"
	reservedPrefix = ".wh..wh." // what aufs kept for itself
)

// malformed is a layer's fault.
type malformed struct{ reason string }

func (m *malformed) Error() string { return m.reason }

func malformedf(format string, args ...any) error { return &malformed{fmt.Sprintf(format, args...)} }

// unpacker writes one layer into an empty folder. Names mean what they would if
// that folder were the root: a symbolic link leads nowhere else.
type unpacker struct {
	root  *os.Root
	below below // the layers under it
	// ownFiles: functions run as the user who owns the unpacked files.
	ownFiles bool

	folders map[string]string      // name as in the archive → where it is, for folders that are there
	modes   map[string]fs.FileMode // of folders, which are set at the end
	times   map[string]time.Time   // likewise
	deleted []string               // names that the layer deletes
	opaque  []string               // folders of which the layer hides what is below
	buffer  []byte
}

func newUnpacker(root *os.Root, below below, ownFiles bool) *unpacker {
	return &unpacker{
		root: root, below: below, ownFiles: ownFiles,
		folders: map[string]string{}, modes: map[string]fs.FileMode{}, times: map[string]time.Time{},
		buffer: make([]byte, 256<<10),
	}
}

// unpack writes what the tar r has. The error is a *malformed where the layer is
// at fault; errors of r itself pass.
func (u *unpacker) unpack(ctx context.Context, r io.Reader) error {
	for t := tar.NewReader(r); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, tar.ErrHeader) {
			return malformedf("it is no tar archive, or is damaged")
		}
		if err != nil {
			return err
		}
		if err := u.entry(t, h); err != nil {
			return fmt.Errorf("%q: %w", h.Name, err)
		}
	}
	if err := u.hide(); err != nil {
		return err
	}
	for name, mode := range u.modes {
		if err := u.root.Chmod(name, mode); err != nil {
			return err
		}
	}
	for name, at := range u.times { // after all that changes folders
		if err := u.root.Chtimes(name, at, at); err != nil {
			return err
		}
	}
	return nil
}

// inside is a name of the archive as a path below the root.
func inside(name string) (string, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return "", malformedf("a name with a zero byte")
	}
	clean := path.Clean(strings.TrimLeft(name, "/"))
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", malformedf("a name that leads out of the image")
	}
	return clean, nil
}

func (u *unpacker) entry(t io.Reader, h *tar.Header) error {
	name, err := inside(h.Name)
	if err != nil {
		return err
	}
	if name == "." {
		return nil // the root is the same for all images
	}
	folder, err := u.folder(path.Dir(name), 0)
	if err != nil {
		return err
	}
	base := path.Base(name)
	if strings.HasPrefix(base, whiteoutPrefix) {
		switch hidden := base[len(whiteoutPrefix):]; {
		case base == opaqueMarker:
			u.opaque = append(u.opaque, folder)
		case strings.HasPrefix(base, reservedPrefix):
		case hidden == "" || hidden == "." || hidden == "..":
			return malformedf("a whiteout of nothing")
		default:
			u.deleted = append(u.deleted, path.Join(folder, hidden))
		}
		return nil
	}
	at := path.Join(folder, base)
	switch h.Typeflag {
	case tar.TypeDir:
		return u.makeFolder(at, h)
	case tar.TypeReg, tar.TypeGNUSparse:
		return u.makeFile(at, t, h)
	case tar.TypeSymlink:
		if err := u.clear(at); err != nil {
			return err
		}
		if h.Linkname == "" || strings.IndexByte(h.Linkname, 0) >= 0 {
			return malformedf("a symbolic link to nothing")
		}
		return u.root.Symlink(h.Linkname, at)
	case tar.TypeLink:
		return u.makeLink(at, h)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return nil // functions get none but those of the sandbox
	}
	return malformedf("an entry of the unknown type %q", h.Typeflag)
}

// folder returns where a folder of the archive is, and makes those that are
// missing as they are in the layers below.
func (u *unpacker) folder(name string, links int) (string, error) {
	if name == "." || name == "/" {
		return ".", nil
	}
	if at, ok := u.folders[name]; ok {
		return at, nil
	}
	parent, err := u.folder(path.Dir(name), links)
	if err != nil {
		return "", err
	}
	at := path.Join(parent, path.Base(name))
	info, err := u.root.Lstat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := u.root.Mkdir(at, 0o700); err != nil {
			return "", err
		}
		u.modes[at] = 0o755
		if lower, ok, err := u.below.lstat(at); err != nil {
			return "", err
		} else if ok && lower.IsDir() {
			u.modes[at] = lower.Mode() & (fs.ModePerm | fs.ModeSticky)
		}
	case err != nil:
		return "", err
	case info.Mode().Type() == fs.ModeSymlink:
		if links >= maxLinks {
			return "", malformedf("too many symbolic links")
		}
		target, err := u.root.Readlink(at)
		if err != nil {
			return "", err
		}
		if !path.IsAbs(target) {
			target = path.Join("/", parent, target)
		}
		if at, err = u.folder(path.Clean(target)[1:], links+1); err != nil {
			return "", err
		}
	case !info.IsDir():
		return "", malformedf("a file below %q, which is none", name)
	}
	u.folders[name] = at
	return at, nil
}

// clear makes room for an entry: the last of several with one name counts.
func (u *unpacker) clear(at string) error {
	info, err := u.root.Lstat(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() || info.Mode().Type() == fs.ModeSymlink {
		clear(u.folders) // some may have led through it
	}
	if !info.IsDir() {
		return u.root.Remove(at)
	}
	for _, kept := range []func(func(string) bool){u.forgetModes, u.forgetTimes} {
		kept(func(name string) bool { return name == at || strings.HasPrefix(name, at+"/") })
	}
	return u.root.RemoveAll(at)
}

func (u *unpacker) forgetModes(gone func(string) bool) {
	for name := range u.modes {
		if gone(name) {
			delete(u.modes, name)
		}
	}
}

func (u *unpacker) forgetTimes(gone func(string) bool) {
	for name := range u.times {
		if gone(name) {
			delete(u.times, name)
		}
	}
}

func (u *unpacker) makeFolder(at string, h *tar.Header) error {
	if at == "." {
		return nil // a name that leads back to the root
	}
	info, err := u.root.Lstat(at)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil || !info.IsDir() {
		if err := u.clear(at); err != nil {
			return err
		}
		if err := u.root.Mkdir(at, 0o700); err != nil {
			return err
		}
	}
	u.modes[at] = u.mode(h)
	u.times[at] = h.ModTime
	return nil
}

func (u *unpacker) makeFile(at string, t io.Reader, h *tar.Header) error {
	if err := u.clear(at); err != nil {
		return err
	}
	f, err := u.root.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := u.fill(f, t, h.Size); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Chmod(u.mode(h)), f.Close()); err != nil {
		return err
	}
	return u.root.Chtimes(at, h.ModTime, h.ModTime)
}

// fill writes size bytes, and leaves holes where whole blocks are zero.
func (u *unpacker) fill(f *os.File, r io.Reader, size int64) error {
	hole := false
	for left := size; left > 0; {
		block := u.buffer[:min(left, int64(len(u.buffer)))]
		if _, err := io.ReadFull(r, block); err != nil {
			return err
		}
		left -= int64(len(block))
		var err error
		if hole = len(block) >= 4096 && allZero(block); hole {
			_, err = f.Seek(int64(len(block)), io.SeekCurrent)
		} else {
			_, err = f.Write(block)
		}
		if err != nil {
			return err
		}
	}
	if hole {
		return f.Truncate(size)
	}
	return nil
}

var zeros [4096]byte

func allZero(p []byte) bool {
	for len(p) > 0 {
		n := min(len(p), len(zeros))
		if !bytes.Equal(p[:n], zeros[:n]) {
			return false
		}
		p = p[n:]
	}
	return true
}

func (u *unpacker) makeLink(at string, h *tar.Header) error {
	name, err := inside(h.Linkname)
	if err != nil {
		return err
	}
	folder, err := u.folder(path.Dir(name), 0)
	if err != nil {
		return err
	}
	target := path.Join(folder, path.Base(name))
	info, err := u.root.Lstat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir():
		return malformedf("a hard link to %q, which is no file of the layer", h.Linkname)
	case err != nil:
		return err
	case target == at:
		return nil
	}
	if err := u.clear(at); err != nil {
		return err
	}
	return u.root.Link(target, at)
}

// mode is an entry's, as the functions' user is to see it. Whoever owns it in the
// image, here it is the daemon's user: what the image grants to the functions'
// own user or group is therefore granted to others. Bits that lend a file's
// owner's rights are dropped.
func (u *unpacker) mode(h *tar.Header) fs.FileMode {
	perm := h.FileInfo().Mode().Perm()
	switch {
	case h.Uid == functionUser:
		perm |= perm >> 6 & 7
	case h.Gid == functionGroup:
		perm |= perm >> 3 & 7
	}
	if u.ownFiles { // the owner's bits are those that count
		perm = perm&^0o500 | perm&0o500&(perm<<6)
	}
	if h.FileInfo().IsDir() {
		return perm | h.FileInfo().Mode()&fs.ModeSticky
	}
	return perm
}

// hide makes the whiteouts, once all of the layer's own files are there, which
// they do not concern. A folder is never marked as opaque: instead each name
// below it is hidden, which takes no extended attributes. That is possible because
// a layer is unpacked for those below it.
func (u *unpacker) hide() error {
	for _, name := range u.deleted {
		if err := u.hideOne(name); err != nil {
			return err
		}
	}
	for _, name := range u.opaque {
		if err := u.hideAll(name); err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacker) hideOne(name string) error {
	own, err := u.root.Lstat(name)
	if err == nil {
		if own.IsDir() {
			return u.hideAll(name)
		}
		return nil // it covers what is below, or is the whiteout already
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, there, err := u.below.lstat(name); err != nil || !there {
		return err
	}
	return makeWhiteout(u.root, name)
}

func (u *unpacker) hideAll(folder string) error {
	names, err := u.below.list(folder)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := u.hideOne(path.Join(folder, name)); err != nil {
			return err
		}
	}
	return nil
}
