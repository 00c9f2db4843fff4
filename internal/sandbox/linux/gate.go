//go:build linux && (amd64 || arm64)

package linux

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/paddock-run/paddock/internal/sandbox"
)

// textBusyWait bounds how long Start retries a program that is still open for
// writing: a process forked at the wrong moment by any part of the daemon holds a
// copy of the descriptor that wrote the file until its own exec.
const textBusyWait = 200 * time.Millisecond

// gate is a process of an environment that is to become a program: the gate mode
// of initcode. It has its user, session, cgroup and seccomp filter, and waits on
// its socket for the rest: descriptors, resource limits, a working directory, and
// what to execute. On failure it answers with a gateStatus; the end of the stream
// tells success. That it waits is what makes it possible to have one ready.
//
// The filter cannot be installed on the daemon's thread instead, because it
// forbids the clone3 that starts a process inside of a cgroup; limits cannot be
// set from outside without CAP_SYS_RESOURCE, which containers lack.
type gate struct {
	pid    int // on the host
	socket int
}

// gateLimit is a resource limit for the gate to set.
type gateLimit struct{ Resource, Soft, Hard uint64 }

// gateStatus is how the gate reports a failure.
type gateStatus struct{ Errno, Step uint32 }

// Steps of the gate.
const (
	gateSetLimits = 1 + iota
	gateSeccomp
	gateExec
	gateChdir
	gatePrepare // its socket and memory, and taking the descriptors
)

// processesOfAll is how many processes and threads all environments have together
// at most where nothing limits them one by one; Linux has 32768 by default.
const processesOfAll = 16384

const (
	// gateRegion is the address at which the gate has the message: the pointers in
	// it are right when they arrive.
	gateRegion = 0x10000000
	gateRoom   = 0x1ff000 // bytes; the kernel takes no more arguments than that either
	// maxFiles is how many descriptors a message may come with (SCM_MAX_FD); they
	// become 0, 1, 2, …
	maxFiles = 253
)

// gateHeader begins the message to a gate. The limits follow, then what the
// pointers point at.
type gateHeader struct{ Length, Limits, Dir, Path, Args, Env uint64 }

// gateMessage is the message for a command; what it fails with is the command's
// fault.
func gateMessage(cmd *sandbox.Command, limits []gateLimit) ([]byte, error) {
	args := cmd.Args
	if len(args) == 0 {
		args = []string{cmd.Path}
	}
	header := gateHeader{Limits: uint64(len(limits))}
	at := uint64(gateRegion + binary.Size(header) + binary.Size(limits))
	header.Args = at
	header.Env = header.Args + 8*uint64(len(args)+1)
	at = header.Env + 8*uint64(len(cmd.Env)+1)
	var text []byte
	place := func(s string) uint64 {
		address := at + uint64(len(text))
		text = append(append(text, s...), 0)
		return address
	}
	var pointers []uint64
	for _, list := range [][]string{args, cmd.Env} {
		for _, s := range list {
			if strings.IndexByte(s, 0) >= 0 {
				return nil, syscall.EINVAL
			}
			pointers = append(pointers, place(s))
		}
		pointers = append(pointers, 0)
	}
	if strings.IndexByte(cmd.Path+cmd.Dir, 0) >= 0 {
		return nil, syscall.EINVAL
	}
	header.Path = place(cmd.Path)
	if cmd.Dir != "" {
		header.Dir = place(cmd.Dir)
	}
	header.Length = at + uint64(len(text)) - gateRegion
	if header.Length > gateRoom {
		return nil, syscall.E2BIG
	}
	message := bytes.NewBuffer(make([]byte, 0, header.Length))
	for _, part := range []any{header, limits, pointers, text} {
		if err := binary.Write(message, binary.LittleEndian, part); err != nil {
			return nil, fmt.Errorf("write the message to a gate: %w", err)
		}
	}
	return message.Bytes(), nil
}

// newGate starts one. It runs on the environment's thread.
func (s *Sandbox) newGate() (_ *gate, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket pair: %w", err)
	}
	attr := &syscall.ProcAttr{
		Files: []uintptr{uintptr(pair[1])},
		Sys: &syscall.SysProcAttr{
			Setsid: true,
			// A user namespace that a user made does not let anybody change groups.
			Credential: &syscall.Credential{Uid: userID, Gid: groupID, NoSetGroups: s.driver.rootless},
		},
	}
	g := &gate{socket: pair[0]}
	err = s.group.start(attr.Sys, func() (err error) {
		g.pid, err = syscall.ForkExec(initPath, []string{"init", "gate"}, attr)
		return err
	})
	closeFD(pair[1])
	// The child shares this process's memory until its exec, and its change of
	// user took from that the right to be dumped, and to open /proc/self.
	if dumpErr := unix.Prctl(unix.PR_SET_DUMPABLE, uintptr(s.driver.dumpable), 0, 0, 0); err == nil {
		err = dumpErr
	}
	if err == nil {
		return g, nil
	}
	closeFD(g.socket)
	if g.pid > 0 { // out of the group again, but not its thread: of no use
		err = errors.Join(err, unix.Kill(g.pid, unix.SIGKILL), reap(g.pid))
	}
	return nil, err
}

