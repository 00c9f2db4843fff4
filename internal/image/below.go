package image

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
)

// below is a stack of unpacked layers, the uppermost first, as an overlay shows
// them together. Names are paths without symbolic links on the way.
type below []*os.Root

func openBelow(folders []string) (below, error) {
	var b below
	for _, folder := range slices.Backward(folders) {
		root, err := os.OpenRoot(folder)
		if err != nil {
			return nil, errors.Join(err, b.close())
		}
		b = append(b, root)
	}
	return b, nil
}

func (b below) close() error {
	var errs []error
	for _, root := range b {
		errs = append(errs, root.Close())
	}
	return errors.Join(errs...)
}

// isWhiteout reports whether a file says that there is nothing: the device 0/0.
func isWhiteout(info fs.FileInfo) bool {
	if info.Mode().Type() != fs.ModeDevice|fs.ModeCharDevice {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Rdev == 0
}

// covers reports whether a layer has anything at name or at a folder on the way
// there, so that lower ones do not show: info of name itself, nil where something
// else is in the way. ok: it does.
func covers(root *os.Root, name string) (info fs.FileInfo, ok bool, err error) {
	for i := 0; ; {
		next := strings.IndexByte(name[i:], '/')
		part := name
		if next >= 0 {
			part = name[:i+next]
		}
		info, err := root.Lstat(part)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, false, nil
		case err != nil:
			return nil, false, err
		case isWhiteout(info):
			return nil, true, nil
		case next < 0:
			return info, true, nil
		case !info.IsDir():
			return nil, true, nil
		}
		i += next + 1
	}
}

// lstat returns what is at name; ok: anything is.
func (b below) lstat(name string) (info fs.FileInfo, ok bool, err error) {
	for _, root := range b {
		info, covered, err := covers(root, name)
		if err != nil {
			return nil, false, err
		}
		if covered {
			return info, info != nil, nil
		}
	}
	return nil, false, nil
}

// list returns the names in a folder, sorted; none where it is no folder.
func (b below) list(folder string) ([]string, error) {
	shown := map[string]bool{} // false: hidden
	for _, root := range b {
		if folder != "." {
			info, covered, err := covers(root, folder)
			if err != nil {
				return nil, err
			}
			if !covered {
				continue
			}
			if info == nil || !info.IsDir() {
				break
			}
		}
		entries, err := fs.ReadDir(root.FS(), folder)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if _, seen := shown[e.Name()]; seen {
				continue
			}
			info, err := root.Lstat(join(folder, e.Name()))
			if err != nil {
				return nil, err
			}
			shown[e.Name()] = !isWhiteout(info)
		}
	}
	maps.DeleteFunc(shown, func(_ string, there bool) bool { return !there })
	return slices.Sorted(maps.Keys(shown)), nil
}

func join(folder, name string) string {
	if folder == "." {
		return name
	}
	return folder + "/" + name
}
