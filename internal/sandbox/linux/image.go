//go:build linux && (amd64 || arm64)

package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/paddock-run/paddock/internal/sandbox/owner"
)

// The root of an image is an overlay of its layers, under a skeleton: a folder of
// the host that has the mount points, which an image may lack or have as something
// else. It takes the place of the template's root in an environment that is ready
// otherwise, its first processes included, by pivot_root: images start as other
// functions do, from the same stock.

// imageRoot is where an image's root is put together, in an environment of its
// own: an empty folder of the template.
const imageRoot = "/run"

// skeletonPrefix begins the name of a skeleton's folder.
const skeletonPrefix = "image-root-"

// skeleton is the uppermost layer of images' roots. Its folder is made when the
// first image is started.
type skeleton struct {
	parent string

	mu  sync.Mutex
	dir string // empty: not made yet
}

// newSkeleton removes what killed daemons left in parent.
func newSkeleton(parent string) (*skeleton, error) {
	left, err := filepath.Glob(filepath.Join(parent, skeletonPrefix+"*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range left {
		name, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), skeletonPrefix), "-")
		if owner.Alive(name) {
			continue
		}
		if err := os.RemoveAll(dir); err != nil && !errors.Is(err, fs.ErrPermission) { // another user's
			return nil, err
		}
	}
	return &skeleton{parent: parent}, nil
}

// over returns an image's layers with the skeleton over them.
func (k *skeleton) over(layers []string) ([]string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dir == "" {
		dir, err := makeSkeleton(k.parent)
		if err != nil {
			return nil, fmt.Errorf("make the mount points of images: %w", err)
		}
		k.dir = dir
	}
	return append(layers[:len(layers):len(layers)], k.dir), nil
}

func makeSkeleton(parent string) (dir string, err error) {
	if dir, err = os.MkdirTemp(parent, skeletonPrefix+owner.Self()+"-"); err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	for _, name := range []string{"", "dev", "etc", "proc", "sys", "tmp", "var", ownFolder} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return "", err
		}
		if err := os.Chmod(path, 0o755); err != nil { // whatever the umask
			return "", err
		}
	}
	return dir, linkResolver(dir)
}

func (k *skeleton) close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dir == "" {
		return nil
	}
	return os.RemoveAll(k.dir)
}

// enterImage makes what is mounted at the folder at the root of the environment,
// with what every root has. It runs on the environment's thread. Processes that
// run already, which are all the sandbox's own, come along.
func enterImage(at string) error {
	for _, path := range []string{"/proc", "/dev", ownFolder} {
		fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
		if err != nil {
			return &os.PathError{Op: "open_tree", Path: path, Err: err}
		}
		if err := attach(fd, at+path); err != nil {
			return err
		}
	}
	return pivot(at)
}
