//go:build linux && (amd64 || arm64)

package linux

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// readOnly are the attributes of every folder of the host inside.
const readOnly = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV

// closeFD closes a descriptor that nothing was written through.
func closeFD(fd int) { _ = unix.Close(fd) }

// bind makes a detached read-only mount of a host folder or file, with the
// mounts below it when recursive.
func bind(path string, recursive bool) (fd int, err error) {
	open, set := uint(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC), uint(unix.AT_EMPTY_PATH)
	if recursive {
		open |= unix.AT_RECURSIVE
		set |= unix.AT_RECURSIVE
	}
	fd, err = unix.OpenTree(unix.AT_FDCWD, path, open)
	if err != nil {
		return -1, &os.PathError{Op: "open_tree", Path: path, Err: err}
	}
	if err := unix.MountSetattr(fd, "", set, &unix.MountAttr{Attr_set: readOnly}); err != nil {
		closeFD(fd)
		return -1, &os.PathError{Op: "mount_setattr", Path: path, Err: err}
	}
	return fd, nil
}

// newMount makes a detached mount of a new file system. settings are pairs of a
// key and a value, which is empty for flags.
func newMount(kind string, attributes int, settings ...string) (fd int, err error) {
	f, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, &os.PathError{Op: "fsopen", Path: kind, Err: err}
	}
	defer closeFD(f)
	for i := 0; i+1 < len(settings); i += 2 {
		set := func() error { return unix.FsconfigSetString(f, settings[i], settings[i+1]) }
		if settings[i+1] == "" {
			set = func() error { return unix.FsconfigSetFlag(f, settings[i]) }
		}
		if err := set(); err != nil {
			return -1, &os.PathError{Op: "fsconfig", Path: kind + " " + settings[i] + "=" + settings[i+1], Err: err}
		}
	}
	if err := unix.FsconfigCreate(f); err != nil {
		return -1, &os.PathError{Op: "fsconfig create", Path: kind, Err: err}
	}
	fd, err = unix.Fsmount(f, unix.FSMOUNT_CLOEXEC, attributes)
	if err != nil {
		return -1, &os.PathError{Op: "fsmount", Path: kind, Err: err}
	}
	return fd, nil
}

// attach moves a detached mount to a path that the calling thread sees, and
// closes its descriptor.
func attach(fd int, path string) error {
	defer closeFD(fd)
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "move_mount", Path: path, Err: err}
	}
	return nil
}

// overlay makes a detached read-only mount of several host folders in one, later
// ones over earlier ones.
func overlay(folders []string) (fd int, err error) {
	attributes := readOnly
	settings := make([]string, 0, 2*len(folders))
	for i := len(folders) - 1; i >= 0; i-- { // the first is the uppermost
		settings = append(settings, "lowerdir+", folders[i])
	}
	fd, err = newMount("overlay", attributes, settings...)
	if !errors.Is(err, unix.EINVAL) {
		return fd, err
	}
	// Linux before 6.5 has only the one setting for all.
	escape := strings.NewReplacer(`\`, `\\`, `:`, `\:`)
	var lower []string
	for i := len(folders) - 1; i >= 0; i-- {
		lower = append(lower, escape.Replace(folders[i]))
	}
	return newMount("overlay", attributes, "lowerdir", strings.Join(lower, ":"))
}
