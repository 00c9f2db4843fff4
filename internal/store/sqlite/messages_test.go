package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/store/storetest"
)

func newMessages(t testing.TB, db *DB) *Messages {
	t.Helper()
	m, err := NewMessages(db)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMessages(t *testing.T) {
	storetest.Messages(t, func(t *testing.T) store.Messages {
		return newMessages(t, openDB(t, filepath.Join(t.TempDir(), "messages.db")))
	})
}

func sendOne(t *testing.T, m *Messages, queue, body string) store.Sent {
	t.Helper()
	sent, err := m.Send(t.Context(), queue, true, []store.NewMessage{{Body: body, Group: "g", Dedup: body, DedupWindow: 5 * time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	return sent[0]
}

func wantBodies(t *testing.T, m *Messages, queue, want string) []store.Message {
	t.Helper()
	got, err := m.Lease(t.Context(), store.LeaseRequest{Queue: queue, Ordered: true, Max: 10, Visibility: time.Minute})
	var bodies []string
	for _, g := range got {
		bodies = append(bodies, g.Body)
	}
	if s := strings.Join(bodies, " "); err != nil || s != want {
		t.Fatalf("leased %q, %v, want %q", s, err, want)
	}
	return got
}

// Half an hour passes here in no time.
func TestMessagesOverTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "messages.db")
		db := openDB(t, path)
		m := newMessages(t, db)
		first := sendOne(t, m, "q", "a")
		sendOne(t, m, "q", "b")
		wantBodies(t, m, "q", "a b")
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second) // of the bubble
		db = openDB(t, path)
		m = newMessages(t, db)
		wantBodies(t, m, "q", "")
		if again := sendOne(t, m, "q", "a"); !again.Duplicate || again.ID != first.ID {
			t.Errorf("after a restart: %+v", again)
		}
		start := time.Now()
		got, err := m.Lease(t.Context(), store.LeaseRequest{Queue: "q", Ordered: true, Max: 1, Visibility: time.Hour, Wait: time.Hour})
		if took := time.Since(start); err != nil || len(got) != 1 || got[0].Receives != 2 || took != 30*time.Second {
			t.Errorf("leased %+v, %v after %s", got, err, took)
		}
		time.Sleep(5 * time.Minute)
		if again := sendOne(t, m, "q", "a"); again.Duplicate || again.Sequence <= first.Sequence+1 {
			t.Errorf("after five minutes: %+v", again)
		}
		var dedups int
		if err := db.readers.QueryRowContext(t.Context(), `SELECT count(*) FROM message_dedups`).Scan(&dedups); err != nil || dedups != 1 {
			t.Errorf("%d are known (%v): what is over was not swept", dedups, err)
		}
		if c, err := m.Count(t.Context(), "q", 390*time.Second); err != nil || c.Visible != 2 || c.InFlight != 1 {
			t.Errorf("counted %+v, %v", c, err)
		}
		time.Sleep(time.Minute)
		if c, err := m.Count(t.Context(), "q", 390*time.Second); err != nil || c.Visible != 1 || c.InFlight != 0 {
			t.Errorf("counted %+v, %v", c, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestMessagesAfterARollback(t *testing.T) {
	db := openDB(t, filepath.Join(t.TempDir(), "messages.db"))
	m := newMessages(t, db)
	sendOne(t, m, "q", "a")
	fault := errors.New("a fault")
	err := m.do(t.Context(), 0, func() error {
		q, err := m.queue("made")
		if err != nil {
			return err
		}
		m.add(q, 5)
		m.add(m.queues["q"], 7)
		return fault
	}, nil)
	if !errors.Is(err, fault) {
		t.Fatal(err)
	}
	sendOne(t, m, "q", "b")
	sendOne(t, m, "made", "c")
	for queue, want := range map[string]int64{"q": 2, "made": 1} {
		if c, err := m.Count(t.Context(), queue, 0); err != nil || c.Visible != want {
			t.Errorf("%s: %+v, %v", queue, c, err)
		}
	}
}

func TestDroppedMessagesAreDeleted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "messages.db")
	db := openDB(t, path)
	m := newMessages(t, db)
	batch := make([]store.NewMessage, 2*deleteChunk+1)
	for i := range batch {
		batch[i].Group = fmt.Sprint(i)
	}
	for _, queue := range []string{"purged", "dropped"} {
		if _, err := m.Send(t.Context(), queue, true, batch); err != nil {
			t.Fatal(err)
		}
	}
	sendOne(t, m, "stays", "a")
	if err := errors.Join(m.Purge(t.Context(), "purged"), m.Drop(t.Context(), "dropped")); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil { // in the middle of it
		t.Fatal(err)
	}
	db = openDB(t, path)
	m = newMessages(t, db)
	for { // this shares the writer with the purge, which ends
		more := false
		err := m.do(t.Context(), 0, func() error {
			return db.conn.QueryRowContext(t.Context(), `SELECT count(*) > 0 FROM messages_dropped`).Scan(&more)
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
	}
	for _, table := range []string{"messages", "message_groups"} {
		var n int
		if err := db.readers.QueryRowContext(t.Context(), `SELECT count(*) FROM `+table).Scan(&n); err != nil || n != 1 {
			t.Errorf("%d rows in %s (%v)", n, table, err)
		}
	}
	wantBodies(t, m, "stays", "a")
}

func TestNumbersOfQueuesAreUsedAgain(t *testing.T) {
	m := newMessages(t, openDB(t, filepath.Join(t.TempDir(), "messages.db")))
	for _, queue := range []string{"a", "b", "c"} {
		sendOne(t, m, queue, "x")
	}
	if err := m.Drop(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	var number int64
	err := m.do(t.Context(), 0, func() error {
		if _, err := m.doneDropped.Exec(2); err != nil { // the purge may have been here
			return err
		}
		m.lastNumber = maxNumber
		var err error
		number, err = m.newNumber()
		return err
	}, nil)
	if err != nil || number != 2 {
		t.Errorf("number %d, %v", number, err)
	}
}

// What hot paths ask must be answered by indexes alone, in their order.
func TestPlansOfMessages(t *testing.T) {
	db := openDB(t, filepath.Join(t.TempDir(), "messages.db"))
	newMessages(t, db)
	for query, want := range map[string]string{
		`SELECT id FROM messages WHERE queue = 1 AND due <= 2 ORDER BY due, leased, id LIMIT 1`:                  "COVERING INDEX messages_by_due (queue=? AND due<?)",
		`SELECT count(*) FROM messages WHERE queue = 1 AND due > 2 AND leased = 1`:                               "COVERING INDEX messages_by_due (queue=? AND due>?)",
		`SELECT grp FROM message_groups WHERE queue = 1 AND ready <= 2 ORDER BY ready, head LIMIT 1`:             "COVERING INDEX message_groups_by_ready (queue=? AND ready<?)",
		`SELECT id, due, leased, source FROM messages WHERE queue = 1 AND grp = x'' AND ordered = 1 ORDER BY id`: "INDEX messages_by_group (queue=? AND grp=?)",
		`SELECT id, sent FROM messages WHERE id > 1 AND id <= 2 ORDER BY id LIMIT 1`:                             "INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
	} {
		rows, err := db.readers.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query)
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
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
		if len(plan) != 1 || !strings.HasSuffix(plan[0], want) {
			t.Errorf("%s\nis answered by %q", query, plan)
		}
	}
}

func TestMessagesClosed(t *testing.T) {
	db := openDB(t, filepath.Join(t.TempDir(), "messages.db"))
	m := newMessages(t, db)
	waiting := make(chan error)
	go func() {
		_, err := m.Lease(t.Context(), store.LeaseRequest{Queue: "q", Max: 1, Wait: time.Hour})
		waiting <- err
	}()
	for !m.hub.any("q") { // it is about to
		if _, err := m.Count(t.Context(), "q", 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, send := m.Send(t.Context(), "q", false, []store.NewMessage{{}})
	_, lease := m.Lease(t.Context(), store.LeaseRequest{Queue: "q", Max: 1, Wait: time.Hour})
	_, count := m.Count(t.Context(), "q", 0)
	for i, err := range []error{<-waiting, send, lease, count, m.Purge(t.Context(), "q")} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%d: %v, want ErrClosed", i, err)
		}
	}
}
