package sqlite

import (
	"bytes"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

func BenchmarkLogsAppend(b *testing.B) {
	for _, events := range []int{1, 10, 100, 1000} {
		for _, clients := range []int{1, 16} {
			b.Run(fmt.Sprintf("events=%d/clients=%d", events, clients), func(b *testing.B) {
				l := newLogs(b, openDB(b, filepath.Join(b.TempDir(), "logs.db")))
				concurrently(b, clients, func(i int64) error {
					batch := logBatch(events)
					for j := range batch {
						batch[j].Time = batch[j].Time.Add(time.Duration(int(i)*events) * time.Millisecond)
					}
					return l.Append(b.Context(), "000000000000/us-east-1//aws/lambda/hello", fmt.Sprintf("stream%d", i%20), batch)
				})
				b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}

func BenchmarkLogsRead(b *testing.B) {
	l := newLogs(b, openDB(b, filepath.Join(b.TempDir(), "logs.db")))
	start := time.UnixMilli(1_800_000_000_000)
	for i := range 100 { // 100,000 events over 100 streams
		batch := logBatch(1000)
		for j := range batch {
			batch[j].Time = batch[j].Time.Add(time.Duration(i) * time.Second)
		}
		if err := l.Append(b.Context(), "g", fmt.Sprintf("stream%d", i), batch); err != nil {
			b.Fatal(err)
		}
	}
	middle := start.Add(50 * time.Second)
	for name, q := range map[string]store.LogQuery{
		"group":   {Group: "g", Start: middle, Limit: 100},
		"stream":  {Group: "g", Streams: []string{"stream50"}, Start: middle, Limit: 100},
		"streams": {Group: "g", Streams: []string{"stream50", "stream51"}, Start: middle, Limit: 100},
		"prefix":  {Group: "g", Prefix: "stream5", Start: middle, Limit: 100},
	} {
		b.Run(name+"/events=100", func(b *testing.B) {
			concurrently(b, 1, func(int64) error {
				events, err := l.Read(b.Context(), q)
				if err == nil && len(events) != 100 {
					err = fmt.Errorf("%d events", len(events))
				}
				return err
			})
		})
	}
}
