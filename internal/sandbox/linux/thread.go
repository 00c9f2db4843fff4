//go:build linux && (amd64 || arm64)

package linux

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// onOwnThread runs f in a goroutine on a thread that nothing else has used or
// will use, since f changes what it sees and may do. The thread ends with f. The
// process's first thread is not taken: it never ends, and it is what /proc/self
// shows.
func onOwnThread(f func()) {
	go func() {
		runtime.LockOSThread() // never unlocked: that makes the thread end
		if unix.Gettid() != unix.Getpid() {
			f()
			return
		}
		// While this goroutine holds the first thread, another gets another.
		locked := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(locked)
			f()
		}()
		<-locked
		runtime.UnlockOSThread()
	}()
}

// thread is the operating system thread that an environment is built on: its
// namespaces are those that processes started from it get. It must outlive them,
// because the parent-death signal of process 1 follows the thread's death, not
// the daemon's.
type thread struct{ jobs chan func() }

func newThread() *thread {
	t := &thread{jobs: make(chan func())}
	onOwnThread(func() {
		for job := range t.jobs {
			job()
		}
	})
	return t
}

// do runs f on the thread and returns its error.
func (t *thread) do(f func() error) error {
	done := make(chan error)
	t.jobs <- func() { done <- f() }
	return <-done
}

// end lets the thread end. No do may follow.
func (t *thread) end() { close(t.jobs) }
