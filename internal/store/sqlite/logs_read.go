package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

// place is a place between events, in their order.
type place struct{ time, id int64 }

func (p place) less(q place) bool {
	return p.time < q.time || p.time == q.time && p.id < q.id
}

// between returns the places that the events of q lie between, neither of them
// that of an event: IDs are positive.
func between(q store.LogQuery) (low, high place) {
	low, high = place{math.MinInt64, 0}, place{math.MaxInt64, math.MaxInt64}
	if !q.Start.IsZero() {
		low = place{ceilMilli(q.Start), 0}
	}
	if !q.End.IsZero() {
		high = place{ceilMilli(q.End), 0}
	}
	if q.After == nil {
		return low, high
	}
	after := place{q.After.Time.UnixMilli(), q.After.ID}
	if q.Backward && after.less(high) {
		high = after
	} else if !q.Backward && low.less(after) {
		low = after
	}
	return low, high
}

// ceilMilli rounds up, since events are at whole milliseconds: start ≤ event
// holds of the next one only, and event < end still of this one.
func ceilMilli(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++
	}
	return ms
}

// Read implements [store.Logs].
func (l *Logs) Read(ctx context.Context, q store.LogQuery) ([]store.LogEvent, error) {
	if q.Limit <= 0 {
		return nil, fmt.Errorf("%w: a read of log events needs a limit", store.ErrLimit)
	}
	events, err := l.read(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read log events of %q: %w", q.Group, l.db.explain(err))
	}
	return events, nil
}

func (l *Logs) read(ctx context.Context, q store.LogQuery) (_ []store.LogEvent, err error) {
	// One transaction, so that all of it sees the same state.
	tx, err := l.db.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // it only read

	var group int64
	err = tx.QueryRowContext(ctx, `SELECT id FROM log_groups WHERE name = ?`, []byte(q.Group)).Scan(&group)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	low, high := between(q)
	events := eventsOfGroup(group)
	if len(q.Streams) > 0 || q.Prefix != "" {
		filter, values := streamFilter(group, q.Streams, q.Prefix)
		var streams, only int64
		var first, last int64
		err := tx.QueryRowContext(ctx, `SELECT count(*), coalesce(min(id), 0), coalesce(min(first_event), 0),
			coalesce(max(last_event), 0) FROM log_streams WHERE last_event <> ? AND `+filter,
			append([]any{int64(noTime)}, values...)...).Scan(&streams, &only, &first, &last)
		if err != nil {
			return nil, err
		}
		// A stream lives for a while in a group that lives for years: look only
		// where its events are.
		if start := (place{first, 0}); low.less(start) {
			low = start
		}
		if end := (place{last, math.MaxInt64}); end.less(high) {
			high = end
		}
		switch streams {
		case 0:
			return nil, nil
		case 1:
			events = eventsOfStream(only)
		default:
			events = events.of(filter, values)
		}
	}
	if !low.less(high) {
		return nil, nil
	}
	query, args := events.build(low, high, q.Backward, q.Limit)
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return scanEvents(rows)
}

// eventsQuery is a query of events under construction.
type eventsQuery struct {
	from string
	args []any
}

// eventsOfGroup goes through a group in the order of its events.
func eventsOfGroup(group int64) eventsQuery {
	return eventsQuery{`log_events e CROSS JOIN log_streams s ON s.id = e.stream_id WHERE e.group_id = ?`, []any{group}}
}

// eventsOfStream goes through one stream in the order of its events.
func eventsOfStream(stream int64) eventsQuery {
	return eventsQuery{`log_events e INDEXED BY log_events_by_stream
		CROSS JOIN log_streams s ON s.id = e.stream_id WHERE e.stream_id = ?`, []any{stream}}
}

// of narrows it to the streams for which a filter holds. The plus keeps SQLite
// from collecting and sorting all events of all these streams.
func (e eventsQuery) of(filter string, values []any) eventsQuery {
	return eventsQuery{
		e.from + ` AND +e.stream_id IN (SELECT id FROM log_streams WHERE ` + filter + `)`,
		append(e.args, values...),
	}
}

