//go:build linux && (amd64 || arm64)

package linux

import (
	"log/slog"
	"time"
)

// refillPause is how long nobody must have taken anything from a stock before it
// is refilled, unless half is gone: the processors are for what is starting.
const refillPause = 10 * time.Millisecond

// stock keeps things ready that environments need, or are, and that take the
// kernel milliseconds to make. None is used twice.
type stock[T any] struct {
	name  string // for the log: "a network"
	make  func() (T, error)
	drop  func(T) // frees one that nobody took
	ready chan T
	used  chan struct{} // wakes fill
	full  chan struct{} // tells settle that fill has nothing to do
	done  chan struct{}
	ended chan struct{}
}

// newStock keeps so many ready, from soon on.
func newStock[T any](name string, size int, newOne func() (T, error), drop func(T)) *stock[T] {
	s := &stock[T]{
		name: name, make: newOne, drop: drop,
		ready: make(chan T, size),
		used:  make(chan struct{}, 1),
		full:  make(chan struct{}),
		done:  make(chan struct{}),
		ended: make(chan struct{}),
	}
	go s.fill()
	return s
}

// take returns one that is ready, or else a new one. It belongs to the caller.
func (s *stock[T]) take() (T, error) {
	select {
	case one := <-s.ready:
		select {
		case s.used <- struct{}{}:
		default:
		}
		return one, nil
	default:
		return s.make()
	}
}

// fill keeps the stock full. After a failure it waits for the next use: take
// then meets the same failure and reports it.
func (s *stock[T]) fill() {
	defer close(s.ended)
	for {
		for len(s.ready) < cap(s.ready) {
			select {
			case <-s.done:
				return
			default:
			}
			one, err := s.make()
			if err != nil {
				slog.Warn(s.name+" for environments could not be made ahead", "error", err)
				break
			}
			s.ready <- one // nobody else sends
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
func (s *stock[T]) pause() {
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

// settle returns when the stock is full: never where it cannot be filled.
func (s *stock[T]) settle() {
	for len(s.ready) < cap(s.ready) {
		<-s.full
	}
}

// close lets go of the stock. Nothing may be taken after it.
func (s *stock[T]) close() {
	close(s.done)
	<-s.ended
	for {
		select {
		case one := <-s.ready:
			s.drop(one)
		default:
			return
		}
	}
}
