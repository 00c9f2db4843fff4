package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/store/storetest"
)

func openDB(t testing.TB, path string) *DB {
	t.Helper()
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func newDocuments(t testing.TB, db *DB) *Documents {
	t.Helper()
	d, err := NewDocuments(db)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDocuments(t *testing.T) {
	storetest.Documents(t, func(t *testing.T) store.Documents {
		return newDocuments(t, openDB(t, filepath.Join(t.TempDir(), "state.db")))
	})
}
