//go:build linux && (amd64 || arm64)

package linux

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestStockGrowsAndShrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made, dropped atomic.Int64
		s := newStock("a number", sizes{2, 8}, func() (int64, error) { return made.Add(1), nil }, func(int64) { dropped.Add(1) })
		ready := func(want int) {
			t.Helper()
			synctest.Wait()
			time.Sleep(2 * refillPause)
			synctest.Wait()
			if len(s.ready) != want {
				t.Errorf("%d are ready, want %d", len(s.ready), want)
			}
		}
		seen := map[int64]bool{}
		take := func(n int) {
			t.Helper()
			for range n {
				one, err := s.take()
				if err != nil || seen[one] {
					t.Errorf("%d, %v", one, err)
				}
				seen[one] = true
			}
		}
		ready(2)
		take(2)
		ready(2) // enough is enough
		take(3)
		ready(4)
		for range 4 {
			take(len(s.ready) + 1)
			ready(min(8, cap(s.ready)))
			if len(s.ready) == 8 {
				break
			}
		}
		ready(8)
		time.Sleep(2 * stockRest)
		ready(2)
		if dropped.Load() != 6 {
			t.Errorf("%d were dropped, want 6", dropped.Load())
		}
		s.close()
		if int(made.Load()) != len(seen)+int(dropped.Load()) {
			t.Errorf("%d were made, %d taken, %d dropped", made.Load(), len(seen), dropped.Load())
		}
	})
}

func TestStockReportsFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("not today")
		s := newStock("a failure", sizes{2, 2}, func() (int, error) { return 0, cause }, func(int) { t.Error("dropped what was never made") })
		synctest.Wait()
		if _, err := s.take(); !errors.Is(err, cause) {
			t.Errorf("%v", err)
		}
		s.close()
	})
}
