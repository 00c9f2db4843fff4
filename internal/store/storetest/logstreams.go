package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

func streamNames(t *testing.T, l store.Logs, group, prefix, after string, byLast, descending bool, limit int) string {
	t.Helper()
	streams, err := l.Streams(t.Context(), group, prefix, after, byLast, descending, limit)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range streams {
		names = append(names, s.Name)
	}
	return strings.Join(names, " ")
}

func wantStream(t *testing.T, l store.Logs, group string, want store.LogStream) {
	t.Helper()
	streams, err := l.Streams(t.Context(), group, want.Name, "", false, false, 1)
	if err != nil || len(streams) != 1 {
		t.Fatalf("stream %q: %v, %v", want.Name, streams, err)
	}
	got := streams[0]
	if got.Name != want.Name || !got.FirstEvent.Equal(want.FirstEvent) || !got.LastEvent.Equal(want.LastEvent) ||
		got.StoredBytes != want.StoredBytes || got.LastIngestion.IsZero() != want.LastIngestion.IsZero() ||
		time.Since(got.Created) > time.Hour || time.Since(got.Created) < 0 {
		t.Errorf("stream %+v, want %+v", got, want)
	}
}

func createStream(t *testing.T, l store.Logs) {
	ctx := t.Context()
	wantErr(t, l.CreateStream(ctx, "g", "s"), nil)
	wantStream(t, l, "g", store.LogStream{Name: "s"})
	wantErr(t, l.CreateStream(ctx, "g", "s"), store.ErrConflict)
	wantErr(t, l.CreateStream(ctx, "h", "s"), nil)
	appendTo(t, l, "g", "s", ev(5, "five"), ev(2, "two"))
	wantStream(t, l, "g", store.LogStream{Name: "s", FirstEvent: at(2), LastEvent: at(5), LastIngestion: at(0), StoredBytes: 7})
	appendTo(t, l, "g", "s", ev(9, "nine"))
	wantStream(t, l, "g", store.LogStream{Name: "s", FirstEvent: at(2), LastEvent: at(9), LastIngestion: at(0), StoredBytes: 11})
	appendTo(t, l, "g", "made")
	wantStream(t, l, "g", store.LogStream{Name: "made"})
	wantErr(t, l.CreateStream(ctx, "g", "made"), store.ErrConflict)
	wantBytes(t, l, "g", 11)
	wantBytes(t, l, "h", 0)
	wantBytes(t, l, "none", 0)
}

