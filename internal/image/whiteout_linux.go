package image

import (
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// makeWhiteout makes what says to an overlay that there is nothing. Since Linux
// 5.8 that takes no privilege.
func makeWhiteout(root *os.Root, name string) error {
	folder, err := root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer folder.Close() // was only read
	if err := unix.Mknodat(int(folder.Fd()), path.Base(name), unix.S_IFCHR, 0); err != nil {
		return &os.PathError{Op: "mknod", Path: name, Err: err}
	}
	return nil
}

// syncTree returns when all below a folder is on the disk: that of its file
// system, in one call.
func syncTree(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() // was only read
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return &os.PathError{Op: "syncfs", Path: path, Err: err}
	}
	return nil
}
