package invoke

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paddock-run/paddock/internal/function"
)

const (
	// placeWait is how long a start waits for memory before it is refused.
	placeWait = 10 * time.Second
	// patience is how long it waits before another function gives up an
	// environment that it has work for.
	patience = 500 * time.Millisecond
	// again is how often to look for memory while some is lacking.
	again = 100 * time.Millisecond
)

// errUnwanted: what an environment was to be started for has been served.
var errUnwanted = errors.New("not wanted any more")

// starts decides which environments begin, and when: a few at a time, within the
// memory that the machine has for them, the functions in turn.
//
// The memory of an environment is what it was seen to use, not its limit, or
// half of the limits would stand empty: before the first of a version has run,
// it is taken for unmeasured, later for a quarter more than the most that one
// used. Where memory is lacking, idle environments end, the one that was used
// longest ago first, whatever function it is of. Where that is not enough, a
// start waits, other functions' smaller ones pass it, and what becomes free for
// it is kept for it. One that has waited for patience gets environments of
// functions that have more memory than its own, when they have served their
// request, even if there are more. After placeWait it is refused.
type starts struct {
	limit int64 // MB; 0: none
	// evict ends idle environments of at least that many MB, where there are as
	// many, and promises them to st.
	evict func(st *start, mb int64)

	most int // how many may initialize at a time

	mu    sync.Mutex
	slots int            // how many more may begin now
	used  int64          // MB, of all environments until they are gone, and what is kept for starts
	turns []*concurrency // the functions whose starts wait; who is next at the start
	timer *time.Timer

	hungry   atomic.Bool              // some start lacks memory
	starving atomic.Pointer[[]*start] // those that have waited for patience, one a function; nil: none
}

// start is an environment that is to begin.
type start struct {
	e      *environment
	of     *concurrency
	mb     int64
	wanted func() bool
	result chan error

	// Guarded by starts:
	short   time.Time // since when it lacks memory; zero: it does not
	got     int64     // MB that are kept for it
	coming  int64     // MB of environments that end for it
	looking bool      // evict is at work for it
	over    bool      // result has its answer

	given atomic.Bool // an environment ends for it that had work
}

func newStarts(limit int64, slots int) *starts {
	s := &starts{limit: limit, most: slots, slots: slots}
	s.timer = stoppedTimer(s.look)
	return s
}

// wait returns when the environment may begin: done must follow, and free when
// it has ended. The error is an ErrThrottled, errUnwanted, or that life is over.
func (s *starts) wait(life context.Context, st *start) error {
	st.result = make(chan error, 1)
	s.mu.Lock()
	if s.limit > 0 && st.mb > s.limit {
		s.mu.Unlock()
		return noRoom()
	}
	if n := len(st.of.queue); n == 0 {
		s.turns = append(s.turns, st.of)
	} else if !st.of.queue[n-1].short.IsZero() {
		st.short = time.Now()
	}
	st.of.queue = append(st.of.queue, st)
	s.dispatch()
	s.mu.Unlock()
	select {
	case err := <-st.result:
		return err
	case <-life.Done():
	}
	s.mu.Lock()
	if !st.over {
		s.refuse(st, function.ErrShuttingDown)
	}
	s.mu.Unlock()
	err := <-st.result
	if err == nil { // at the same moment
		s.done()
		err = function.ErrShuttingDown
	}
	return err
}

func noRoom() error {
	return &function.ErrThrottled{Reason: reasonAccount, Detail: "This Paddock has not enough memory for another execution environment now."}
}

// done lets the next environment begin.
func (s *starts) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slots++
	s.dispatch()
}

// quiet tells whether nothing initializes or waits to.
func (s *starts) quiet() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.slots >= s.most && len(s.turns) == 0
}

// reserve takes memory for what is no environment yet, where there is some that
// nobody waits for; release gives it back.
func (s *starts) reserve(mb int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limit == 0 {
		return true
	}
	if len(s.turns) > 0 || s.used+mb > s.limit {
		return false
	}
	s.used += mb
	return true
}

// release gives back what reserve took.
func (s *starts) release(mb int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limit == 0 || mb == 0 {
		return
	}
	s.used -= mb
	s.dispatch()
}

// look is dispatch for those who do not hold the lock.
func (s *starts) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dispatch()
}

// dispatch begins what can begin; the lock is held.
func (s *starts) dispatch() {
	if len(s.turns) == 0 {
		s.hungry.Store(false)
		s.starving.Store(nil)
		return
	}
	now := time.Now()
	s.expire(now)
	hungry := false
	var starving []*start
	for i := 0; i < len(s.turns) && s.slots > 0; {
		c := s.turns[i]
		st := c.queue[0]
		missing := s.used + st.mb - st.got - s.limit
		if s.limit == 0 || missing <= 0 {
			s.begin(st)
			if len(c.queue) > 0 { // its turn comes again after the others'
				s.turns = append(slices.Delete(s.turns, i, i+1), c)
			}
			continue
		}
		i++
		hungry = true
		for n := len(c.queue) - 1; n >= 0 && c.queue[n].short.IsZero(); n-- {
			c.queue[n].short = now
		}
		if missing > st.coming && now.Sub(st.short) >= patience {
			starving = append(starving, st)
		}
		if !st.looking && missing > st.coming {
			st.looking = true
			go s.find(st, missing-st.coming)
		}
	}
	if s.slots == 0 { // what lacked memory is not known to have it now
		hungry = hungry || s.hungry.Load()
	} else if len(starving) > 0 {
		s.starving.Store(&starving)
	} else {
		s.starving.Store(nil)
	}
	s.hungry.Store(hungry)
	if hungry {
		s.timer.Reset(again)
	}
}