func listStreams(t *testing.T, l store.Logs) {
	if got := streamNames(t, l, "g", "", "", false, false, 0); got != "" {
		t.Errorf("an absent group has streams: %s", got)
	}
	for _, name := range []string{"b", "a", "c", "ab", "a%", "a\xff"} {
		wantErr(t, l.CreateStream(t.Context(), "g", name), nil)
	}
	wantErr(t, l.CreateStream(t.Context(), "other", "aa"), nil)
	for _, c := range []struct {
		prefix, after string
		descending    bool
		limit         int
		want          string
	}{
		{"", "", false, 0, "a a% ab a\xff b c"},
		{"", "", true, 0, "c b a\xff ab a% a"},
		{"", "", false, 2, "a a%"},
		{"", "a%", false, 2, "ab a\xff"},
		{"", "aa", false, 1, "ab"},
		{"", "b", true, 2, "a\xff ab"},
		{"a", "", false, 0, "a a% ab a\xff"},
		{"a", "", true, 1, "a\xff"},
		{"a", "ab", false, 0, "a\xff"},
		{"a", "a%", true, 0, "a"},
		{"a\xff", "", false, 0, "a\xff"},
		{"x", "", false, 0, ""},
	} {
		if got := streamNames(t, l, "g", c.prefix, c.after, false, c.descending, c.limit); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func listByLastEvent(t *testing.T, l store.Logs) {
	appendTo(t, l, "g", "a", ev(10, "x"))
	appendTo(t, l, "g", "b", ev(30, "x"))
	appendTo(t, l, "g", "c", ev(20, "x"))
	appendTo(t, l, "g", "d", ev(20, "x"))
	wantErr(t, l.CreateStream(t.Context(), "g", "empty"), nil)
	wantErr(t, l.CreateStream(t.Context(), "g", "empty2"), nil)
	up := strings.Fields("empty empty2 a c d b")
	down := slices.Clone(up)
	slices.Reverse(down)
	for _, descending := range []bool{false, true} {
		want := up
		if descending {
			want = down
		}
		if got := streamNames(t, l, "g", "", "", true, descending, 0); got != strings.Join(want, " ") {
			t.Errorf("descending %t: %s", descending, got)
		}
		for i, after := range want {
			page := want[i+1 : min(i+3, len(want))]
			if got := streamNames(t, l, "g", "", after, true, descending, 2); got != strings.Join(page, " ") {
				t.Errorf("descending %t after %s: %s", descending, after, got)
			}
		}
	}
	if got := streamNames(t, l, "g", "empty", "", true, true, 0); got != "empty2 empty" {
		t.Errorf("with a prefix: %s", got)
	}
	_, err := l.Streams(t.Context(), "g", "", "gone", true, false, 2)
	wantErr(t, err, store.ErrNotFound)
	appendTo(t, l, "g", "a", ev(40, "x"))
	if got := streamNames(t, l, "g", "", "", true, true, 2); got != "a b" {
		t.Errorf("after a new event: %s", got)
	}
}

func deleteStream(t *testing.T, l store.Logs) {
	ctx := t.Context()
	wantErr(t, l.DeleteStream(ctx, "g", "s"), store.ErrNotFound)
	var many []store.LogEvent
	for i := range 5000 {
		many = append(many, ev(i, "gone"))
	}
	appendTo(t, l, "g", "s", many...)
	appendTo(t, l, "g", "kept", ev(2500, "kept"))
	wantErr(t, l.DeleteStream(ctx, "g", "s"), nil)
	wantMessages(t, l, store.LogQuery{Group: "g"}, "kept")
	wantMessages(t, l, store.LogQuery{Group: "g", Streams: []string{"s"}}, "")
	wantBytes(t, l, "g", 4)
	if got := streamNames(t, l, "g", "", "", false, false, 0); got != "kept" {
		t.Errorf("streams %q", got)
	}
	wantErr(t, l.DeleteStream(ctx, "g", "s"), store.ErrNotFound)
	// One of that name is a new one.
	appendTo(t, l, "g", "s", ev(1, "new"))
	wantMessages(t, l, store.LogQuery{Group: "g"}, "new kept")
	wantStream(t, l, "g", store.LogStream{Name: "s", FirstEvent: at(1), LastEvent: at(1), LastIngestion: at(1), StoredBytes: 3})
}

func deleteGroup(t *testing.T, l store.Logs) {
	ctx := t.Context()
	wantErr(t, l.DeleteGroup(ctx, "g"), nil) // an absent one is no error
	last := int64(0)
	for round := range 3 {
		for i := range 3 {
			var many []store.LogEvent
			for j := range 1500 {
				many = append(many, ev(j, fmt.Sprint(round)))
			}
			appendTo(t, l, "g", fmt.Sprint(i), many...)
		}
		appendTo(t, l, "gg", "s", ev(1, "kept"))
		events := read(t, l, store.LogQuery{Group: "g"})
		if len(events) != 4500 {
			t.Fatalf("%d events", len(events))
		}
		for _, e := range events {
			if e.Message != fmt.Sprint(round) || e.ID <= last {
				t.Fatalf("round %d: %+v is of an earlier one", round, e)
			}
		}
		last = slices.MaxFunc(events, compareIDs).ID
		wantErr(t, l.DeleteGroup(ctx, "g"), nil)
		wantMessages(t, l, store.LogQuery{Group: "g"}, "")
		wantBytes(t, l, "g", 0)
		if got := streamNames(t, l, "g", "", "", false, false, 0); got != "" {
			t.Errorf("streams %q", got)
		}
	}
	wantMessages(t, l, store.LogQuery{Group: "gg"}, "kept kept kept")
}

func compareIDs(a, b store.LogEvent) int { return int(a.ID - b.ID) }

func expire(t *testing.T, l store.Logs) {
	ctx := t.Context()
	wantErr(t, l.Expire(ctx, "none", at(100)), nil)
	appendTo(t, l, "g", "a", ev(1, "a1"), ev(5, "a5"), ev(3, "a3"))
	appendTo(t, l, "g", "b", ev(2, "b2"))
	appendTo(t, l, "g", "c", ev(9, "c9"))
	appendTo(t, l, "other", "a", ev(1, "other"))
	wantErr(t, l.Expire(ctx, "g", at(3)), nil)
	wantMessages(t, l, store.LogQuery{Group: "g"}, "a3 a5 c9")
	wantBytes(t, l, "g", 6)
	wantStream(t, l, "g", store.LogStream{Name: "a", FirstEvent: at(3), LastEvent: at(5), LastIngestion: at(1), StoredBytes: 4})
	wantStream(t, l, "g", store.LogStream{Name: "b", LastIngestion: at(1)})
	wantStream(t, l, "g", store.LogStream{Name: "c", FirstEvent: at(9), LastEvent: at(9), LastIngestion: at(1), StoredBytes: 2})
	wantErr(t, l.Expire(ctx, "g", at(3)), nil)
	wantBytes(t, l, "g", 6)
	appendTo(t, l, "g", "b", ev(4, "b4"))
	wantMessages(t, l, store.LogQuery{Group: "g"}, "a3 b4 a5 c9")
	wantErr(t, l.Expire(ctx, "g", at(1000)), nil)
	wantMessages(t, l, store.LogQuery{Group: "g"}, "")
	wantBytes(t, l, "g", 0)
	wantMessages(t, l, store.LogQuery{Group: "other"}, "other")
	if got := streamNames(t, l, "g", "", "", false, false, 0); got != "a b c" {
		t.Errorf("streams %q: they stay when their events expire", got)
	}
}

func expireMany(t *testing.T, l store.Logs) {
	for s := range 2 {
		var many []store.LogEvent
		for i := range 5000 {
			many = append(many, ev(i/7, "12345"))
		}
		appendTo(t, l, "g", fmt.Sprint(s), many...)
	}
	wantErr(t, l.Expire(t.Context(), "g", at(600)), nil)
	events := read(t, l, store.LogQuery{Group: "g"})
	if want := 2 * (5000 - 600*7); len(events) != want || !events[0].Time.Equal(at(600)) {
		t.Errorf("%d events from %v on, want %d from %v on", len(events), events[0].Time, want, at(600))
	}
	wantBytes(t, l, "g", 5*int64(len(events)))
}
