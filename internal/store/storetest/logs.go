package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

// Logs tests a driver of the shape of log events.
func Logs(t *testing.T, open func(t *testing.T) store.Logs) {
	for name, test := range map[string]func(*testing.T, store.Logs){
		"AppendRead":          appendRead,
		"Order":               logOrder,
		"Messages":            logMessages,
		"TimeRange":           timeRange,
		"StreamsAndPrefixes":  readStreams,
		"Cursors":             logCursors,
		"AgainstAModel":       readAgainstModel,
		"CreateStream":        createStream,
		"ListStreams":         listStreams,
		"ListByLastEvent":     listByLastEvent,
		"DeleteStream":        deleteStream,
		"DeleteGroup":         deleteGroup,
		"Expire":              expire,
		"ExpireMany":          expireMany,
		"Limits":              logLimits,
		"CancelledContext":    logsCancelled,
		"ConcurrentAppends":   concurrentAppends,
		"ArgumentsAreNotKept": eventsAreNotKept,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// at is so many milliseconds after epoch.
func at(ms int) time.Time { return epoch.Add(time.Duration(ms) * time.Millisecond) }

// ev is an event with that time after epoch.
func ev(ms int, message string) store.LogEvent {
	return store.LogEvent{Time: at(ms), Message: message}
}

func appendTo(t *testing.T, l store.Logs, group, stream string, events ...store.LogEvent) {
	t.Helper()
	if err := l.Append(t.Context(), group, stream, events); err != nil {
		t.Fatalf("append to %s of %s: %v", stream, group, err)
	}
}

func read(t *testing.T, l store.Logs, q store.LogQuery) []store.LogEvent {
	t.Helper()
	q.Limit = cmp.Or(q.Limit, 10_000)
	events, err := l.Read(t.Context(), q)
	if err != nil {
		t.Fatalf("read %+v: %v", q, err)
	}
	return events
}

func messages(events []store.LogEvent) string {
	var m []string
	for _, e := range events {
		m = append(m, e.Message)
	}
	return strings.Join(m, " ")
}

func wantMessages(t *testing.T, l store.Logs, q store.LogQuery, want string) {
	t.Helper()
	if got := messages(read(t, l, q)); got != want {
		t.Errorf("read %+v:\n%s, want\n%s", q, got, want)
	}
}

func appendRead(t *testing.T, l store.Logs) {
	wantMessages(t, l, store.LogQuery{Group: "g"}, "")
	before := time.Now().Truncate(time.Millisecond)
	appendTo(t, l, "g", "s", ev(1, "one"), ev(2, "two"))
	appendTo(t, l, "h", "s", ev(1, "other"))
	after := time.Now()
	events := read(t, l, store.LogQuery{Group: "g"})
	if messages(events) != "one two" {
		t.Fatalf("read %v", events)
	}
	for i, e := range events {
		if e.Stream != "s" || !e.Time.Equal(at(i+1)) || e.ID <= 0 ||
			e.Ingestion.Before(before) || e.Ingestion.After(after) {
			t.Errorf("read %+v", e)
		}
	}
	if events[0].ID >= events[1].ID {
		t.Errorf("IDs %d, %d do not rise", events[0].ID, events[1].ID)
	}
	wantMessages(t, l, store.LogQuery{Group: "h"}, "other")
}

func logOrder(t *testing.T, l store.Logs) {
	appendTo(t, l, "g", "b", ev(30, "30"), ev(10, "10a"), ev(10, "10b"))
	appendTo(t, l, "g", "a", ev(20, "20"), ev(10, "10c"))
	appendTo(t, l, "g", "b", ev(5, "5"), ev(10, "10d"))
	appendTo(t, l, "g", "c", store.LogEvent{Time: at(9).Add(999 * time.Microsecond), Message: "9"})
	wantMessages(t, l, store.LogQuery{Group: "g"}, "5 9 10a 10b 10c 10d 20 30")
	wantMessages(t, l, store.LogQuery{Group: "g", Backward: true}, "30 20 10d 10c 10b 10a 9 5")
	wantMessages(t, l, store.LogQuery{Group: "g", Backward: true, Limit: 3}, "30 20 10d")
	wantMessages(t, l, store.LogQuery{Group: "g", Streams: []string{"b"}}, "5 10a 10b 10d 30")
	wantMessages(t, l, store.LogQuery{Group: "g", Streams: []string{"b"}, Backward: true, Limit: 2}, "30 10d")

	// Times before 1970 are times.
	appendTo(t, l, "old", "s", store.LogEvent{Time: time.UnixMilli(-5), Message: "-5"}, store.LogEvent{Time: time.UnixMilli(0), Message: "0"})
	wantMessages(t, l, store.LogQuery{Group: "old"}, "-5 0")
	wantMessages(t, l, store.LogQuery{Group: "old", End: time.UnixMilli(0)}, "-5")
}

func logMessages(t *testing.T, l store.Logs) {
	all := []string{"", " ", "\x00", "a\x00b", "\xff\xfe", "line\nline\r\n", "\u4e16\u754c", strings.Repeat("x", 5000),
		strings.Repeat("\x00y", 200_000), strings.Repeat("z", store.MaxMessage)}
	bytes := 0
	var events []store.LogEvent
	for i, m := range all {
		events = append(events, ev(i, m))
		bytes += len(m)
	}
	appendTo(t, l, "g", "s", events...)
	for i, e := range read(t, l, store.LogQuery{Group: "g"}) {
		if e.Message != all[i] {
			t.Errorf("message %d (%d bytes) came back with %d bytes, or other ones", i, len(all[i]), len(e.Message))
		}
	}
	wantBytes(t, l, "g", int64(bytes))
}

func wantBytes(t *testing.T, l store.Logs, group string, want int64) {
	t.Helper()
	got, err := l.StoredBytes(t.Context(), group)
	if err != nil || got != want {
		t.Errorf("%s stores %d bytes (%v), want %d", group, got, err, want)
	}
}

func timeRange(t *testing.T, l store.Logs) {
	appendTo(t, l, "g", "s", ev(1, "1"), ev(2, "2"), ev(3, "3"), ev(4, "4"))
	half := 500 * time.Microsecond
	for _, c := range []struct {
		start, end time.Time
		want       string
	}{
		{at(2), time.Time{}, "2 3 4"},
		{time.Time{}, at(3), "1 2"},
		{at(2), at(4), "2 3"},
		{at(2), at(2), ""},
		{at(3), at(2), ""},
		{at(5), time.Time{}, ""},
		{time.Time{}, at(1), ""},
		{at(1).Add(half), at(3).Add(half), "2 3"},
	} {
		wantMessages(t, l, store.LogQuery{Group: "g", Start: c.start, End: c.end}, c.want)
		wantMessages(t, l, store.LogQuery{Group: "g", Start: c.start, End: c.end, Streams: []string{"s"}}, c.want)
	}
}

func readStreams(t *testing.T, l store.Logs) {
	appendTo(t, l, "g", "a", ev(1, "a1"), ev(4, "a4"))
	appendTo(t, l, "g", "ab", ev(2, "ab2"), ev(9, "ab9"))
	appendTo(t, l, "g", "b", ev(3, "b3"))
	appendTo(t, l, "g", "a\xff", ev(5, "aff5"))
	appendTo(t, l, "g", "\xff\xff", ev(6, "ff6"))
	appendTo(t, l, "g", "a%", ev(7, "a%7"))
	appendTo(t, l, "other", "a", ev(1, "other"))
	for _, c := range []struct {
		streams []string
		prefix  string
		want    string
	}{
		{nil, "", "a1 ab2 b3 a4 aff5 ff6 a%7 ab9"},
		{[]string{"a"}, "", "a1 a4"},
		{[]string{"b", "a"}, "", "a1 b3 a4"},
		{[]string{"a", "a"}, "", "a1 a4"},
		{[]string{"a", "none"}, "", "a1 a4"},
		{[]string{"none"}, "", ""},
		{nil, "a", "a1 ab2 a4 aff5 a%7 ab9"},
		{nil, "ab", "ab2 ab9"},
		{nil, "a%", "a%7"},
		{nil, "a\xff", "aff5"},
		{nil, "\xff", "ff6"},
		{nil, "none", ""},
		{[]string{"b", "ab"}, "a", "ab2 ab9"},
	} {
		wantMessages(t, l, store.LogQuery{Group: "g", Streams: c.streams, Prefix: c.prefix}, c.want)
		want := strings.Fields(c.want)
		slices.Reverse(want)
		wantMessages(t, l, store.LogQuery{Group: "g", Streams: c.streams, Prefix: c.prefix, Backward: true}, strings.Join(want, " "))
	}
	wantMessages(t, l, store.LogQuery{Group: "g", Prefix: "a", Start: at(4), End: at(9)}, "a4 aff5 a%7")
	wantMessages(t, l, store.LogQuery{Group: "none", Prefix: "a"}, "")
}

func logCursors(t *testing.T, l store.Logs) {
	for i := range 10 { // many at one time
		appendTo(t, l, "g", fmt.Sprintf("s%d", i%3), ev(i/4, fmt.Sprint(i)))
	}
	for _, q := range []store.LogQuery{
		{Group: "g"},
		{Group: "g", Streams: []string{"s0"}},
		{Group: "g", Streams: []string{"s0", "s2"}},
		{Group: "g", Prefix: "s"},
		{Group: "g", Start: at(1), End: at(2)},
	} {
		for _, q.Backward = range []bool{false, true} {
			whole := read(t, l, q)
			var paged []store.LogEvent
			page := q
			page.Limit = 2
			for {
				events := read(t, l, page)
				if len(events) == 0 {
					break
				}
				paged = append(paged, events...)
				last := events[len(events)-1]
				page.After = &store.LogCursor{Time: last.Time, ID: last.ID}
			}
			if !slices.Equal(paged, whole) {
				t.Errorf("%+v: pages give %s, want %s", q, messages(paged), messages(whole))
			}
		}
	}
	// A cursor need not be that of an event, and a range holds beside it.
	wantMessages(t, l, store.LogQuery{Group: "g", After: &store.LogCursor{Time: at(-5), ID: 77}, Limit: 2}, "0 1")
	wantMessages(t, l, store.LogQuery{Group: "g", After: &store.LogCursor{Time: at(0), ID: 1 << 40}, Limit: 2}, "4 5")
	wantMessages(t, l, store.LogQuery{Group: "g", After: &store.LogCursor{Time: at(0), ID: 1 << 40}, Start: at(2)}, "8 9")
	wantMessages(t, l, store.LogQuery{Group: "g", After: &store.LogCursor{Time: at(2), ID: 0}, Backward: true, Start: at(1), Limit: 1}, "7")
	wantMessages(t, l, store.LogQuery{Group: "g", After: &store.LogCursor{Time: at(9), ID: 1}, Backward: true, End: at(2), Limit: 1}, "7")
	// New events come after the cursor of the last.
	last := read(t, l, store.LogQuery{Group: "g", Backward: true, Limit: 1})[0]
	q := store.LogQuery{Group: "g", After: &store.LogCursor{Time: last.Time, ID: last.ID}}
	wantMessages(t, l, q, "")
	appendTo(t, l, "g", "s0", store.LogEvent{Time: last.Time, Message: "new"})
	wantMessages(t, l, q, "new")
}

// readAgainstModel asks random questions of random events, which a slice
// answers too.
func readAgainstModel(t *testing.T, l store.Logs) {
	random := rand.New(rand.NewPCG(1, 2))
	streams := []string{"a", "ab", "b", "ba"}
	for range 40 {
		var events []store.LogEvent
		for range random.IntN(8) {
			events = append(events, ev(random.IntN(30), fmt.Sprint(random.IntN(1000))))
		}
		appendTo(t, l, "g", streams[random.IntN(4)], events...)
	}
	all := read(t, l, store.LogQuery{Group: "g"})
	if !slices.IsSortedFunc(all, compareEvents) || len(all) < 50 {
		t.Fatalf("%d events, or not in order", len(all))
	}
	for range 400 {
		q := store.LogQuery{Group: "g", Backward: random.IntN(2) == 0, Limit: 1 + random.IntN(40)}
		switch random.IntN(3) {
		case 0:
			q.Streams = streams[random.IntN(4):]
		case 1:
			q.Prefix = streams[random.IntN(4)][:1]
		}
		if random.IntN(2) == 0 {
			q.Start = at(random.IntN(30))
		}
		if random.IntN(2) == 0 {
			q.End = at(random.IntN(32))
		}
		if random.IntN(2) == 0 {
			e := all[random.IntN(len(all))]
			q.After = &store.LogCursor{Time: e.Time, ID: e.ID}
		}
		want := model(all, q)
		if got := read(t, l, q); !slices.Equal(got, want) {
			t.Fatalf("%+v:\n%v, want\n%v", q, got, want)
		}
	}
}

func compareEvents(a, b store.LogEvent) int {
	return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID))
}

