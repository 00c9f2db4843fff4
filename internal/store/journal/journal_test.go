package journal

import (
	"testing"

	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/store/storetest"
)

func open(t testing.TB, dir string, opts Options) *Journal {
	t.Helper()
	j, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

func TestMessages(t *testing.T) {
	for name, opts := range map[string]Options{"": {}, "small": {SegmentBytes: 1 << 10, CacheBytes: 1}} {
		t.Run(name, func(t *testing.T) {
			storetest.Messages(t, func(t *testing.T) store.Messages { return open(t, t.TempDir(), opts) })
		})
	}
}
