//go:build linux && (amd64 || arm64)

package linux

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/paddock-run/paddock/internal/sandbox"
)

const (
	defaultEphemeralMB = 512 // Lambda's default and minimum
	sharedMemoryMB     = 64
	defaultOpenFiles   = 1024
	defaultProcesses   = 1024
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
	if err := dropPrivileges(); err != nil {
		return err
	}
	s.spare, err = s.newGate()
	if err != nil {
		return fmt.Errorf("start a process ahead: %w", err)
	}
	return nil
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
	if len(spec.Root) > 0 {
		layers, err := d.skeleton.over(spec.Root)
		if err != nil {
			return nil, err
		}
		if err := open("/", func() (int, error) { return overlay(layers) }); err != nil {
			return nil, err
		}
	} else if spec.Code == "" {
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
