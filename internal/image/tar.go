package image

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
)

// openFile opens a regular file: a named pipe or a device would block, or never end.
func openFile(path string) (io.ReadCloser, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
	}
	return os.Open(path)
}

// openInTar opens a file of an archive. `docker save` of old writes a layer that
// two images share as a link.
func openInTar(archive, name string) (io.ReadCloser, error) {
	for range maxLinks {
		rc, link, err := openMember(archive, name)
		if err != nil || link == "" {
			return rc, err
		}
		name = link
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("too many links")}
}

func openMember(archive, name string) (_ io.ReadCloser, link string, err error) {
	f, err := openFile(archive)
	if err != nil {
		return nil, "", err
	}
	for t := tar.NewReader(f); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		switch {
		case err != nil:
			return nil, "", errors.Join(err, f.Close())
		case h.Name != name:
		case h.Typeflag == tar.TypeReg:
			return member{t, f}, "", nil
		case h.Typeflag == tar.TypeSymlink:
			return nil, path.Join(path.Dir(name), h.Linkname), f.Close()
		case h.Typeflag == tar.TypeLink:
			return nil, h.Linkname, f.Close()
		}
	}
}

type member struct {
	io.Reader
	io.Closer
}
