//go:build linux && (amd64 || arm64)

package linux

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/paddock-run/paddock/internal/sandbox"
)

const (
	defaultEphemeralMB = 512 // Lambda's default and minimum
	sharedMemoryMB     = 64
	defaultOpenFiles   = 1024
	defaultProcesses   = 1024
	// textBusyWait bounds how long Start retries a program that is still open for
	// writing: a process forked at the wrong moment by any part of the daemon
	// holds a copy of the descriptor that wrote the file until its own exec.
	textBusyWait = 200 * time.Millisecond
)

// build makes the environment's namespaces and file system and starts its
// process 1. It runs on the environment's thread.
func (s *Sandbox) build() error {
	shared, err := newMount("tmpfs", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC,
		"size", strconv.Itoa(sharedMemoryMB)+"m", "mode", "1777", "nr_inodes", "1024")
	if err != nil {
		return err
	}
	// The file system: a copy of the template, in which furnish puts what is this
	// environment's.
	err = s.enterTemplate()
	if err != nil {
		closeFD(shared)
		return err
	}
	if err := attach(shared, "/dev/shm"); err != nil {
		return err
	}

	// The other namespaces. The PID namespace is for the thread's children.
	if err := unix.Unshare(unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWPID); err != nil {
		return fmt.Errorf("unshare namespaces: %w", err)
	}
	if s.driver.spaces != nil {
		space, err := s.driver.spaces.take()
		if err != nil {
			return err
		}
		err = unix.Setns(space, unix.CLONE_NEWNET)
		closeFD(space)
		if err != nil {
			return fmt.Errorf("enter the network namespace: %w", err)
		}
	}

	// Process 1 mounts /proc, and so needs to be privileged for a moment.
	if err := s.startInit(); err != nil {
		return err
	}

	// What all later processes inherit. This thread itself keeps its capabilities:
	// the bounding set counts at the next exec.
	return dropPrivileges()
}

// enterTemplate gives the calling thread a copy of the template's file system.
func (s *Sandbox) enterTemplate() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare the thread's root folder: %w", err)
	}
	unix.Umask(0o022)
	if err := unix.Setns(s.driver.template.namespace, unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter the template's mount namespace: %w", err)
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("copy the template's mount namespace: %w", err)
	}
	return nil
}

// folders are detached mounts by where they are to stand inside.
type folders map[string]int

func (f folders) close() {
	for _, fd := range f {
		closeFD(fd)
	}
}

// openFolders opens what a specification has more than another. It sees the
// host's file system.
func (d *Driver) openFolders(had, spec *sandbox.Spec) (_ folders, err error) {
	opened := folders{}
	defer func() {
		if err != nil {
			opened.close()
		}
	}()
	open := func(path string, mount func() (int, error)) error {
		fd, err := mount()
		if err == nil {
			opened[path] = fd
		}
		return err
	}
	for _, f := range []struct{ path, had, folder string }{
		{layout.Task, had.Code, spec.Code}, {layout.Lang, had.Lang, spec.Lang}, {layout.Runtime, had.Bootstrap, spec.Bootstrap},
	} {
		if f.folder == "" || f.folder == f.had {
			continue
		}
		if err := open(f.path, func() (int, error) { return bind(f.folder, false) }); err != nil {
			return nil, err
		}
	}
	if spec.Code == "" {
		return opened, nil
	}
	switch layers := spec.Layers; len(layers) {
	case 0:
	case 1:
		err = open(layout.Opt, func() (int, error) { return bind(layers[0], false) })
	default:
		err = open(layout.Opt, func() (int, error) { return overlay(layers) })
	}
	if err != nil {
		return nil, err
	}
	err = open(layout.Tmp, func() (int, error) { return d.newTemporary(cmp.Or(spec.EphemeralMB, defaultEphemeralMB)) })
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// newTemporary makes the detached mount of a /tmp.
func (d *Driver) newTemporary(megabytes int) (fd int, err error) {
	if d.disks != nil {
		return d.disks.take(megabytes)
	}
	return newMount("tmpfs", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV,
		"size", strconv.Itoa(megabytes)+"m", "mode", "0700",
		"uid", strconv.Itoa(userID), "gid", strconv.Itoa(groupID),
		// An inode takes kernel memory too: one for each page is more than enough.
		"nr_inodes", strconv.Itoa(megabytes*256))
}

// dropPrivileges makes sure that no program the thread's children execute, set-uid
// or not, gets a privilege.
func dropPrivileges() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no-new-privileges: %w", err)
	}
	for capability := uintptr(0); ; capability++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) && capability > 0 {
			break // past the last one that this kernel knows
		}
		if err != nil {
			return fmt.Errorf("drop capability %d from the bounding set: %w", capability, err)
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	// An empty inheritable set empties the ambient one.
	sets[0].Inheritable, sets[1].Inheritable = 0, 0
	if err := unix.Capset(&header, &sets[0]); err != nil {
		return fmt.Errorf("clear inheritable capabilities: %w", err)
	}
	return nil
}

