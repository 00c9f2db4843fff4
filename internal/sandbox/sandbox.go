// Package sandbox is the contract between the invoker and the drivers that
// build the place where a function's processes run (sandbox/linux,
// sandbox/process), and that every driver passes (sandbox/sandboxtest).
//
// A sandbox is made empty, gets its listeners (the Runtime API, Paddock's AWS
// endpoint), then its processes (extensions, the runtime), is frozen and thawed
// between invocations, and is destroyed as a whole. A zygote is one that is made
// without a function: its runtime may boot before Attach says what it is for.
package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// Spec is what an environment is to be.
type Spec struct {
	// ID names the environment: letters, digits and hyphens, unique on this host.
	ID string
	// Code is the host folder with the function's unpacked code, Layers those of
	// its layers in order; both are read-only inside. Without Code and Root, New
	// makes a zygote and uses neither Layers nor EphemeralMB.
	Code   string
	Layers []string
	// Root are the host folders of a container image's layers, in order, later
	// ones over earlier ones: together the environment's root, read-only, but that
	// /tmp, /proc, /dev and /sys are the sandbox's own, and that /etc/hosts and
	// /etc/resolv.conf lead to its own. Where it is set, there are no Code, Layers,
	// Lang and Bootstrap. Drivers without a file system of their own return
	// ErrNoImages.
	Root []string
	// Lang is the host folder of a language installation that stands under
	// /var/lang inside; empty: none.
	Lang string
	// Bootstrap is the host folder with the managed runtime's own files, which
	// stand under /var/runtime inside; empty: none.
	Bootstrap string

	MemoryMB    int // limit of all the environment's processes together; 0: none
	EphemeralMB int // size of /tmp
	Processes   int // processes and threads; 0: 1024
	OpenFiles   int // file descriptors a process; 0: 1024
}

// Complete is what a zygote of specification s becomes when Attach gives it
// next, for drivers. It fails where next has no Code, or another Lang or
// Bootstrap than s.
func (s *Spec) Complete(next *Spec) (*Spec, error) {
	whole := *next
	if len(s.Root) > 0 || len(whole.Root) > 0 {
		return nil, errors.New("sandbox: a zygote cannot become an image's environment")
	}
	if whole.Code == "" {
		return nil, errors.New("sandbox: Attach needs the function's code")
	}
	for _, folder := range []struct {
		name string
		had  string
		gets *string
	}{{"language", s.Lang, &whole.Lang}, {"runtime", s.Bootstrap, &whole.Bootstrap}} {
		if folder.had != "" && *folder.gets != "" && *folder.gets != folder.had {
			return nil, fmt.Errorf("sandbox: a zygote with the %s %s cannot become one with %s", folder.name, folder.had, *folder.gets)
		}
		*folder.gets = cmp.Or(folder.had, *folder.gets)
	}
	return &whole, nil
}

// CheckRoot fails where Root comes with what an image has in itself, for drivers.
func (s *Spec) CheckRoot() error {
	if len(s.Root) > 0 && (s.Code != "" || len(s.Layers) > 0 || s.Lang != "" || s.Bootstrap != "") {
		return errors.New("sandbox: an image has its code, layers and runtime in itself")
	}
	return nil
}

// Layout is where things stand as the environment's processes see them.
type Layout struct {
	Task    string // "/var/task" where the driver has a file system of its own
	Opt     string // "/opt"
	Lang    string // "/var/lang"
	Runtime string // "/var/runtime"
	Tmp     string // "/tmp"
}

// Command is a process to start.
type Command struct {
	Path string   // absolute, as seen inside
	Args []string // with Args[0]
	Env  []string // the whole environment
	Dir  string   // as seen inside
	// Stdout and Stderr are handed to the process as they are. The caller closes
	// its copies after Start.
	Stdout, Stderr *os.File
	// Extra files become descriptors 3, 4, … of the process.
	Extra []*os.File
}

