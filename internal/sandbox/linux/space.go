//go:build linux && (amd64 || arm64)

package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// spareSpaces is how many network namespaces are kept ready: as many
// environments can start at once without waiting for the kernel's network lock.
const spareSpaces = 16

// refillPause is how long nobody must have taken a namespace before new ones are
// made, unless half are gone: the processors are for what is starting.
const refillPause = 10 * time.Millisecond

// spaces is a stock of network namespaces that no environment has used yet:
// making one takes up to 2 ms, entering one that is there 10 µs. None is used
// twice: what a function left in it would be found by the next.
type spaces struct {
	router *router       // nil: environments reach nothing
	ready  chan int      // descriptors
	used   chan struct{} // wakes fill
	full   chan struct{} // tells tests, where they listen, that fill has nothing to do
	done   chan struct{}
	ended  chan struct{}
}

func newSpaces(r *router) *spaces {
	s := &spaces{
		router: r,
		ready:  make(chan int, spareSpaces),
		used:   make(chan struct{}, 1),
		full:   make(chan struct{}),
		done:   make(chan struct{}),
		ended:  make(chan struct{}),
	}
	go s.fill()
	return s
}

// take returns a namespace's descriptor, which the caller closes: one that is
// ready, or else a new one.
func (s *spaces) take() (fd int, err error) {
	select {
	case fd := <-s.ready:
		select {
		case s.used <- struct{}{}:
		default:
		}
		return fd, nil
	default:
		return s.newSpace()
	}
}

// fill keeps the stock full. After a failure it waits for the next use: take
// then meets the same failure and reports it.
func (s *spaces) fill() {
	defer close(s.ended)
	for {
		for len(s.ready) < cap(s.ready) {
			select {
			case <-s.done:
				return
			default:
			}
			fd, err := s.newSpace()
			if err != nil {
				slog.Warn("a network for environments could not be made ahead", "error", err)
				break
			}
			s.ready <- fd // nobody else sends
		}
		select {
		case <-s.used:
			s.pause()
		case s.full <- struct{}{}:
		case <-s.done:
			return
		}
	}
}

// pause waits until it is time to refill.
func (s *spaces) pause() {
	timer := time.NewTimer(refillPause)
	defer timer.Stop()
	for len(s.ready) > cap(s.ready)/2 {
		select {
		case <-s.used:
			timer.Reset(refillPause)
		case <-timer.C:
			return
		case <-s.done:
			return
		}
	}
}

// close lets go of the stock. Nothing may be taken after it.
func (s *spaces) close() {
	close(s.done)
	<-s.ended
	for {
		select {
		case fd := <-s.ready:
			closeFD(fd)
		default:
			return
		}
	}
}

// newSpace makes a network namespace with a loopback interface and, where there
// is a router, a connection to that. The namespace ends with the last process
// and descriptor in it, and the kernel then removes the connection.
func (s *spaces) newSpace() (fd int, err error) {
	err = inNewSpace(func(space int) error {
		fd = space
		if s.router == nil {
			return nil
		}
		return s.router.connect(space)
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
