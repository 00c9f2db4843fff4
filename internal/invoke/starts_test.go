package invoke

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paddock-run/paddock/internal/function"
)

// startsWorld is starts with environments that are only numbers.
type startsWorld struct {
	*starts
	t       *testing.T
	order   chan string // what began or was refused
	evicted chan int64  // MB that were asked for
}

func newStartsWorld(t *testing.T, limit int64, slots int) *startsWorld {
	w := &startsWorld{starts: newStarts(limit, slots), t: t, order: make(chan string, 1000), evicted: make(chan int64, 1000)}
	w.evict = func(_ *start, mb int64) { w.evicted <- mb }
	return w
}

// ask asks for an environment, and says in order what comes of it.
func (w *startsWorld) ask(name string, of *concurrency, mb int64, wanted func() bool) *environment {
	if wanted == nil {
		wanted = func() bool { return true }
	}
	e := &environment{pool: &pool{concurrency: of}}
	go func() {
		err := w.wait(context.Background(), &start{e: e, of: of, mb: mb, wanted: wanted})
		var throttled *function.ErrThrottled
		switch {
		case errors.As(err, &throttled):
			name += " refused"
		case errors.Is(err, errUnwanted):
			name += " dropped"
		}
		w.order <- name
	}()
	synctest.Wait()
	return e
}

// began is what came about since it was last asked.
func (w *startsWorld) began() string {
	synctest.Wait()
	var all []string
	for len(w.order) > 0 {
		all = append(all, <-w.order)
	}
	slices.Sort(all) // the order of one moment means nothing
	return fmt.Sprint(all)
}

func (w *startsWorld) expect(want string) {
	w.t.Helper()
	if got := w.began(); got != want {
		w.t.Errorf("%s, want %s", got, want)
	}
}

// A function that asks for much does not keep another one from its turn.
func TestStartsInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newStartsWorld(t, 0, 1)
		a, b, c := &concurrency{}, &concurrency{}, &concurrency{}
		for n := range 3 {
			w.ask(fmt.Sprint("a", n), a, 1, nil)
		}
		w.ask("b0", b, 1, nil)
		w.ask("b1", b, 1, nil)
		w.ask("c0", c, 1, nil)
		var got []string
		for range 6 {
			got = append(got, w.began())
			w.done()
		}
		if fmt.Sprint(got) != "[[a0] [a1] [b0] [c0] [a2] [b1]]" && fmt.Sprint(got) != "[[a0] [b0] [c0] [a1] [b1] [a2]]" {
			t.Error(got)
		}
	})
}

func TestStartsWithinMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newStartsWorld(t, 1000, 10)
		a, b := &concurrency{}, &concurrency{}
		first := w.ask("a0", a, 600, nil)
		w.ask("never", a, 1001, nil)
		w.expect("[a0 never refused]")
		w.ask("a1", a, 500, nil)
		w.ask("b0", b, 300, nil) // smaller, and passes
		w.expect("[b0]")
		if mb := <-w.evicted; mb != 100 {
			t.Errorf("%d MB were to be evicted", mb)
		}
		// It is less than was thought.
		w.measured(first, 450)
		w.expect("[]")
		w.measured(first, 200)
		w.expect("[a1]")
		if w.used != 1000 || w.hungry.Load() {
			t.Errorf("%d MB are used", w.used)
		}
		// It is more: that much has to go.
		for len(w.evicted) > 0 {
			<-w.evicted
		}
		w.measured(first, 230)
		synctest.Wait()
		if mb := <-w.evicted; mb != 30 {
			t.Errorf("%d MB were to be evicted", mb)
		}
		w.free(first)
		w.free(first)
		w.measured(first, 500)
		if w.used != 800 {
			t.Errorf("%d MB are used", w.used)
		}
	})
}

// Nobody waits without end, and who is refused leaves nothing behind.
func TestStartsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newStartsWorld(t, 1000, 10)
		a, b := &concurrency{}, &concurrency{}
		full := w.ask("full", a, 1000, nil)
		for n := range 3 {
			w.ask(fmt.Sprint("b", n), b, 100, nil)
		}
		w.expect("[full]")
		time.Sleep(placeWait - time.Second)
		w.expect("[]")
		w.ask("late", b, 100, nil)
		time.Sleep(2 * time.Second)
		if got := w.began(); len(got) != len("[b0 refused b1 refused b2 refused]") {
			t.Error(got)
		}
		time.Sleep(placeWait)
		w.expect("[late refused]")
		w.free(full)
		if w.used != 0 || len(w.turns) != 0 {
			t.Errorf("%d MB are used, %d functions wait", w.used, len(w.turns))
		}
		w.ask("unwanted", b, 500, nil)
		w.ask("again", b, 600, func() bool { return false })
		w.expect("[again dropped unwanted]")
	})
}

// What ends for a start is kept for it, whoever else comes.
func TestStartsKeepWhatIsFreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newStartsWorld(t, 1000, 10)
		a, b, c := &concurrency{}, &concurrency{}, &concurrency{}
		one, two := w.ask("one", a, 500, nil), w.ask("two", a, 500, nil)
		w.ask("big", b, 800, nil)
		w.expect("[one two]")
		if w.starving.Load() != nil {
			t.Error("it is not patient")
		}
		time.Sleep(patience + again)
		synctest.Wait()
		if w.yields(b) != nil || w.yields(c) != nil {
			t.Error("who has no more is to yield")
		}
		st := w.yields(a)
		if st == nil || st.of != b {
			t.Fatal("nobody notices that it has waited for long")
		}
		if w.yields(a) != nil {
			t.Error("two are to yield at once")
		}
		if mb := w.promise(one, st); mb != 500 {
			t.Errorf("%d MB are promised", mb)
		}
		w.free(one)
		w.ask("small", c, 100, nil)
		w.expect("[]")
		time.Sleep(again)
		w.promise(two, st)
		w.free(two)
		w.expect("[big small]")
		if w.used != 900 {
			t.Errorf("%d MB are used", w.used)
		}
		// What is promised to one that is not there any more is everyone's.
		three := w.ask("three", a, 100, nil)
		w.promise(three, st)
		w.free(three)
		w.expect("[three]")
		if w.used != 900 {
			t.Errorf("%d MB are used", w.used)
		}
	})
}

func TestStartsEndWithLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStarts(0, 1)
		life, end := context.WithCancel(context.Background())
		got := make(chan error, 3)
		c := &concurrency{}
		for range 3 {
			go func() { got <- s.wait(life, &start{e: &environment{}, of: c, mb: 1}) }()
		}
		synctest.Wait()
		end()
		synctest.Wait()
		refused := 0
		for range 3 {
			if errors.Is(<-got, function.ErrShuttingDown) {
				refused++
			}
		}
		if refused != 2 || len(s.turns) != 0 {
			t.Errorf("%d refused, %d wait", refused, len(s.turns))
		}
	})
}

func TestScaling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s scaling
		take := func() (n int) {
			for s.take(scaleBurst) {
				n++
			}
			return n
		}
		if n := take(); n != 1000 {
			t.Errorf("%d at once", n)
		}
		time.Sleep(time.Second)
		if n := take(); n != 100 {
			t.Errorf("%d after a second", n)
		}
		s.giveBack()
		if n := take(); n != 1 {
			t.Errorf("%d of one given back", n)
		}
		time.Sleep(time.Hour)
		if n := take(); n != 1000 {
			t.Errorf("%d after an hour", n)
		}
	})
}