// start starts a process of the environment and returns its ID on the host. It
// runs on the environment's thread.
func (s *Sandbox) start(cmd *sandbox.Command) (pid int, err error) {
	limits, err := s.resourceLimits()
	if err != nil {
		return 0, err
	}
	message, err := gateMessage(cmd, limits)
	if err != nil {
		return 0, &sandbox.ExecError{Path: cmd.Path, Err: err}
	}
	files := []int{s.nullOr(nil), s.nullOr(cmd.Stdout), s.nullOr(cmd.Stderr)}
	for _, file := range cmd.Extra {
		files = append(files, int(file.Fd()))
	}
	if len(files) > maxFiles {
		return 0, fmt.Errorf("start %s: %d extra files are too many", cmd.Path, len(cmd.Extra))
	}
	for deadline := time.Now().Add(textBusyWait); ; {
		g := s.spare
		s.spare = nil
		if g == nil {
			if g, err = s.newGate(); err != nil {
				return 0, fmt.Errorf("start %s: %w", cmd.Path, err)
			}
		}
		err = g.pass(message, files, cmd)
		if err == nil {
			return g.pid, nil
		}
		err = errors.Join(err, g.end())
		if !errors.Is(err, unix.ETXTBSY) || time.Now().After(deadline) {
			return 0, err
		}
		time.Sleep(time.Millisecond)
	}
}

// pass lets the gate become the program. After an error it is of no use.
func (g *gate) pass(message []byte, files []int, cmd *sandbox.Command) error {
	err := g.send(message, files)
	// A gate that has ended before has said why.
	if err != nil && !errors.Is(err, unix.EPIPE) {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	var failure gateStatus
	switch statusErr := readStatus(g.socket, &failure); {
	case errors.Is(statusErr, io.EOF) && err == nil:
		closeFD(g.socket)
		return nil // the other end was closed by a successful exec
	case statusErr != nil:
		return fmt.Errorf("start %s: %w", cmd.Path, errors.Join(err, statusErr))
	}
	return failure.error(cmd)
}

func (g *gate) send(message []byte, files []int) error {
	rights := unix.UnixRights(files...)
	for len(message) > 0 {
		n, err := unix.SendmsgN(g.socket, message, rights, nil, unix.MSG_NOSIGNAL)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		message, rights = message[n:], nil
	}
	return nil
}

// end ends a gate that nothing has come through.
func (g *gate) end() error {
	closeFD(g.socket)
	if err := unix.Kill(g.pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return errors.Join(err, reap(g.pid))
	}
	return reap(g.pid)
}

func (f gateStatus) error(cmd *sandbox.Command) error {
	errno := syscall.Errno(f.Errno)
	switch f.Step {
	case gateSetLimits:
		return fmt.Errorf("start %s: set resource limits: %w", cmd.Path, errno)
	case gateSeccomp:
		return fmt.Errorf("start %s: install the seccomp filter: %w", cmd.Path, errno)
	case gatePrepare:
		return fmt.Errorf("start %s: hand over descriptors: %w", cmd.Path, errno)
	case gateChdir:
		return &os.PathError{Op: "chdir", Path: cmd.Dir, Err: errno}
	}
	return &sandbox.ExecError{Path: cmd.Path, Err: errno}
}

// resourceLimits are what a process inherits and no cgroup limits.
func (s *Sandbox) resourceLimits() ([]gateLimit, error) {
	set := map[int]int{unix.RLIMIT_NOFILE: cmp.Or(s.spec.Load().OpenFiles, defaultOpenFiles), unix.RLIMIT_CORE: 0}
	if !s.driver.cgroups.has(pidsController) {
		// It counts the processes of the user, who is the same in all environments,
		// other daemons' included: all that it can do is to keep a fork bomb from
		// taking all that the host has.
		set[unix.RLIMIT_NPROC] = max(s.processes(), processesOfAll)
	}
	limits := make([]gateLimit, 0, len(set))
	for resource, value := range set {
		var own unix.Rlimit
		if err := unix.Getrlimit(resource, &own); err != nil {
			return nil, fmt.Errorf("read resource limit %d: %w", resource, err)
		}
		limit := min(uint64(value), own.Max) // to raise it is a privilege
		limits = append(limits, gateLimit{uint64(resource), limit, limit})
	}
	return limits, nil
}

func (s *Sandbox) nullOr(file *os.File) int {
	if file == nil {
		file = s.driver.null
	}
	return int(file.Fd())
}

// readStatus reads a value that another process writes at once. io.EOF is the end
// of the stream instead.
func readStatus[T any](fd int, value *T) error {
	buffer := make([]byte, unsafe.Sizeof(*value))
	for {
		n, err := unix.Read(fd, buffer)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("read the status of a starting process: %w", err)
		case n == 0:
			return io.EOF
		case n < len(buffer):
			return io.ErrUnexpectedEOF
		}
		_, err = binary.Decode(buffer, binary.LittleEndian, value)
		return err
	}
}
