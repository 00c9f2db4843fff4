package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

// Minutes are counted since 1970.
const seriesSchema = `
CREATE TABLE series (
	id   INTEGER PRIMARY KEY AUTOINCREMENT,
	name BLOB NOT NULL UNIQUE,
	last INTEGER NOT NULL -- the latest minute
) STRICT;
CREATE TABLE series_minutes (
	series_id INTEGER NOT NULL,
	minute    INTEGER NOT NULL,
	count     REAL NOT NULL,
	sum       REAL NOT NULL,
	min       REAL NOT NULL,
	max       REAL NOT NULL,
	PRIMARY KEY (series_id, minute)
) STRICT, WITHOUT ROWID;
`

// expireRows is how many minutes one transaction deletes.
const expireRows = 5000

// Series is the shape of metrics in a database.
type Series struct {
	db *DB

	// Of the writer's goroutine.
	touch, merge, expire, forget *sql.Stmt
	clear                        [2]*sql.Stmt

	read, list, old *sql.Stmt
}

var _ store.Series = (*Series)(nil)

// NewSeries sets up the metrics in a database.
func NewSeries(db *DB) (*Series, error) {
	s := &Series{db: db}
	if err := db.setUp("series", []string{seriesSchema}, func() error { return nil }); err != nil {
		return nil, err
	}
	err := errors.Join(
		db.forWrites(
			statement{&s.touch, `INSERT INTO series (name, last) VALUES (?1, ?2)
				ON CONFLICT (name) DO UPDATE SET last = max(last, ?2) RETURNING id`},
			statement{&s.merge, `INSERT INTO series_minutes (series_id, minute, count, sum, min, max) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
				ON CONFLICT (series_id, minute) DO UPDATE SET
				count = count + ?3, sum = sum + ?4, min = min(min, ?5), max = max(max, ?6)`},
			statement{&s.expire, `DELETE FROM series_minutes WHERE series_id = ?1 AND minute IN
				(SELECT minute FROM series_minutes WHERE series_id = ?1 AND minute < ?2 ORDER BY minute LIMIT ?3)`},
			statement{&s.forget, `DELETE FROM series WHERE id = ?1 AND NOT EXISTS
				(SELECT 1 FROM series_minutes WHERE series_id = ?1)`},
			statement{&s.clear[0], `DELETE FROM series_minutes`},
			statement{&s.clear[1], `DELETE FROM series`},
		),
		db.forReads(
			statement{&s.read, `SELECT ?2 + (m.minute - ?2) / ?4 * ?4, sum(m.count), sum(m.sum), min(m.min), max(m.max)
				FROM series s JOIN series_minutes m ON m.series_id = s.id
				WHERE s.name = ?1 AND m.minute >= ?2 AND m.minute < ?3 GROUP BY (m.minute - ?2) / ?4 ORDER BY 1`},
			statement{&s.list, `SELECT name, last FROM series WHERE name > ?1 AND name >= ?2 AND (?3 IS NULL OR name < ?3)
				AND last >= ?4 ORDER BY name LIMIT ?5`},
			statement{&s.old, `SELECT s.id FROM series s WHERE
				(SELECT min(minute) FROM series_minutes WHERE series_id = s.id) < ?1`},
		),
	)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func minuteOf(t time.Time) int64 {
	s := t.Unix()
	if s < 0 {
		s -= 59
	}
	return s / 60
}

// minuteFrom is the first minute that does not begin before t.
func minuteFrom(t time.Time) int64 { return minuteOf(t.Add(time.Minute - time.Nanosecond)) }

// Add implements [store.Series].
func (s *Series) Add(ctx context.Context, samples []store.Sample) error {
	if err := store.CheckSamples(samples); err != nil || len(samples) == 0 {
		return err
	}
	// The caller may use its slice again when ctx has ended its wait.
	own := append([]store.Sample(nil), samples...)
	return s.db.writer.do(ctx, &request{size: 100 * len(own), apply: func() error {
		for i := range own {
			m := &own[i]
			if m.Count == 0 {
				continue
			}
			var id int64
			minute := minuteOf(m.Time)
			if err := s.touch.QueryRow([]byte(m.Series), minute).Scan(&id); err != nil {
				return fmt.Errorf("add to series %q: %w", m.Series, err)
			}
			if _, err := s.merge.Exec(id, minute, m.Count, m.Sum, m.Min, m.Max); err != nil {
				return fmt.Errorf("add to series %q: %w", m.Series, err)
			}
		}
		return nil
	}})
}

// Read implements [store.Series].
func (s *Series) Read(ctx context.Context, q store.SeriesQuery) (_ []store.Point, err error) {
	if err := store.CheckSeriesQuery(&q); err != nil {
		return nil, err
	}
	rows, err := s.read.QueryContext(ctx, []byte(q.Series), minuteFrom(q.Start), minuteFrom(q.End), int64(q.Period/time.Minute))
	if err != nil {
		return nil, s.db.explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var out []store.Point
	for rows.Next() {
		var p store.Point
		var minute int64
		if err := rows.Scan(&minute, &p.Count, &p.Sum, &p.Min, &p.Max); err != nil {
			return nil, s.db.explain(err)
		}
		p.Time = time.Unix(minute*60, 0)
		out = append(out, p)
	}
	return out, s.db.explain(rows.Err())
}

// List implements [store.Series].
func (s *Series) List(ctx context.Context, prefix, after string, since time.Time, limit int) (_ []store.SeriesInfo, err error) {
	if limit <= 0 {
		limit = -1
	}
	var end any
	if bound, ok := prefixEnd(prefix); ok {
		end = bound
	}
	rows, err := s.list.QueryContext(ctx, []byte(after), []byte(prefix), end, minuteOf(since), limit)
	if err != nil {
		return nil, s.db.explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var out []store.SeriesInfo
	for rows.Next() {
		var name []byte
		var last int64
		if err := rows.Scan(&name, &last); err != nil {
			return nil, s.db.explain(err)
		}
		out = append(out, store.SeriesInfo{Name: string(name), Last: time.Unix(last*60, 0)})
	}
	return out, s.db.explain(rows.Err())
}

// Expire implements [store.Series]. It deletes in small transactions, so that it
// does not stand before other writes.
func (s *Series) Expire(ctx context.Context, before time.Time) error {
	ids, err := s.aged(ctx, minuteFrom(before))
	if err != nil {
		return err
	}
	for _, id := range ids {
		for deleted := int64(expireRows); deleted == expireRows; {
			err := s.db.writer.do(ctx, &request{apply: func() error {
				result, err := s.expire.Exec(id, minuteFrom(before), expireRows)
				if err != nil {
					return fmt.Errorf("expire series: %w", err)
				}
				if deleted, err = result.RowsAffected(); err != nil {
					return err
				}
				_, err = s.forget.Exec(id)
				return err
			}})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// aged returns the series that have something older than a minute.
func (s *Series) aged(ctx context.Context, before int64) (ids []int64, err error) {
	rows, err := s.old.QueryContext(ctx, before)
	if err != nil {
		return nil, s.db.explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, s.db.explain(err)
		}
		ids = append(ids, id)
	}
	return ids, s.db.explain(rows.Err())
}

// Reset deletes every series.
func (s *Series) Reset(ctx context.Context) error {
	return s.db.writer.do(ctx, &request{apply: func() error {
		for _, stmt := range s.clear {
			if _, err := stmt.Exec(); err != nil {
				return fmt.Errorf("delete the series: %w", err)
			}
		}
		return nil
	}})
}
