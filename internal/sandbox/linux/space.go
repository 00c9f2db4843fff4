//go:build linux && (amd64 || arm64)

package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// spareSpaces are how many network namespaces are kept ready beside those of the
// environments that are: as many can start at once without waiting for the
// kernel's network lock. Each takes the kernel 0.3 MB.
var spareSpaces = sizes{16, 64}

// newSpaces makes a stock of network namespaces; making one takes up to 2 ms,
// entering one that is there 10 µs. None is used twice: what a function left in
// it would be found by the next. Without a router environments reach nothing.
func newSpaces(r *router, size sizes) *stock[int] {
	return newStock("a network", size, func() (int, error) { return newSpace(r) }, closeFD)
}

// newSpace makes a network namespace with a loopback interface and, where there
// is a router, a connection to that. The namespace ends with the last process
// and descriptor in it, and the kernel then removes the connection.
func newSpace(r *router) (fd int, err error) {
	err = inNewSpace(func(space int) error {
		fd = space
		if r == nil {
			return nil
		}
		return r.connect(space)
	})
	return fd, err
}

// inNewSpace runs f on a thread in a new network namespace with a loopback
// interface. f keeps the descriptor unless it fails.
func inNewSpace(f func(fd int) error) (err error) {
	done := make(chan struct{})
	onOwnThread(func() {
		defer close(done)
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			err = fmt.Errorf("make a network namespace: %w", err)
			return
		}
		var fd int
		if fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			err = fmt.Errorf("open the network namespace: %w", err)
			return
		}
		if err = loopbackUp(); err != nil {
			err = fmt.Errorf("bring up the loopback interface: %w", err)
		} else {
			err = f(fd)
		}
		if err != nil {
			closeFD(fd)
		}
	})
	<-done
	return err
}

// inSpace runs f on a thread in a network namespace.
func inSpace(fd int, f func() error) (err error) {
	done := make(chan struct{})
	onOwnThread(func() {
		defer close(done)
		if err = unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			err = fmt.Errorf("enter a network namespace: %w", err)
			return
		}
		err = f()
	})
	<-done
	return err
}

// loopbackUp does for the thread's network namespace what "ip link set lo up" does.
func loopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer closeFD(socket)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request)
}

// setNet writes a setting below /proc/sys/net, which is that of the calling
// thread's network namespace. Kernels without IPv6 lack its settings, which is
// as good as having it off.
func setNet(name, value string) error {
	err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0)
	if errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(name, "ipv6/") {
		return nil
	}
	return err
}