func model(all []store.LogEvent, q store.LogQuery) []store.LogEvent {
	var out []store.LogEvent
	for _, e := range all {
		switch {
		case len(q.Streams) > 0 && !slices.Contains(q.Streams, e.Stream),
			!strings.HasPrefix(e.Stream, q.Prefix),
			!q.Start.IsZero() && e.Time.Before(q.Start),
			!q.End.IsZero() && !e.Time.Before(q.End):
			continue
		}
		if q.After != nil {
			c := compareEvents(e, store.LogEvent{Time: q.After.Time, ID: q.After.ID})
			if q.Backward && c >= 0 || !q.Backward && c <= 0 {
				continue
			}
		}
		out = append(out, e)
	}
	if q.Backward {
		slices.Reverse(out)
	}
	return out[:min(len(out), q.Limit)]
}

func logLimits(t *testing.T, l store.Logs) {
	long := strings.Repeat("n", store.MaxKey)
	appendTo(t, l, long, long, ev(1, "fits"))
	wantMessages(t, l, store.LogQuery{Group: long, Streams: []string{long}}, "fits")
	for what, err := range map[string]error{
		"message":     l.Append(t.Context(), "g", "s", []store.LogEvent{ev(1, "x"), ev(1, strings.Repeat("z", store.MaxMessage+1))}),
		"long stream": l.Append(t.Context(), "g", long+"n", []store.LogEvent{ev(1, "x")}),
		"long group":  l.Append(t.Context(), long+"n", "s", []store.LogEvent{ev(1, "x")}),
		"no stream":   l.Append(t.Context(), "g", "", []store.LogEvent{ev(1, "x")}),
		"no group":    l.CreateStream(t.Context(), "", "s"),
		"create":      l.CreateStream(t.Context(), "g", long+"n"),
	} {
		if !errors.Is(err, store.ErrLimit) {
			t.Errorf("%s: %v, want ErrLimit", what, err)
		}
	}
	wantMessages(t, l, store.LogQuery{Group: "g"}, "")
	for _, limit := range []int{0, -1} {
		if _, err := l.Read(t.Context(), store.LogQuery{Group: "g", Limit: limit}); !errors.Is(err, store.ErrLimit) {
			t.Errorf("limit %d: %v, want ErrLimit", limit, err)
		}
	}
}

