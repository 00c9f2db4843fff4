package invoke

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/runtimes"
	"github.com/paddock-run/paddock/internal/sandbox"
)

// A zygote is an environment in which the interpreter and bootstrap of a managed
// runtime have started, but which belongs to no function. A cold start takes one,
// gives it its function, and so has only the function's own code left to load. It
// is never used for a second function.
//
// How many of a kind (runtimes.Runtime.Kind) are kept follows demand: twice as
// many each time a start finds the last one taken, half as many each time that
// zygoteCalm went by without; none once no function of the kind has started for
// the time that idle environments are kept. Together they are bounded, and where
// memory is short they are the first to go.

const (
	// zygoteStart is how long a zygote may take to start.
	zygoteStart = 10 * time.Second
	// zygoteCalm is the time without a shortage after which fewer are kept.
	zygoteCalm = time.Minute
	// zygoteMB is what a zygote is taken to use, in MB, before one was measured.
	zygoteMB = 32
	// A zygote starts when no environment initializes: it is not to take the
	// processor from those. But it does not wait for longer than zygotePatience,
	// looking again every zygotePause.
	zygotePatience = 500 * time.Millisecond
	zygotePause    = 5 * time.Millisecond
	// After one that failed the next is tried later: doubling, within these.
	zygoteFirstRetry = time.Second
	zygoteLastRetry  = 5 * time.Minute
)

type zygote struct {
	shell
	program *program
	kind    *zygoteKind
	mb      int64         // reserved of the machine's memory
	left    chan struct{} // closed when it is no longer one of those that are ready
}

// zygoteKind is the zygotes that are alike.
type zygoteKind struct {
	rt *runtimes.Runtime
	v  *function.Version // one that they can become, for its runtime and memory

	// Guarded by zygotes:
	ready    []*zygote
	starting int
	want     int
	mb       int64 // what one uses
	used     time.Time
	short    time.Time // when the last one was taken, or there was none
	backoff  time.Duration
	retry    time.Time
}

type zygotes struct {
	inv  *Invoker
	most int
	idle time.Duration

	mu     sync.Mutex
	kinds  map[string]*zygoteKind
	timer  *time.Timer // for retries, and to keep fewer
	runs   bool        // a goroutine starts zygotes
	closed bool
	made   atomic.Int64   // so far
	taken  atomic.Int64   // of them
	work   sync.WaitGroup // what starts and ends zygotes
}

func newZygotes(i *Invoker, most int, idle time.Duration) *zygotes {
	z := &zygotes{inv: i, most: most, idle: idle, kinds: make(map[string]*zygoteKind)}
	z.timer = stoppedTimer(z.tend)
	return z
}

// take takes a zygote for an environment and gives it its function. Nil: there is
// none, or the function needs a program of its own.
func (z *zygotes) take(ctx context.Context, rt *runtimes.Runtime, e *environment) *zygote {
	if z.most == 0 {
		return nil
	}
	name := rt.Kind(e.v)
	if name == "" {
		return nil
	}
	for {
		zy := z.pop(name, rt, e.v)
		if zy == nil {
			return nil
		}
		z.inv.starts.release(zy.mb)
		select {
		case <-zy.program.proc.Done(): // just now
			z.end(zy)
			continue
		default:
		}
		if err := zy.box.Attach(ctx, e.spec(rt)); err == nil {
			z.taken.Add(1)
			return zy
		} else if !errors.Is(err, sandbox.ErrDestroyed) && ctx.Err() == nil {
			z.inv.log.Error("give a zygote its function", "environment", e.id, "function", e.v.ARN, "error", err)
		}
		z.end(zy)
	}
}

// pop takes one that is ready, and sees to it that there are more.
//
// A function with shared libraries of its own is started plainly: the dynamic
// linker of a program that runs already has found that the folders it looks
// into are not there.
func (z *zygotes) pop(name string, rt *runtimes.Runtime, v *function.Version) *zygote {
	libraries := z.hasLibraries(v)
	z.mu.Lock()
	defer z.mu.Unlock()
	k := z.demand(name, rt, v)
	if k == nil {
		return nil
	}
	var zy *zygote
	if len(k.ready) > 0 && !libraries {
		zy = k.shift()
		k.backoff = 0
	}
	if len(k.ready) == 0 {
		k.short = k.used
		k.want = min(max(2*k.want, 1), z.most)
	}
	z.wake()
	return zy
}

// shift takes the one that has been ready for longest; zygotes' lock is held.
func (k *zygoteKind) shift() *zygote {
	zy := k.ready[0]
	k.ready = slices.Delete(k.ready, 0, 1)
	close(zy.left)
	return zy
}

