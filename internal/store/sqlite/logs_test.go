package sqlite

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/store/storetest"
)

func newLogs(t testing.TB, db *DB) *Logs {
	t.Helper()
	l, err := NewLogs(db)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLogs(t *testing.T) {
	storetest.Logs(t, func(t *testing.T) store.Logs {
		return newLogs(t, openDB(t, filepath.Join(t.TempDir(), "logs.db")))
	})
}

func logBatch(n int) []store.LogEvent {
	message := strings.Repeat("log line ", 16)
	events := make([]store.LogEvent, n)
	for i := range events {
		events[i] = store.LogEvent{Time: time.UnixMilli(1_800_000_000_000 + int64(i)), Message: message}
	}
	return events
}
