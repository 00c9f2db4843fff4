package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Unpack writes the archive's tree into dir, an existing empty folder. It
// writes at most UnzippedSize bytes of file data. After an error dir holds
// part of the tree; the caller removes it.
//
// The error is an *Error where the archive is at fault (data that does not
// match its checksum or size), ctx's, or one of the file system.
func (a *Archive) Unpack(ctx context.Context, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close() // nothing was written through it
	if err := root.Chmod(".", 0o755); err != nil {
		return err
	}
	u := &unpacker{ctx: ctx, root: root, in: a.in}
	// Links come last: until then no path within the tree passes one.
	for _, links := range []bool{false, true} {
		for _, name := range a.order {
			if err := ctx.Err(); err != nil {
				return err
			}
			e := a.entries[name]
			if (e.mode.Type() == fs.ModeSymlink) != links {
				continue
			}
			if err := u.write(e); err != nil {
				return err
			}
		}
	}
	return nil
}

type unpacker struct {
	ctx  context.Context
	root *os.Root
	in   *faultReader
	buf  []byte
}

func (u *unpacker) write(e *entry) error {
	var err error
	switch e.mode.Type() {
	case fs.ModeDir:
		if err = u.root.Mkdir(e.path, 0o700); err == nil {
			err = u.root.Chmod(e.path, e.mode.Perm()) // whatever the umask
		}
	case fs.ModeSymlink:
		err = u.root.Symlink(e.target, e.path)
	default:
		err = u.file(e)
	}
	if errors.Is(err, fs.ErrExist) {
		// Paths are distinct, so the file system takes two of them for one.
		return &Error{Kind: Unsafe, Entry: e.path, Detail: "differs from another name only in ways that this host's file system ignores (upper and lower case, or Unicode form)", Err: err}
	}
	return err
}

func (u *unpacker) file(e *entry) error {
	in, err := e.file.Open()
	if err != nil {
		return u.in.or(&Error{Kind: Corrupt, Entry: e.path, Detail: "cannot be read", Err: err})
	}
	defer in.Close() // reads only
	out, err := u.root.OpenFile(e.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = u.copy(out, in, e)
	if err == nil {
		err = out.Chmod(e.mode.Perm())
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	// Python takes a .pyc for current by its source's time, so times matter.
	if t := e.file.Modified; t.Year() >= 1980 && t.Year() < 2200 {
		return u.root.Chtimes(e.path, t, t)
	}
	return nil
}

// copy writes an entry's data. archive/zip checks size and checksum and yields
// no more bytes than the directory claims; what it finds wrong is the archive's
// fault, what out reports is the machine's.
func (u *unpacker) copy(out io.Writer, in io.Reader, e *entry) error {
	if u.buf == nil {
		u.buf = make([]byte, 64<<10)
	}
	var written uint64
	for {
		if err := u.ctx.Err(); err != nil {
			return err
		}
		n, rerr := in.Read(u.buf)
		if n > 0 {
			if written += uint64(n); written > e.file.UncompressedSize64 {
				return &Error{Kind: Corrupt, Entry: e.path, Detail: fmt.Sprintf("is larger than the %d bytes it claims", e.file.UncompressedSize64)}
			}
			if _, err := out.Write(u.buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case rerr == io.EOF:
			if written != e.file.UncompressedSize64 {
				return &Error{Kind: Corrupt, Entry: e.path, Detail: "is smaller than it claims"}
			}
			return nil
		case rerr != nil:
			return u.in.or(&Error{Kind: Corrupt, Entry: e.path, Detail: "cannot be unpacked", Err: rerr})
		}
	}
}
