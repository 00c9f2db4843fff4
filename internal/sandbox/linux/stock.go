//go:build linux && (amd64 || arm64)

package linux

import (
	"log/slog"
	"time"
)

// refillPause is how long nobody must have taken anything from a stock before it
// is refilled, unless half is gone: the processors are for what is starting.
const refillPause = 10 * time.Millisecond

// stock keeps things ready that environments need and that take the kernel
// milliseconds to make. Each is a descriptor.
type stock struct {
	name  string // for the log: "a network"
	make  func() (fd int, err error)
	ready chan int
	used  chan struct{} // wakes fill
	full  chan struct{} // tells tests, where they listen, that fill has nothing to do
	done  chan struct{}
	ended chan struct{}
}

// newStock keeps so many ready, from soon on.
func newStock(name string, size int, newOne func() (fd int, err error)) *stock {
	s := &stock{
		name: name, make: newOne,
		ready: make(chan int, size),
		used:  make(chan struct{}, 1),
		full:  make(chan struct{}),
		done:  make(chan struct{}),
		ended: make(chan struct{}),
	}
	go s.fill()
	return s
}

// take returns a descriptor, which the caller closes: of what is ready, or else
// of a new one.
func (s *stock) take() (fd int, err error) {
	select {
	case fd := <-s.ready:
		select {
		case s.used <- struct{}{}:
		default:
		}
		return fd, nil
	default:
		return s.make()
	}
}

// fill keeps the stock full. After a failure it waits for the next use: take
// then meets the same failure and reports it.
func (s *stock) fill() {
	defer close(s.ended)
	for {
		for len(s.ready) < cap(s.ready) {
			select {
			case <-s.done:
				return
			default:
			}
			fd, err := s.make()
			if err != nil {
				slog.Warn(s.name+" for environments could not be made ahead", "error", err)
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
func (s *stock) pause() {
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
func (s *stock) close() {
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
