//go:build linux && (amd64 || arm64)

package linux

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/paddock-run/paddock/internal/sandbox"
)

// spareShells are how many environments are kept ready where Options do not say.
var spareShells = sizes{16, 64}

// Driver implements sandbox.Driver.
type Driver struct {
	network  Network
	router   *router     // of NetworkPrivate, where environments reach other machines
	noEgress error       // why they do not
	spaces   *stock[int] // of network namespaces; nil: the host's network
	disks    *disks      // nil: /tmp is in memory
	noDisks  error       // why
	cgroups  hierarchy
	shells   *stock[*Sandbox] // environments that lack only what furnish gives them; nil: none are kept
	why      error            // what keeps cgroups from being complete
	template *template
	skeleton *skeleton // of the roots of images
	null     *os.File
	rootless bool // there is no user but functions'
	dumpable int  // of this process

	mu        sync.Mutex
	sandboxes map[*Sandbox]struct{}
	made      int // shells so far; names their cgroups
	closed    bool
}

var _ sandbox.Driver = (*Driver)(nil)

// New makes a driver, after it has removed the cgroups that a driver of a daemon
// that was killed left. It runs a program in a first environment; the error says
// what this host or process lacks for that.
func New(opts Options) (sandbox.Driver, error) {
	d, err := newDriver(opts, findHierarchy)
	if err != nil {
		return nil, fmt.Errorf("the linux sandbox driver does not work here: %w", err)
	}
	return d, nil
}

// newDriver is New with the cgroups that find finds.
func newDriver(opts Options, find func() (hierarchy, error)) (_ *Driver, err error) {
	network := opts.Network
	switch network {
	case "":
		network = NetworkPrivate
	case NetworkPrivate, NetworkHost, NetworkNone:
	default:
		return nil, fmt.Errorf("unknown network %q", network)
	}
	if !privileged() {
		return nil, errors.New("it needs root, or a user namespace")
	}
	d := &Driver{network: network, rootless: rootless(), cgroups: noHierarchy{}, sandboxes: map[*Sandbox]struct{}{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	// Descriptors that this process inherited would reach functions; Go opens its
	// own close-on-exec.
	if err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return nil, fmt.Errorf("mark inherited descriptors close-on-exec (Linux 5.11 or later?): %w", err)
	}
	if d.dumpable, err = unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("read the dumpable flag: %w", err)
	}
	if d.dumpable == 2 { // "readable by root": a value that cannot be set
		d.dumpable = 0
	}
	if d.null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
		return nil, err
	}
	filter, err := seccompFilter()
	if err != nil {
		return nil, err
	}
	program, err := initProgram(initMachine, initCode, filter)
	if err != nil {
		return nil, err
	}
	if network == NetworkPrivate && d.rootless {
		d.noEgress = errors.New("only root can connect environments to other machines")
	} else if network == NetworkPrivate {
		d.router, d.noEgress = newRouter()
	}
	if network != NetworkHost {
		d.spaces = newSpaces(d.router, spareSpaces.among(opts))
	}
	dir := opts.Scratch
	if dir == "" {
		dir = os.TempDir()
	}
	if d.skeleton, err = newSkeleton(dir); err != nil {
		return nil, err
	}
	d.disks, d.noDisks = newDisks(dir, spareDisks.among(opts))
	if d.template, err = newTemplate(program, d.resolver(), d.rootless); err != nil {
		return nil, err
	}
	d.cgroups, d.why = find()
	if err := d.probe(); err != nil {
		return nil, err
	}
	if opts.Spare >= 0 {
		d.shells = newStock("an environment", spareShells.among(opts), d.newShell, func(s *Sandbox) {
			if err := s.Destroy(); err != nil {
				slog.Warn("an environment that was made ahead could not be removed", "error", err)
			}
		})
	}
	return d, nil
}

// probe runs the smallest program there is in an environment.
func (d *Driver) probe() (err error) {
	s, err := d.New(context.Background(), &sandbox.Spec{ID: "probe", Processes: 16})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Destroy()) }()
	p, err := s.Start(context.Background(), &sandbox.Command{
		Path: initPath, Args: []string{"init", "probe"}, Dir: layout.Task,
	})
	if err != nil {
		return err
	}
	<-p.Done()
	if exit := p.Exit(); exit != (sandbox.Exit{}) {
		return fmt.Errorf("a program in a first environment ended with code %d, signal %d", exit.Code, exit.Signal)
	}
	return nil
}

// Name implements sandbox.Driver.
func (d *Driver) Name() string { return "linux" }

