package journal

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

// concurrently calls do from so many goroutines, b.N times in all.
func concurrently(b *testing.B, clients int, do func(i int64) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range clients {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := do(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

func fill(b *testing.B, m *Journal, queue string, ordered bool, n int) {
	b.Helper()
	for sent := 0; sent < n; sent += 1000 {
		batch := make([]store.NewMessage, min(1000, n-sent))
		for i := range batch {
			batch[i] = benchMessage(int64(sent + i))
		}
		if _, err := m.Send(b.Context(), queue, ordered, batch); err != nil {
			b.Fatal(err)
		}
	}
}

var benchBody = strings.Repeat("0123456789abcdef", 16)

func benchMessage(i int64) store.NewMessage {
	return store.NewMessage{Body: benchBody, Group: fmt.Sprint(i % 1000)}
}

// BenchmarkMessages has messages of 256 bytes, one to a call, durable.
func BenchmarkMessages(b *testing.B) {
	for _, ordered := range []bool{false, true} {
		for _, clients := range []int{1, 16} {
			name := func(op string) string { return fmt.Sprintf("%s/ordered=%t/clients=%d", op, ordered, clients) }
			lease := store.LeaseRequest{Queue: "q", Ordered: ordered, Max: 1, Visibility: time.Hour}
			b.Run(name("send"), func(b *testing.B) {
				m := open(b, b.TempDir(), Options{})
				concurrently(b, clients, func(i int64) error {
					_, err := m.Send(b.Context(), "q", ordered, []store.NewMessage{benchMessage(i)})
					return err
				})
			})
			b.Run(name("lease"), func(b *testing.B) {
				m := open(b, b.TempDir(), Options{})
				for i := range (b.N + 999) / 1000 { // groups have one message each: none is locked
					batch := make([]store.NewMessage, 1000)
					for j := range batch {
						batch[j] = store.NewMessage{Body: benchBody, Group: fmt.Sprint(i, j)}
					}
					if _, err := m.Send(b.Context(), "q", ordered, batch); err != nil {
						b.Fatal(err)
					}
				}
				concurrently(b, clients, func(int64) error {
					got, err := m.Lease(b.Context(), lease)
					if err == nil && len(got) != 1 {
						err = fmt.Errorf("leased %d", len(got))
					}
					return err
				})
			})
			b.Run(name("roundtrip"), func(b *testing.B) {
				m := open(b, b.TempDir(), Options{})
				concurrently(b, clients, func(i int64) error {
					return roundTrip(b, m, lease, store.NewMessage{Body: benchBody, Group: fmt.Sprint(i)})
				})
			})
		}
	}
}

func roundTrip(b *testing.B, m *Journal, lease store.LeaseRequest, msg store.NewMessage) error {
	if _, err := m.Send(b.Context(), lease.Queue, lease.Ordered, []store.NewMessage{msg}); err != nil {
		return err
	}
	got, err := m.Lease(b.Context(), lease)
	if err != nil {
		return err
	}
	for _, g := range got {
		if errs, err := m.Delete(b.Context(), lease.Queue, lease.Ordered, []store.Receipt{g.Receipt}); err != nil || errs[0] != nil {
			return fmt.Errorf("delete: %w, %w", err, errs[0])
		}
	}
	return nil
}

// BenchmarkMessagesBacklog is a send, a lease and a deletion by 16 clients each,
// while so many others wait in the queue.
func BenchmarkMessagesBacklog(b *testing.B) {
	for _, ordered := range []bool{false, true} {
		for _, backlog := range []int{1_000, 1_000_000} {
			b.Run(fmt.Sprintf("ordered=%t/backlog=%d", ordered, backlog), func(b *testing.B) {
				m := open(b, b.TempDir(), Options{})
				fill(b, m, "q", ordered, backlog)
				lease := store.LeaseRequest{Queue: "q", Ordered: ordered, Max: 1, Visibility: time.Hour, Retention: 96 * time.Hour, MaxInFlight: 120_000}
				concurrently(b, 16, func(i int64) error { return roundTrip(b, m, lease, benchMessage(i)) })
			})
		}
	}
}
