//go:build linux && (amd64 || arm64)

package linux

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// refillPause is how long nobody must have taken anything from a stock before it
// is refilled, unless half is gone: the processors are for what is starting.
const refillPause = 10 * time.Millisecond

// stockRest is how long a stock that has grown is not used before it shrinks.
const stockRest = 5 * time.Minute

// sizes are how many a stock keeps ready: least, until that many were not enough;
// then twice as many, and at most most.
type sizes struct{ least, most int }

// among are sizes where opts do not say how many.
func (s sizes) among(opts Options) sizes {
	if opts.Spare > 0 {
		return sizes{opts.Spare, opts.Spare}
	}
	return s
}

// stock keeps things ready that environments need, or are, and that take the
// kernel milliseconds to make. None is used twice.
type stock[T any] struct {
	name  string // for the log: "a network"
	make  func() (T, error)
	drop  func(T) // frees one that nobody took
	least int
	want  atomic.Int64 // how many are to be ready now
	ready chan T
	used  chan struct{} // wakes fill
	full  chan struct{} // tells settle that fill has nothing to do
	done  chan struct{}
	ended chan struct{}
}

// newStock keeps some ready, from soon on.
func newStock[T any](name string, size sizes, newOne func() (T, error), drop func(T)) *stock[T] {
	s := &stock[T]{
		name: name, make: newOne, drop: drop,
		least: size.least,
		ready: make(chan T, size.most),
		used:  make(chan struct{}, 1),
		full:  make(chan struct{}),
		done:  make(chan struct{}),
		ended: make(chan struct{}),
	}
	s.want.Store(int64(size.least))
	go s.fill()
	return s
}

// take returns one that is ready, or else a new one. It belongs to the caller.
func (s *stock[T]) take() (T, error) {
	select {
	case one := <-s.ready:
		s.wake()
		return one, nil
	default:
		want := s.want.Load()
		s.want.CompareAndSwap(want, min(2*want, int64(cap(s.ready)))) // once for all who come at once
		s.wake()
		return s.make()
	}
}

func (s *stock[T]) wake() {
	select {
	case s.used <- struct{}{}:
	default:
	}
}

// lacking is how many are to be made.
func (s *stock[T]) lacking() int { return int(s.want.Load()) - len(s.ready) }

// fill keeps the stock full, and makes it small again after a rest. After a failure it waits for the next use: take
// then meets the same failure and reports it.
func (s *stock[T]) fill() {
	defer close(s.ended)
	rest := time.NewTimer(stockRest)
	defer rest.Stop()
	for {
		for s.lacking() > 0 {
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
		rest.Reset(stockRest)
		select {
		case <-s.used:
			s.pause()
		case s.full <- struct{}{}:
		case <-rest.C:
			s.shrink()
		case <-s.done:
			return
		}
	}
}

// shrink drops what is more than the least. Only fill adds to the stock.
func (s *stock[T]) shrink() {
	s.want.Store(int64(s.least))
	for s.lacking() < 0 {
		select {
		case one := <-s.ready:
			s.drop(one)
		default:
			return
		}
	}
}

// pause waits until it is time to refill.
func (s *stock[T]) pause() {
	timer := time.NewTimer(refillPause)
	defer timer.Stop()
	for 2*len(s.ready) > int(s.want.Load()) {
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
	for s.lacking() > 0 {
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
