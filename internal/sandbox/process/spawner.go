package process

import (
	"runtime"
	"sync"
)

// spawner starts all of a driver's processes from one operating system thread
// that lives as long as the driver: the kernel delivers the parent-death signal
// when the thread that forked ends, not when its process does.
type spawner struct {
	jobs chan func()
	once sync.Once
}

func newSpawner() *spawner {
	s := &spawner{jobs: make(chan func())}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		for job := range s.jobs {
			job()
		}
	}()
	return s
}

// do runs f on the thread and returns when it has.
func (s *spawner) do(f func()) {
	done := make(chan struct{})
	s.jobs <- func() {
		defer close(done)
		f()
	}
	<-done
}

// stop ends the thread. No process may be left, and no do may follow.
func (s *spawner) stop() { s.once.Do(func() { close(s.jobs) }) }