func (z *zygotes) hasLibraries(v *function.Version) bool {
	has, err := runtimes.Libraries(v)
	if err != nil {
		z.inv.log.Warn("look for shared libraries", "function", v.ARN, "error", err)
	}
	return has || err != nil
}

// Expect says that functions like v are likely to start soon.
func (i *Invoker) Expect(v *function.Version) {
	rt, err := i.runtime(v)
	if err != nil || i.zygotes.most == 0 {
		return // whoever invokes it is told
	}
	name := rt.Kind(v)
	if name == "" {
		return
	}
	z := i.zygotes
	z.mu.Lock()
	defer z.mu.Unlock()
	if k := z.demand(name, rt, v); k != nil {
		k.want = max(k.want, 1)
		z.wake()
	}
}

// demand notes that a kind is wanted; the lock is held. Nil after close.
func (z *zygotes) demand(name string, rt *runtimes.Runtime, v *function.Version) *zygoteKind {
	if z.closed {
		return nil
	}
	k := z.kinds[name]
	if k == nil {
		k = &zygoteKind{rt: rt, v: v, mb: zygoteMB, short: time.Now()}
		z.kinds[name] = k
	}
	k.used = time.Now()
	return k
}

// wake starts what is missing; the lock is held.
func (z *zygotes) wake() {
	if !z.runs && !z.closed {
		z.runs = true
		z.work.Go(z.fill)
	}
}

// fill starts one zygote after another until there are as many as are wanted.
func (z *zygotes) fill() {
	for {
		z.await()
		k, surplus := z.next()
		if surplus != nil {
			z.end(surplus)
		}
		if k == nil {
			return
		}
		z.start(k)
	}
}

// await waits until nothing initializes, but not for long.
func (z *zygotes) await() {
	ticker := time.NewTicker(zygotePause)
	defer ticker.Stop()
	for began := time.Now(); !z.inv.starts.quiet() && time.Since(began) < zygotePatience; {
		select {
		case <-ticker.C:
		case <-z.inv.life.Done():
			return
		}
	}
}

// next is the kind that one is to be started of: of those that lack some, the one
// with the fewest. Where there are as many as there may be, it makes room with one
// of a kind that has had no demand for longer. Nil: none, and fill ends.
func (z *zygotes) next() (k *zygoteKind, surplus *zygote) {
	z.mu.Lock()
	defer z.mu.Unlock()
	now := time.Now()
	total, soon := 0, time.Duration(0)
	for _, c := range z.kinds {
		have := len(c.ready) + c.starting
		total += have
		if have >= c.want {
			continue
		}
		if wait := c.retry.Sub(now); wait > 0 {
			if soon == 0 || wait < soon {
				soon = wait
			}
			continue
		}
		if k == nil || have < len(k.ready)+k.starting {
			k = c
		}
	}
	if k != nil && total >= z.most {
		if surplus = z.room(k); surplus == nil {
			k = nil
		}
	}
	if k != nil && !z.inv.starts.reserve(k.mb) {
		k = nil // there is no memory for it now: tend tries again
	}
	if k == nil || z.closed {
		z.runs = false
		if !z.closed && len(z.kinds) > 0 {
			if soon == 0 || soon > zygoteCalm {
				soon = zygoteCalm
			}
			z.timer.Reset(soon)
		}
		return nil, surplus
	}
	k.starting++
	return k, surplus
}

// room takes one of the kind that has had no demand for longest, if that is longer
// than k; the lock is held.
func (z *zygotes) room(k *zygoteKind) *zygote {
	var oldest *zygoteKind
	for _, c := range z.kinds {
		if c != k && len(c.ready) > 0 && c.used.Before(k.used) && (oldest == nil || c.used.Before(oldest.used)) {
			oldest = c
		}
	}
	if oldest == nil {
		return nil
	}
	oldest.want = len(oldest.ready) - 1
	zy := oldest.shift()
	z.inv.starts.release(zy.mb)
	return zy
}

// start starts a zygote.
func (z *zygotes) start(k *zygoteKind) {
	zy, err := z.make(k)
	z.mu.Lock()
	k.starting--
	if err != nil || z.closed {
		if err != nil && !z.closed {
			z.failed(k, err)
		}
		z.mu.Unlock()
		z.inv.starts.release(k.mb)
		if zy != nil {
			z.end(zy)
		}
		return
	}
	if zy.mb != k.mb && z.inv.starts.reserve(zy.mb-k.mb) {
		k.mb = zy.mb
	}
	zy.mb = k.mb
	k.ready = append(k.ready, zy)
	z.made.Add(1)
	z.work.Go(func() { z.watch(zy) })
	z.mu.Unlock()
}

