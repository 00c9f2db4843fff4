package invoke

import (
	"context"
	"sync"
)

// living is the environments that there are.
type living struct {
	mu    sync.Mutex
	set   map[*environment]struct{}
	empty chan struct{} // closed when set is empty; nil while nobody waits
}

func (l *living) add(e *environment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.set == nil {
		l.set = make(map[*environment]struct{})
	}
	l.set[e] = struct{}{}
}

func (l *living) remove(e *environment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.set, e)
	if len(l.set) == 0 && l.empty != nil {
		close(l.empty)
		l.empty = nil
	}
}

func (l *living) each(f func(*environment)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := range l.set {
		f(e)
	}
}

// wait waits until there are none.
func (l *living) wait(ctx context.Context) error {
	l.mu.Lock()
	if len(l.set) == 0 {
		l.mu.Unlock()
		return nil
	}
	if l.empty == nil {
		l.empty = make(chan struct{})
	}
	empty := l.empty
	l.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
