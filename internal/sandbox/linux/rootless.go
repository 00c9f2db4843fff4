//go:build linux && (amd64 || arm64)

package linux

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// rootlessVariable tells a process that Rootless has started what it is for.
const (
	rootlessVariable = "PADDOCK_ROOTLESS"
	rootlessTry      = "try" // whether the driver works there
	rootlessRun      = "run"
)

// Rootless is for a process of an ordinary user, and is to be called before all
// else: it runs the same command in a user namespace, in which the driver works,
// hands on signals, and ends this process as that one ends. There the one user
// that the namespace has, the caller of this, is functions' user too.
//
// It returns nil in that process, and where it is not needed; and why where the
// driver with opts does not work in a user namespace either.
func Rootless(opts Options) error {
	switch os.Getenv(rootlessVariable) {
	case rootlessTry:
		os.Exit(tryRootless(opts))
	case rootlessRun:
		return os.Unsetenv(rootlessVariable)
	}
	if privileged() {
		return nil
	}
	// It ends with this thread, and this is where its end would be noticed.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var said strings.Builder
	try := inUserNamespace(rootlessTry)
	try.Stderr = &said
	if err := try.Run(); err != nil {
		if text := strings.TrimSpace(said.String()); text != "" {
			err = errors.New(text)
		}
		return fmt.Errorf("in a user namespace: %w", err)
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2)
	command := inUserNamespace(rootlessRun)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := command.Start(); err != nil {
		return err
	}
	go func() {
		for s := range signals {
			_ = command.Process.Signal(s) // it may have ended
		}
	}()
	err := command.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "paddock:", err)
		os.Exit(1)
	}
	if status, ok := command.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		os.Exit(128 + int(status.Signal()))
	}
	os.Exit(command.ProcessState.ExitCode())
	return nil
}

// inUserNamespace is this command, in a namespace in which this user is the
// functions' and has all capabilities, without being root: functions, which lose
// these, are then who they are elsewhere.
func inUserNamespace(mode string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), rootlessVariable+"="+mode)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS, // mounts can be made where the namespace owns these
		UidMappings: []syscall.SysProcIDMap{{ContainerID: userID, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: groupID, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   unix.SIGKILL,
		Setpgid:     true, // a terminal's signals come once: from this process
	}
	for c := uintptr(0); c <= lastCapability(); c++ {
		cmd.SysProcAttr.AmbientCaps = append(cmd.SysProcAttr.AmbientCaps, c)
	}
	return cmd
}

// lastCapability is the last one that this kernel knows.
func lastCapability() uintptr {
	last := uintptr(0)
	for {
		set, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, last+1, 0, 0, 0)
		if err != nil || set < 0 {
			return last
		}
		last++
	}
}

func tryRootless(opts Options) int {
	opts.Spare = -1
	driver, err := New(opts)
	if err == nil {
		err = driver.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, oneLine(err))
		return 1
	}
	return 0
}

// privileged reports whether this process may make namespaces: as root, or in a
// user namespace.
func privileged() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return false
	}
	return sets[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}

// rootless reports whether the process is in a user namespace that has functions'
// user and no other.
func rootless() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	field := strings.Fields(string(text))
	return len(field) == 3 && field[0] == fmt.Sprint(userID) && field[2] == "1"
}
