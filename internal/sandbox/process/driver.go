// Package process is the sandbox driver that works on every system and needs no
// privileges. It gives each environment its own folders, process sessions and
// life cycle, and isolates it from nothing: use it to develop, not to run code
// that others wrote.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/paddock-run/paddock/internal/sandbox"
	"github.com/paddock-run/paddock/internal/sandbox/owner"
)

// folderPrefix begins the name of the folder that a driver keeps its
// environments' folders in; the owner and a random part follow. It is short
// because programs put Unix sockets, whose paths may have some 100 bytes, below.
const folderPrefix = "paddock-"

// Options are the settings of a driver; the zero value is usable.
type Options struct {
	// Dir is the folder under which the driver makes a folder of its own for the
	// environments' private folders. Empty: os.TempDir().
	Dir string
}

// Driver implements sandbox.Driver.
type Driver struct {
	dir     string // this driver's own folder, removed by Close
	spawner *spawner
	merged  mergedLayers

	mu        sync.Mutex
	sandboxes map[*Sandbox]struct{}
	made      int // sandboxes so far; names their folders
	closed    bool
}

var _ sandbox.Driver = (*Driver)(nil)

// New makes a driver, after it has ended the processes and removed the folders
// that an earlier driver over the same Options.Dir left when it was killed.
func New(opts Options) (*Driver, error) {
	parent := opts.Dir
	if parent == "" {
		parent = os.TempDir()
	}
	// What the processes see in their environment must not depend on this
	// process's working directory.
	parent, err := filepath.Abs(parent)
	if err != nil {
		return nil, err
	}
	if err := sealDescriptors(); err != nil {
		return nil, fmt.Errorf("mark inherited descriptors close-on-exec: %w", err)
	}
	if err := sweep(parent); err != nil {
		return nil, fmt.Errorf("clean up after an earlier run: %w", err)
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(parent, folderPrefix+owner.Self()+"-")
	if err != nil {
		return nil, err
	}
	return &Driver{
		dir:       dir,
		spawner:   newSpawner(),
		merged:    mergedLayers{dir: filepath.Join(dir, "layers")},
		sandboxes: map[*Sandbox]struct{}{},
	}, nil
}

// Name implements sandbox.Driver.
func (d *Driver) Name() string { return "process" }

// Isolation implements sandbox.Driver.
func (d *Driver) Isolation() string {
	line := "process: no isolation. Functions run as this user, see its files, processes and network, and have no memory limit"
	if runtime.GOOS == "linux" {
		return line + "; descriptors are limited, and a process is only lost if it starts a session of its own and clears its environment"
	}
	return line + " and no limit of descriptors; a process that starts a session of its own is neither frozen nor ended with its environment"
}

// New implements sandbox.Driver. Of the specification's limits it enforces
// OpenFiles, on Linux, and no other.
func (d *Driver) New(ctx context.Context, spec *sandbox.Spec) (sandbox.Sandbox, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(spec.Root) > 0 {
		return nil, sandbox.ErrNoImages
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, sandbox.ErrDestroyed
	}
	d.made++
	s, err := d.newSandbox(spec, d.made)
	if err != nil {
		return nil, fmt.Errorf("make environment %s: %w", spec.ID, err)
	}
	d.sandboxes[s] = struct{}{}
	return s, nil
}

// Close implements sandbox.Driver. The driver makes no sandbox after it.
func (d *Driver) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	left := make([]*Sandbox, 0, len(d.sandboxes))
	for s := range d.sandboxes {
		left = append(left, s)
	}
	d.mu.Unlock()

	var errs []error
	for _, s := range left {
		errs = append(errs, s.Destroy())
	}
	d.spawner.stop()
	errs = append(errs, removeAll(d.dir))
	return errors.Join(errs...)
}

func (d *Driver) forget(s *Sandbox) {
	d.mu.Lock()
	delete(d.sandboxes, s)
	d.mu.Unlock()
}

// sweep ends and removes what drivers of dead daemons left under parent.
func sweep(parent string) error {
	if err := killOrphans(); err != nil {
		return err
	}
	entries, err := os.ReadDir(parent)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name, ours := strings.CutPrefix(entry.Name(), folderPrefix)
		name, _, hasRandom := strings.Cut(name, "-")
		if !ours || !hasRandom || !entry.IsDir() || owner.Alive(name) {
			continue
		}
		if err := removeAll(filepath.Join(parent, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// removeAll is os.RemoveAll for folders that a function may have made read-only.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, os.ErrPermission) {
		return err
	}
	walkErr := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			// Before WalkDir reads it. Its own error tells more than this one.
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return errors.Join(walkErr, os.RemoveAll(dir))
}
