package local

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/paddock-run/paddock/internal/store"
)

// BenchmarkCreateFunction does what CreateFunction asks of the state: a distinct
// archive and then a document, each durable before the next.
func BenchmarkCreateFunction(b *testing.B) {
	configuration := bytes.Repeat([]byte("0123456789abcdef"), 128)
	for _, size := range []int{1 << 10, 16 << 10} {
		for _, clients := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("archive=%d/clients=%d", size, clients), func(b *testing.B) {
				s := open(b, b.TempDir())
				archive := make([]byte, size)
				if _, err := rand.NewChaCha8([32]byte{}).Read(archive); err != nil {
					b.Fatal(err)
				}
				create := func(i int64) error {
					id := fmt.Appendf(nil, "%020d", i)
					_, err := s.Blobs.Put(b.Context(), io.MultiReader(bytes.NewReader(id), bytes.NewReader(archive[20:])))
					if err != nil {
						return err
					}
					_, err = s.Documents.Write(b.Context(), store.Write{
						Key: fmt.Sprintf("lambda/000000000000/us-east-1/function/f%d", i), Value: configuration, If: store.Absent})
					return err
				}
				var next atomic.Int64
				var wg sync.WaitGroup
				b.ResetTimer()
				for range clients {
					wg.Go(func() {
						for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
							if err := create(i); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
			})
		}
	}
}
