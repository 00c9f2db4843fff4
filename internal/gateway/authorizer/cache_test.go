package authorizer

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paddock-run/paddock/internal/gateway/rest"
)

func TestCacheIsBounded(t *testing.T) {
	c := newCache[int]()
	popular := key{identity: "popular"}
	asked := 0
	get := func(k key) {
		_, _, f := c.get(t.Context(), k, func(context.Context) (loaded[int], *rest.Failure) {
			if k == popular {
				asked++
			}
			return loaded[int]{1, 10 << 10, time.Now().Add(time.Hour)}, nil
		})
		if f != nil {
			t.Fatal(f)
		}
	}
	for i := range 20_000 {
		get(key{identity: fmt.Sprint(i)})
		get(popular)
	}
	for i := range c.shards {
		s := &c.shards[i]
		if s.weight > shardWeight || len(s.entries) != len(s.ring) || len(s.entries) == 0 {
			t.Errorf("a shard holds %d bytes in %d entries and %d places", s.weight, len(s.entries), len(s.ring))
		}
	}
	if asked > 3 {
		t.Errorf("what is used all the time was dropped %d times", asked-1)
	}
	get(key{identity: strings.Repeat("x", shardWeight)}) // is not kept, and drops nothing
}

func TestCacheForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[int]()
		asked := 0
		get := func() int {
			v, _, f := c.get(t.Context(), key{identity: "a"}, func(context.Context) (loaded[int], *rest.Failure) {
				asked++
				return loaded[int]{asked, 1, time.Now().Add(time.Minute)}, nil
			})
			if f != nil {
				t.Fatal(f)
			}
			return v
		}
		for range 2 {
			if v := get(); v != 1 {
				t.Errorf("answer %d: nothing was kept", v)
			}
		}
		time.Sleep(time.Minute) // of synctest's clock
		for range 2 {
			if v := get(); v != 2 {
				t.Errorf("answer %d, want the second", v)
			}
		}
	})
}

// Who gives up waiting gets an answer at once; who asks does not lose its own
// with its caller.
func TestCallersThatGoAway(t *testing.T) {
	c := newCache[int]()
	begun, release := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan *rest.Failure)
	go func() {
		_, _, f := c.get(ctx, key{}, func(ctx context.Context) (loaded[int], *rest.Failure) {
			close(begun)
			<-release
			if ctx.Err() != nil {
				return loaded[int]{}, failed(rest.TypeAuthorizerFailure, "canceled")
			}
			return loaded[int]{7, 1, time.Now().Add(time.Hour)}, nil
		})
		done <- f
	}()
	<-begun
	cancel()
	if _, _, f := c.get(ctx, key{}, nil); f == nil {
		t.Error("a caller that had gone waited")
	}
	close(release)
	if f := <-done; f != nil {
		t.Error("the answer went with its caller:", f)
	}
	// A panic must leave nobody waiting.
	func() {
		defer func() { _ = recover() }()
		_, _, _ = c.get(t.Context(), key{stage: "p"}, func(context.Context) (loaded[int], *rest.Failure) { panic("x") })
	}()
	if v, _, f := c.get(t.Context(), key{stage: "p"}, func(context.Context) (loaded[int], *rest.Failure) {
		return loaded[int]{8, 1, time.Now().Add(time.Hour)}, nil
	}); f != nil || v != 8 {
		t.Error("after a panic:", v, f)
	}
}