func logsCancelled(t *testing.T, l store.Logs) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, readErr := l.Read(ctx, store.LogQuery{Group: "g", Limit: 1})
	_, streamsErr := l.Streams(ctx, "g", "", "", false, false, 1)
	_, bytesErr := l.StoredBytes(ctx, "g")
	for _, err := range []error{
		l.Append(ctx, "g", "s", []store.LogEvent{ev(1, "x")}), l.CreateStream(ctx, "g", "s"),
		l.Expire(ctx, "g", at(1)), l.DeleteGroup(ctx, "g"), readErr, streamsErr, bytesErr,
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want context.Canceled", err)
		}
	}
	appendTo(t, l, "g", "s2", ev(2, "y"))
	wantMessages(t, l, store.LogQuery{Group: "g"}, "y")
}

func concurrentAppends(t *testing.T, l store.Logs) {
	const workers, batches, size = 8, 10, 37
	inParallel(t, workers, func(worker int) error {
		for b := range batches {
			var events []store.LogEvent
			for i := range size {
				events = append(events, ev(b, fmt.Sprintf("%d-%d-%d", worker, b, i)))
			}
			// Two workers share a stream, and its making.
			if err := l.Append(t.Context(), "g", fmt.Sprint(worker/2), events); err != nil {
				return err
			}
		}
		return nil
	})
	events := read(t, l, store.LogQuery{Group: "g"})
	if len(events) != workers*batches*size {
		t.Fatalf("%d events, want %d", len(events), workers*batches*size)
	}
	// A batch stays together, and in its order.
	for i, e := range events {
		if i%size == 0 {
			continue
		}
		var w, b, n, w0, b0, n0 int
		_, err := fmt.Sscanf(e.Message+" "+events[i-1].Message, "%d-%d-%d %d-%d-%d", &w, &b, &n, &w0, &b0, &n0)
		if err != nil || w != w0 || b != b0 || n != n0+1 {
			t.Fatalf("%s follows %s (%v)", e.Message, events[i-1].Message, err)
		}
	}
}

func eventsAreNotKept(t *testing.T, l store.Logs) {
	events := []store.LogEvent{ev(1, "before")}
	appendTo(t, l, "g", "s", events...)
	events[0] = ev(2, "after")
	wantMessages(t, l, store.LogQuery{Group: "g"}, "before")
}