// Isolation implements sandbox.Driver.
func (d *Driver) Isolation() string {
	var line strings.Builder
	if d.rootless {
		line.WriteString("linux, rootless: own file system, processes and seccomp filter, with the rights of this user")
	} else {
		fmt.Fprintf(&line, "linux: own file system, processes, user %d and seccomp filter", userID)
	}
	line.WriteString("; " + d.describeNetwork())
	lacking := missing(d.cgroups, memoryController, pidsController, cpuController)
	if len(lacking) == 0 {
		fmt.Fprintf(&line, "; memory, processes and CPU limited by %s", d.cgroups.name())
	} else {
		fmt.Fprintf(&line, "; NOT limited: %s (%s", strings.Join(lacking, ", "), d.cgroups.name())
		if d.why != nil {
			fmt.Fprintf(&line, ": %s", strings.ReplaceAll(d.why.Error(), "\n", "; "))
		}
		line.WriteString(")")
	}
	if d.noDisks != nil && d.cgroups.has(memoryController) {
		fmt.Fprintf(&line, "; files in /tmp count as memory (%s)", oneLine(d.noDisks))
	}
	return line.String()
}

// resolver says how environments find other machines' addresses.
func (d *Driver) resolver() resolver {
	switch {
	case d.network == NetworkHost:
		return resolverHost
	case d.router != nil:
		return resolverRelay
	default:
		return resolverNone
	}
}

func (d *Driver) describeNetwork() string {
	switch {
	case d.network == NetworkHost:
		return "network shared with the host, its loopback services included"
	case d.network == NetworkNone:
		return "no network but an own loopback interface"
	case d.router == nil && d.rootless:
		return "no network but an own loopback interface: only root can connect environments to other machines"
	case d.router == nil:
		return fmt.Sprintf("no network but an own loopback interface, since other machines cannot be reached from here: %s",
			strings.ReplaceAll(d.noEgress.Error(), "\n", "; "))
	}
	text := "own network with a way to other machines (IPv4), not to this host's services or other functions"
	if switched := d.router.firewall.route.names(); len(switched) > 0 {
		text += "; forwarding switched on for " + strings.Join(switched, ", ")
	}
	if d.router.firewall.admitted {
		text += "; exceptions made in this host's firewall"
	}
	return text
}

// New implements sandbox.Driver. The folders of the specification must be
// readable by others, as the user of the environment is neither their owner nor
// in their group.
func (d *Driver) New(ctx context.Context, spec *sandbox.Spec) (sandbox.Sandbox, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !safeName(spec.ID) {
		return nil, errorOfName(spec.ID)
	}
	if err := spec.CheckRoot(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil, sandbox.ErrDestroyed
	}
	d.mu.Unlock()

	if err := d.template.refresh(); err != nil {
		return nil, fmt.Errorf("copy the host's resolver settings: %w", err)
	}
	s, err := d.newSandbox(spec)
	if err != nil {
		return nil, fmt.Errorf("make environment %s: %w", spec.ID, err)
	}
	d.mu.Lock()
	closed := d.closed
	if !closed {
		d.sandboxes[s] = struct{}{}
	}
	d.mu.Unlock()
	if closed {
		return nil, errors.Join(sandbox.ErrDestroyed, s.Destroy())
	}
	return s, nil
}

func errorOfName(id string) error {
	return fmt.Errorf("sandbox: %q is no ID of an environment", id)
}

// Settle returns when all that the driver prepares in the background is ready,
// and nothing more is done until something is used: for measurements.
func (d *Driver) Settle() {
	if d.shells != nil {
		d.shells.settle() // it takes from the others
	}
	if d.spaces != nil {
		d.spaces.settle()
	}
	if d.disks != nil {
		d.disks.stock.settle()
	}
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

	if d.shells != nil {
		d.shells.close() // it uses the other stocks
	}
	var errs []error
	for _, s := range left {
		errs = append(errs, s.Destroy())
	}
	if d.spaces != nil {
		d.spaces.close()
	}
	if d.router != nil {
		errs = append(errs, d.router.close())
	}
	if d.disks != nil {
		errs = append(errs, d.disks.close())
	}
	if d.template != nil {
		d.template.close()
	}
	if d.skeleton != nil {
		errs = append(errs, d.skeleton.close())
	}
	if d.null != nil {
		errs = append(errs, d.null.Close())
	}
	return errors.Join(append(errs, d.cgroups.close())...)
}

func (d *Driver) forget(s *Sandbox) {
	d.mu.Lock()
	delete(d.sandboxes, s)
	d.mu.Unlock()
}