// expire refuses what has lacked memory for too long; the lock is held.
func (s *starts) expire(now time.Time) {
	var late []*start
	for _, c := range s.turns {
		for _, st := range c.queue {
			if st.short.IsZero() || now.Sub(st.short) < placeWait {
				break // those behind it came later
			}
			late = append(late, st)
		}
	}
	for _, st := range late {
		s.refuse(st, noRoom())
	}
}

// find ends idle environments for a start, if it is still wanted.
func (s *starts) find(st *start, mb int64) {
	wanted := st.wanted()
	if wanted {
		s.evict(st, mb)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.looking = false
	if !wanted && !st.over {
		s.refuse(st, errUnwanted)
		s.dispatch()
	}
}

// begin is called with the lock held.
func (s *starts) begin(st *start) {
	s.slots--
	if s.limit > 0 {
		s.used += st.mb - st.got
		st.e.mb = st.mb
		st.of.memory.Add(st.mb)
	}
	s.leave(st)
	st.result <- nil
}

// refuse is called with the lock held.
func (s *starts) refuse(st *start, err error) {
	s.used -= st.got
	s.leave(st)
	st.result <- err
}

func (s *starts) leave(st *start) {
	st.over = true
	c := st.of
	if i := slices.Index(c.queue, st); i >= 0 {
		c.queue = slices.Delete(c.queue, i, i+1)
	}
	if len(c.queue) == 0 {
		if i := slices.Index(s.turns, c); i >= 0 {
			s.turns = slices.Delete(s.turns, i, i+1)
		}
	}
}

// promise keeps what an environment that is about to end has for a start (nil:
// for whoever comes).
func (s *starts) promise(e *environment, st *start) (mb int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st != nil && !st.over && e.mb > 0 {
		e.room = st
		st.coming += e.mb
	}
	if st != nil {
		st.given.Store(false)
	}
	return e.mb
}

// yields returns the start of another function that an environment of c is to
// make room for though there may be work for it; nil: none. promise must follow.
func (s *starts) yields(c *concurrency) *start {
	starving := s.starving.Load()
	if starving == nil {
		return nil
	}
	for _, st := range *starving {
		if c.memory.Load() > st.of.memory.Load() && st.given.CompareAndSwap(false, true) {
			return st
		}
	}
	return nil
}

// free takes back what an environment that is gone had.
func (s *starts) free(e *environment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limit == 0 {
		return
	}
	if e.mb == 0 {
		return
	}
	s.used -= e.mb
	e.pool.concurrency.memory.Add(-e.mb)
	if st := e.room; st != nil {
		st.coming -= e.mb
		if !st.over {
			keep := min(e.mb, st.mb-st.got)
			st.got += keep
			s.used += keep
		}
	}
	e.mb, e.room = 0, nil
	s.dispatch()
}

// measured says what an environment really uses, in MB.
func (s *starts) measured(e *environment, mb int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limit == 0 {
		return
	}
	if e.mb == 0 { // it is gone
		return
	}
	if e.room != nil {
		e.room.coming += mb - e.mb
	}
	s.used += mb - e.mb
	e.pool.concurrency.memory.Add(mb - e.mb)
	e.mb = mb
	if over := s.used - s.limit; over > 0 {
		go s.evict(nil, over)
		return
	}
	s.dispatch()
}

// evict ends zygotes and idle environments of any function, those that were used
// longest ago first, until they had that many MB.
func (i *Invoker) evict(st *start, mb int64) {
	for mb > 0 {
		if freed := i.zygotes.giveUp(); freed > 0 { // they are of no function: they go first
			mb -= freed
			continue
		}
		e := i.oldestIdle()
		if e == nil {
			return
		}
		if e.pool.take(e) {
			mb -= i.starts.promise(e, st)
			go e.shutdown()
		}
	}
}

// oldestIdle is the idle environment that was used longest ago, nil where there
// is none. Those of provisioned concurrency stay.
func (i *Invoker) oldestIdle() (oldest *environment) {
	var since time.Time
	i.pools.Range(func(_, found any) bool {
		p := found.(*lineage).current.Load()
		if p == nil {
			return true
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.idle) > 0 && (oldest == nil || p.idle[0].lastUsed.Before(since)) {
			oldest, since = p.idle[0], p.idle[0].lastUsed
		}
		return true
	})
	return oldest
}

// forget takes an environment that is gone off the books.
func (i *Invoker) forget(e *environment) {
	i.starts.free(e)
	i.living.remove(e)
}
