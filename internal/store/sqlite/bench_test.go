package sqlite

import (
	"bytes"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/paddock-run/paddock/internal/store"
)

// The size of a function's configuration.
var benchValue = bytes.Repeat([]byte("0123456789abcdef"), 128)

// concurrently runs b.N calls of do on so many goroutines, and reports how many
// there were a second.
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

func BenchmarkDocumentsWrite(b *testing.B) {
	for _, clients := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			d := newDocuments(b, openDB(b, filepath.Join(b.TempDir(), "state.db")))
			concurrently(b, clients, func(i int64) error {
				_, err := d.Write(b.Context(), store.Write{
					Key: fmt.Sprintf("lambda/000000000000/us-east-1/function/f%d", i), Value: benchValue, If: store.Absent})
				return err
			})
		})
	}
}

func BenchmarkDocumentsGet(b *testing.B) {
	d := newDocuments(b, openDB(b, filepath.Join(b.TempDir(), "state.db")))
	key := func(i int64) string { return fmt.Sprintf("lambda/000000000000/us-east-1/function/f%d", i%10_000) }
	var writes []store.Write
	for i := range int64(10_000) {
		writes = append(writes, store.Write{Key: key(i), Value: benchValue})
	}
	if _, err := d.Write(b.Context(), writes...); err != nil {
		b.Fatal(err)
	}
	for _, clients := range []int{1, 16} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			concurrently(b, clients, func(i int64) error {
				_, err := d.Get(b.Context(), key(i*7919))
				return err
			})
		})
	}
}