// failed puts the next try off; the lock is held.
func (z *zygotes) failed(k *zygoteKind, err error) {
	k.backoff = min(max(2*k.backoff, zygoteFirstRetry), zygoteLastRetry)
	k.retry = time.Now().Add(k.backoff)
	z.inv.log.Warn("a zygote cannot be had", "runtime", k.rt.ID, "interpreter", k.rt.Interpreter.Path, "error", err)
}

// make makes a zygote that is ready. Its caller ends it if there is one.
func (z *zygotes) make(k *zygoteKind) (zy *zygote, err error) {
	ctx := z.inv.life
	zy = &zygote{kind: k, left: make(chan struct{})}
	zy.shell, err = z.inv.newShell(ctx, &sandbox.Spec{ID: randomHex(16), Lang: k.rt.Lang, Bootstrap: k.rt.Bootstrap})
	if err != nil {
		return nil, err
	}
	layout := zy.box.Layout()
	cmd := k.rt.Ahead(layout, k.v)
	if zy.program, err = startProgram(ctx, zy.box, cmd, cmd.Env, "/"); err != nil {
		return zy, err
	}
	stop := context.AfterFunc(ctx, zy.program.link.Close)
	err = zy.program.link.Started(zygoteStart)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return zy, err
	}
	usage, err := zy.box.Usage()
	if err != nil {
		return zy, err
	}
	zy.mb = max((usage.MaxMemoryBytes+1<<20-1)>>20, 1)
	if usage.MaxMemoryBytes == 0 { // the driver cannot tell
		zy.mb = zygoteMB
	}
	return zy, nil
}

// watch waits for a zygote to end by itself, which it should not.
func (z *zygotes) watch(zy *zygote) {
	select {
	case <-zy.program.proc.Done():
	case <-zy.left:
		return
	}
	z.mu.Lock()
	i := slices.Index(zy.kind.ready, zy)
	if i < 0 { // at the same moment
		z.mu.Unlock()
		return
	}
	zy.kind.ready = slices.Delete(zy.kind.ready, i, i+1)
	z.failed(zy.kind, errors.New(exited(zy.program.proc.Exit()).message))
	z.wake()
	z.mu.Unlock()
	z.inv.starts.release(zy.mb)
	z.end(zy)
}

// end destroys a zygote that nobody has taken, or could use.
func (z *zygotes) end(zy *zygote) {
	if zy.program != nil {
		zy.program.close()
	}
	if err := zy.box.Destroy(); err != nil {
		z.inv.log.Error("destroy a zygote", "runtime", zy.kind.rt.ID, "error", err)
	}
}

// giveUp ends one zygote, of the kind that was wanted longest ago, and returns
// what it had of the machine's memory, in MB; 0: there is none.
func (z *zygotes) giveUp() (mb int64) {
	z.mu.Lock()
	var from *zygoteKind
	for _, k := range z.kinds {
		if len(k.ready) > 0 && (from == nil || k.used.Before(from.used)) {
			from = k
		}
	}
	if from == nil {
		z.mu.Unlock()
		return 0
	}
	zy := from.shift()
	from.want = len(from.ready)
	z.mu.Unlock()
	z.end(zy)
	z.inv.starts.release(zy.mb)
	return zy.mb
}

// tend keeps fewer of what is less wanted, and tries again what has failed.
func (z *zygotes) tend() {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.closed {
		return
	}
	now := time.Now()
	var surplus []*zygote
	for name, k := range z.kinds {
		switch {
		case now.Sub(k.used) >= z.idle:
			k.want = 0
		case now.Sub(k.short) >= zygoteCalm:
			k.short = now
			k.want = max(k.want/2, 1)
		}
		for len(k.ready) > 0 && len(k.ready)+k.starting > k.want {
			surplus = append(surplus, k.shift())
		}
		if k.want == 0 && len(k.ready)+k.starting == 0 {
			delete(z.kinds, name)
		}
	}
	z.wake() // which sets the timer
	for _, zy := range surplus {
		z.work.Go(func() {
			z.inv.starts.release(zy.mb)
			z.end(zy)
		})
	}
}

// close ends all, and waits until they have ended. The Invoker's life must be
// over.
func (z *zygotes) close() {
	z.mu.Lock()
	z.closed = true
	z.timer.Stop()
	var all []*zygote
	for _, k := range z.kinds {
		for len(k.ready) > 0 {
			all = append(all, k.shift())
		}
	}
	z.mu.Unlock()
	for _, zy := range all {
		z.inv.starts.release(zy.mb)
		z.end(zy)
	}
	z.work.Wait()
}
