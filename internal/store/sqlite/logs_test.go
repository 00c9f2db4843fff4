package sqlite

import (
	"path/filepath"
	"runtime"
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

func count(t *testing.T, db *DB, query string, args ...any) (n int) {
	t.Helper()
	if err := db.readers.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestPurge sees the events of what was deleted disappear from the file, also
// those that a process left that ended meanwhile.
func TestPurge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "logs.db")
	db := openDB(t, path)
	l := newLogs(t, db)
	for _, stream := range []string{"a", "b", "kept"} {
		if err := l.Append(t.Context(), "g", stream, logBatch(3*deleteChunk)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Append(t.Context(), "h", "a", logBatch(deleteChunk)); err != nil {
		t.Fatal(err)
	}
	l.stop() // as if the process had ended
	<-l.stopped
	if err := l.DeleteStream(t.Context(), "g", "a"); err != nil {
		t.Fatal(err)
	}
	if err := l.DeleteGroup(t.Context(), "h"); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, `SELECT count(*) FROM log_events`); n != 10*deleteChunk {
		t.Fatalf("%d events before the purge, want %d", n, 10*deleteChunk)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	db = openDB(t, path)
	l = newLogs(t, db)
	if err := l.DeleteStream(t.Context(), "g", "b"); err != nil {
		t.Fatal(err)
	}
	for count(t, db, `SELECT count(*) FROM log_dropped`) > 0 {
		runtime.Gosched() // the purge goes on
	}
	if n := count(t, db, `SELECT count(*) FROM log_events`); n != 3*deleteChunk {
		t.Errorf("%d events after the purge, want %d", n, 3*deleteChunk)
	}
	events, err := l.Read(t.Context(), store.LogQuery{Group: "g", Limit: 10 * deleteChunk})
	if err != nil || len(events) != 3*deleteChunk {
		t.Errorf("%d events are read, %v", len(events), err)
	}
}

// TestReadsUseIndexes asks SQLite how it runs what Read makes.
func TestReadsUseIndexes(t *testing.T) {
	db := openDB(t, filepath.Join(t.TempDir(), "logs.db"))
	newLogs(t, db)
	for _, c := range []struct {
		name  string
		query eventsQuery
		want  string
	}{
		{"group", eventsOfGroup(1), "SEARCH e USING PRIMARY KEY (group_id=? AND (time,id)>(?,?) AND (time,id)<(?,?))"},
		{"streams", eventsOfGroup(1).of("group_id = ? AND name >= ?", []any{1, "a"}), "SEARCH e USING PRIMARY KEY (group_id=? AND (time,id)>(?,?) AND (time,id)<(?,?))"},
		{"stream", eventsOfStream(1), "SEARCH e USING INDEX log_events_by_stream (stream_id=? AND (time,id)>(?,?) AND (time,id)<(?,?))"},
	} {
		for _, backward := range []bool{false, true} {
			query, args := c.query.build(place{1, 0}, place{2, 0}, backward, 10)
			rows, err := db.readers.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
			if err != nil {
				t.Fatal(err)
			}
			var plan []string
			for rows.Next() {
				var id, parent, unused int
				var detail string
				if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
					t.Fatal(err)
				}
				plan = append(plan, detail)
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			text := strings.Join(plan, "\n")
			if !strings.Contains(text, c.want) || strings.Contains(text, "TEMP B-TREE") || strings.Contains(text, "SCAN") {
				t.Errorf("%s (backward %t):\n%s\nwant %s and no sorting", c.name, backward, text, c.want)
			}
		}
	}
}