// build returns the query for the events between two places.
func (e eventsQuery) build(low, high place, backward bool, limit int) (query string, args []any) {
	order := ` ORDER BY e.time, e.id LIMIT ?`
	if backward {
		order = ` ORDER BY e.time DESC, e.id DESC LIMIT ?`
	}
	return `SELECT e.time, e.id, e.ingestion, s.name, e.message FROM ` + e.from +
			` AND (e.time, e.id) > (?, ?) AND (e.time, e.id) < (?, ?)` + order,
		append(e.args, low.time, low.id, high.time, high.id, limit)
}

func scanEvents(rows *sql.Rows) ([]store.LogEvent, error) {
	defer rows.Close()
	var events []store.LogEvent
	for rows.Next() {
		var e store.LogEvent
		var at, ingestion int64
		if err := rows.Scan(&at, &e.ID, &ingestion, &e.Stream, &e.Message); err != nil {
			return nil, err
		}
		e.Time, e.Ingestion = time.UnixMilli(at).UTC(), time.UnixMilli(ingestion).UTC()
		events = append(events, e)
	}
	return events, rows.Err()
}

// streamFilter returns the condition on log_streams that holds of the streams
// of a group with one of these names (none: any) and with that prefix.
func streamFilter(group int64, names []string, prefix string) (condition string, args []any) {
	condition, args = `group_id = ?`, []any{group}
	if len(names) > 0 {
		condition += ` AND name IN (?` + strings.Repeat(", ?", len(names)-1) + `)`
		for _, n := range names {
			args = append(args, []byte(n))
		}
	}
	if prefix != "" {
		condition += ` AND name >= ?`
		args = append(args, []byte(prefix))
		if end, bounded := prefixEnd(prefix); bounded {
			condition += ` AND name < ?`
			args = append(args, end)
		}
	}
	return condition, args
}

// Streams implements [store.Logs].
func (l *Logs) Streams(ctx context.Context, group, prefix, after string, byLastEvent, descending bool, limit int) ([]store.LogStream, error) {
	streams, err := l.streams(ctx, group, prefix, after, byLastEvent, descending, limit)
	if err != nil {
		return nil, fmt.Errorf("list log streams of %q: %w", group, l.db.explain(err))
	}
	return streams, nil
}

func (l *Logs) streams(ctx context.Context, group, prefix, after string, byLastEvent, descending bool, limit int) ([]store.LogStream, error) {
	tx, err := l.db.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // it only read

	var id int64
	err = tx.QueryRowContext(ctx, `SELECT id FROM log_groups WHERE name = ?`, []byte(group)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	condition, args := streamFilter(id, nil, prefix)
	beyond, direction := ">", ""
	if descending {
		beyond, direction = "<", " DESC"
	}
	order := "name" + direction
	if byLastEvent {
		order = "last_event" + direction + ", name" + direction
	}
	switch {
	case after == "":
	case byLastEvent:
		var last int64
		err := tx.QueryRowContext(ctx, `SELECT last_event FROM log_streams WHERE group_id = ? AND name = ?`,
			id, []byte(after)).Scan(&last)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, fmt.Errorf("continue after stream %q: %w", after, store.ErrNotFound)
		}
		if err != nil {
			return nil, err
		}
		condition += ` AND (last_event, name) ` + beyond + ` (?, ?)`
		args = append(args, last, []byte(after))
	default:
		condition += ` AND name ` + beyond + ` ?`
		args = append(args, []byte(after))
	}
	if limit <= 0 {
		limit = -1
	}
	rows, err := tx.QueryContext(ctx, `SELECT name, created, first_event, last_event, last_ingestion, bytes
		FROM log_streams WHERE `+condition+` ORDER BY `+order+` LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var streams []store.LogStream
	for rows.Next() {
		var s store.LogStream
		var created, first, last, ingestion int64
		if err := rows.Scan(&s.Name, &created, &first, &last, &ingestion, &s.StoredBytes); err != nil {
			return nil, err
		}
		s.Created, s.FirstEvent = timeOf(created), timeOf(first)
		s.LastEvent, s.LastIngestion = timeOf(last), timeOf(ingestion)
		streams = append(streams, s)
	}
	return streams, rows.Err()
}

func timeOf(ms int64) time.Time {
	if ms == noTime {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// StoredBytes implements [store.Logs].
func (l *Logs) StoredBytes(ctx context.Context, group string) (int64, error) {
	var n int64
	if err := l.storedBytes.QueryRowContext(ctx, []byte(group)).Scan(&n); err != nil {
		return 0, fmt.Errorf("add up the log streams of %q: %w", group, l.db.explain(err))
	}
	return n, nil
}