// Exit is how a process ended.
type Exit struct {
	Code   int            // of a process that exited; -1 when a signal ended it
	Signal syscall.Signal // 0 when it exited
	OOM    bool           // the memory limit ended it
}

// Process is a running or ended process.
type Process interface {
	PID() int // on the host
	// Done is closed when the process has ended and its Exit is known.
	Done() <-chan struct{}
	Exit() Exit
	Signal(sig syscall.Signal) error
}

// Usage is what an environment has used.
type Usage struct {
	MaxMemoryBytes int64 // peak of all its processes; 0: the driver cannot tell
	OOMKills       int   // processes that the memory limit ended so far
}

// Sandbox is one environment.
type Sandbox interface {
	// Layout says where things are. A zygote has no Task and Opt in it yet where
	// the driver has no file system of its own.
	Layout() Layout
	// Listen makes a TCP listener that only this environment's processes can
	// reach (drivers without network isolation: that listens on loopback). port
	// 0 chooses one. Its Addr is the address as seen from inside.
	Listen(port int) (net.Listener, error)
	// Dial connects to what the environment's processes listen to on their loopback
	// interface (drivers without network isolation: on the host's). It does not wait:
	// where nobody listens the error is syscall.ECONNREFUSED. Processes inside know
	// that interface as sandbox.localdomain, too, where the driver has a file system
	// of its own.
	Dial(port int) (net.Conn, error)
	// Start starts a process. The error of a file that is missing or not
	// executable inside is an *ExecError.
	Start(ctx context.Context, cmd *Command) (Process, error)
	// Attach gives a zygote its function, once: Code (which must be set), Layers
	// and EphemeralMB appear, also to processes that already run, MemoryMB and
	// Processes limit all processes from then on, OpenFiles those that start from
	// then on, and ID names the environment. Lang and Bootstrap are those that New
	// was given, or, where it was given none, appear too. What a process opened
	// before does not change under it: one whose working directory was Task or Tmp
	// has to change to it again.
	//
	// It may be frozen. The error is ErrAttached where there is a function already;
	// after any other the sandbox is of no use but to be destroyed.
	Attach(ctx context.Context, spec *Spec) error
	// SetCPU limits all the environment's processes together to so many
	// thousandths of a CPU from now on; 0: no limit, as in the beginning. Drivers
	// that cannot limit do nothing, and Isolation says so.
	SetCPU(milli int) error
	// Freeze stops every process of the environment, Thaw lets them go on.
	Freeze() error
	Thaw() error
	Usage() (Usage, error)
	// Destroy ends every process with SIGKILL, waits for them, and frees all the
	// environment held: mounts, namespaces, cgroups, files. It is safe to call
	// twice, and on a frozen environment.
	Destroy() error
}

// Driver makes sandboxes.
type Driver interface {
	// Name is "linux" or "process".
	Name() string
	// Isolation says in one line for the operator what this driver enforces
	// here, and what not and why.
	Isolation() string
	New(ctx context.Context, spec *Spec) (Sandbox, error)
	// Close destroys every sandbox that is left.
	Close() error
}

// ExecError says why a program could not be started.
type ExecError struct {
	Path string
	Err  error // fs.ErrNotExist, fs.ErrPermission, syscall.ENOEXEC, …
}

func (e *ExecError) Error() string { return "fork/exec " + e.Path + ": " + e.Err.Error() }
func (e *ExecError) Unwrap() error { return e.Err }

// ErrDestroyed is returned by the methods of a destroyed sandbox.
var ErrDestroyed = errors.New("sandbox: destroyed")

// ErrNoImages is returned by New for a Spec with Root by drivers that have no file
// system of their own.
var ErrNoImages = errors.New("sandbox: container images need the linux driver")

// ErrAttached is returned by Attach for a sandbox that has a function already:
// none is ever used for a second one.
var ErrAttached = errors.New("sandbox: it has a function already")
