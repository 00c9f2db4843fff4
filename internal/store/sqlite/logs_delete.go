package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

// How many events one transaction deletes, which others wait for.
const deleteChunk = 2000

// When a purge failed, it is tried again after this time or at the next
// deletion.
const purgeRetry = time.Minute

// DeleteStream implements [store.Logs].
func (l *Logs) DeleteStream(ctx context.Context, group, stream string) error {
	err := l.db.writer.do(ctx, &request{apply: func() error {
		streamID, groupID, there, err := l.find(group, stream)
		if err != nil {
			return err
		}
		if !there {
			return refuse(fmt.Errorf("stream %q of %q: %w", stream, group, store.ErrNotFound))
		}
		if _, err := l.dropStream.Exec(groupID, streamID); err != nil {
			return fmt.Errorf("delete stream %q of %q: %w", stream, group, err)
		}
		if _, err := l.delStream.Exec(streamID); err != nil {
			return fmt.Errorf("delete stream %q of %q: %w", stream, group, err)
		}
		return nil
	}})
	l.wakePurge()
	return err
}

// DeleteGroup implements [store.Logs].
func (l *Logs) DeleteGroup(ctx context.Context, group string) error {
	err := l.db.writer.do(ctx, &request{apply: func() error {
		for _, stmt := range []*sql.Stmt{l.dropGroup, l.delStreams, l.delGroup} {
			if _, err := stmt.Exec([]byte(group)); err != nil {
				return fmt.Errorf("delete the streams of %q: %w", group, err)
			}
		}
		return nil
	}})
	l.wakePurge()
	return err
}

// Reset deletes every group, stream and event. IDs go on rising.
func (l *Logs) Reset(ctx context.Context) error {
	return l.db.writer.do(ctx, &request{apply: func() error {
		for _, stmt := range l.clear {
			if _, err := stmt.Exec(); err != nil {
				return fmt.Errorf("reset logs: %w", err)
			}
		}
		return nil
	}})
}

func (l *Logs) wakePurge() {
	select {
	case l.purge <- struct{}{}:
	default:
	}
}

// purgeDropped deletes the events of what was dropped, until ctx ends.
func (l *Logs) purgeDropped(ctx context.Context) {
	defer close(l.stopped)
	var retry <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.purge:
		case <-retry:
		}
		retry = nil
		for more := true; more; {
			var err error
			more, err = l.purgeChunk(ctx)
			if err != nil && ctx.Err() == nil {
				slog.Warn("deleted log events still take up space", "database", l.db.path, "retry_in", purgeRetry, "error", err)
				retry = time.After(purgeRetry)
			}
		}
	}
}

// purgeChunk deletes some events of what was dropped first.
func (l *Logs) purgeChunk(ctx context.Context) (more bool, err error) {
	left := false // the writer's, even after ctx has ended the wait for it
	err = l.db.writer.do(ctx, &request{apply: func() error {
		left = false
		var id, group int64
		var stream sql.NullInt64
		err := l.nextDropped.QueryRow().Scan(&id, &group, &stream)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		stmt, of := l.purgeGroup, group
		if stream.Valid {
			stmt, of = l.purgeStream, stream.Int64
		}
		result, err := stmt.Exec(of, deleteChunk)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		if n < deleteChunk {
			if _, err := l.doneDropped.Exec(id); err != nil {
				return err
			}
		}
		left = true
		return nil
	}})
	if err != nil {
		return false, err
	}
	return left, nil
}

// Expire implements [store.Logs].
func (l *Logs) Expire(ctx context.Context, group string, before time.Time) error {
	for {
		all, err := l.expireChunk(ctx, group, ceilMilli(before))
		if err != nil {
			return fmt.Errorf("expire log events of %q: %w", group, err)
		}
		if all {
			return nil
		}
	}
}

// expireChunk deletes some events older than before, with the books of their
// streams kept, and says whether these were all.
func (l *Logs) expireChunk(ctx context.Context, group string, before int64) (all bool, err error) {
	key := []byte(group)
	err = l.db.writer.do(ctx, &request{apply: func() error {
		bound := place{before, 0}
		err := l.expireBound.QueryRow(key, before, deleteChunk).Scan(&bound.time, &bound.id)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		all = err != nil
		sums, err := l.sums(key, bound)
		if err != nil {
			return err
		}
		if _, err := l.expire.Exec(key, bound.time, bound.id); err != nil {
			return err
		}
		for stream, bytes := range sums {
			if _, err := l.settle.Exec(stream, bytes, int64(noTime)); err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		return false, err
	}
	return all, nil
}

// sums returns the bytes of each stream's events before bound.
func (l *Logs) sums(group []byte, bound place) (map[int64]int64, error) {
	rows, err := l.expireSums.Query(group, bound.time, bound.id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	sums := map[int64]int64{}
	for rows.Next() {
		var stream, bytes int64
		if err := rows.Scan(&stream, &bytes); err != nil {
			return nil, err
		}
		sums[stream] = bytes
	}
	return sums, rows.Err()
}
