package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/store/storetest"
)

func TestSeries(t *testing.T) {
	storetest.Series(t, func(t *testing.T) store.Series {
		s, err := NewSeries(openDB(t, filepath.Join(t.TempDir(), "logs.db")))
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