// startInit starts process 1 and waits until /proc is mounted. The function
// cannot touch it: it belongs to root, without capabilities.
func (s *Sandbox) startInit() error {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	defer closeFD(pipe[0])
	const none = ^uintptr(0)
	attr := &syscall.ProcAttr{
		Files: []uintptr{none, none, none, uintptr(pipe[1])},
		// When the daemon is killed, all of the PID namespace ends with this
		// process. (Only here: where the parent is in another PID namespace, the
		// check by which Go closes a race takes it for dead, and a process other
		// than process 1 would kill itself.)
		Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	}
	err := s.group.start(attr.Sys, func() (err error) {
		s.init, err = syscall.ForkExec(initPath, []string{"init"}, attr)
		return err
	})
	closeFD(pipe[1])
	if err != nil {
		return fmt.Errorf("start process 1: %w", err)
	}
	var errno uint32
	if err := readStatus(pipe[0], &errno); err != nil {
		return fmt.Errorf("process 1 ended early: %w", err)
	}
	if errno != 0 {
		return fmt.Errorf("process 1 could not mount /proc: %w", syscall.Errno(errno))
	}
	return nil
}

// start starts a process of the environment through the gate (see init.go) and
// returns its ID on the host. It runs on the environment's thread.
func (s *Sandbox) start(cmd *sandbox.Command) (pid int, err error) {
	for deadline := time.Now().Add(textBusyWait); ; {
		pid, err = s.startOnce(cmd)
		if !errors.Is(err, unix.ETXTBSY) || time.Now().After(deadline) {
			return pid, err
		}
		time.Sleep(time.Millisecond)
	}
}

func (s *Sandbox) startOnce(cmd *sandbox.Command) (_ int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("make a socket pair: %w", err)
	}
	defer closeFD(pair[0])

	files := []uintptr{s.driver.null.Fd(), fdOr(cmd.Stdout, s.driver.null), fdOr(cmd.Stderr, s.driver.null)}
	for _, file := range cmd.Extra {
		files = append(files, file.Fd())
	}
	status := len(files)
	if status > maxStatusFD {
		closeFD(pair[1])
		return 0, fmt.Errorf("start %s: %d extra files are too many", cmd.Path, len(cmd.Extra))
	}
	args := append([]string{"init", string([]byte{byte(status)}), cmd.Path}, cmd.Args...)
	if len(cmd.Args) == 0 {
		args = append(args, cmd.Path)
	}
	attr := &syscall.ProcAttr{
		Dir:   cmd.Dir,
		Env:   cmd.Env,
		Files: append(files, uintptr(pair[1])),
		Sys: &syscall.SysProcAttr{
			Setsid:     true,
			Credential: &syscall.Credential{Uid: userID, Gid: groupID},
		},
	}
	var pid int
	err = s.group.start(attr.Sys, func() (err error) {
		pid, err = syscall.ForkExec(initPath, args, attr)
		return err
	})
	closeFD(pair[1])
	// The child shares this process's memory until its exec, and its change of
	// user took from that the right to be dumped, and to open /proc/self.
	if dumpErr := unix.Prctl(unix.PR_SET_DUMPABLE, uintptr(s.driver.dumpable), 0, 0, 0); err == nil {
		err = dumpErr
	}
	if err != nil {
		if pid > 0 { // out of the group again, but not its thread: of no use
			err = errors.Join(err, unix.Kill(pid, unix.SIGKILL), reap(pid))
		}
		return 0, forkError(cmd, err)
	}

	// The process waits at the gate for its limits.
	err = s.sendLimits(pair[0])
	var failure gateStatus
	if err == nil {
		err = readStatus(pair[0], &failure)
	}
	if errors.Is(err, io.EOF) {
		return pid, nil // the descriptor was closed by a successful exec
	}
	if err == nil {
		err = failure.error(cmd.Path)
	}
	if killErr := unix.Kill(pid, unix.SIGKILL); killErr != nil && !errors.Is(killErr, unix.ESRCH) {
		err = errors.Join(err, killErr)
	}
	return 0, errors.Join(err, reap(pid))
}

// forkError explains an error of the fork: the gate itself is always there, so
// what is missing can only be the working directory.
func forkError(cmd *sandbox.Command, err error) error {
	if cmd.Dir != "" && (errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.EACCES)) {
		return &os.PathError{Op: "chdir", Path: cmd.Dir, Err: err}
	}
	return fmt.Errorf("start %s: %w", cmd.Path, err)
}

func (f gateStatus) error(path string) error {
	errno := syscall.Errno(f.Errno)
	switch f.Step {
	case gateSetLimits:
		return fmt.Errorf("start %s: set resource limits: %w", path, errno)
	case gateSeccomp:
		return fmt.Errorf("start %s: install the seccomp filter: %w", path, errno)
	}
	return &sandbox.ExecError{Path: path, Err: errno}
}

// sendLimits tells the gate what a process inherits and no cgroup limits.
func (s *Sandbox) sendLimits(gate int) error {
	files := cmp.Or(s.spec.Load().OpenFiles, defaultOpenFiles)
	set := map[int]int{unix.RLIMIT_NOFILE: files, unix.RLIMIT_CORE: 0}
	if !s.driver.cgroups.has(pidsController) {
		// It counts the processes of the user, who is the same in all
		// environments: a second best.
		set[unix.RLIMIT_NPROC] = s.processes()
	}
	var message []byte
	for resource, value := range set {
		var own unix.Rlimit
		if err := unix.Getrlimit(resource, &own); err != nil {
			return fmt.Errorf("read resource limit %d: %w", resource, err)
		}
		limit := min(uint64(value), own.Max) // to raise it is a privilege
		var err error
		message, err = binary.Append(message, binary.LittleEndian, gateLimit{uint64(resource), limit, limit})
		if err != nil {
			return err
		}
	}
	_, err := unix.Write(gate, message)
	return err
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

func fdOr(file, otherwise *os.File) uintptr {
	if file == nil {
		file = otherwise
	}
	return file.Fd()
}
