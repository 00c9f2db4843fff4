package limits

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/restapi"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/store/snapshot"
)

// Usage is stored as
//
//	apigateway/usage/{2026-01}/{account}/{region}/{plan}/{key}   each day of a month
//	apigateway/allowances/{account}/{region}/{plan}/{key}        what a quota has besides
//
// Months stand first, so that the present one is read in one go and old ones are
// found. Several Paddocks may share a store: what each adds is added up.
const (
	usagePrefix     = "apigateway/usage/"
	allowancePrefix = "apigateway/allowances/"
)

// keptMonths is how long usage is kept.
const keptMonths = 13

// usage is what is recorded.
type usage struct {
	docs       store.Documents
	now        func() time.Time
	allowances *snapshot.Map[allowance]

	mu     sync.Mutex
	meters map[meterID]*meter

	writing sync.Mutex // held while meters are written
	expired string     // the month up to which usage was removed
}

func openUsage(ctx context.Context, docs store.Documents, now func() time.Time, log *slog.Logger) (*usage, error) {
	u := &usage{docs: docs, now: now, meters: map[meterID]*meter{}}
	var err error
	u.allowances, err = snapshot.Open(ctx, docs, allowancePrefix, func(d store.Document) (a allowance, err error) {
		return a, json.Unmarshal(d.Value, &a)
	}, func(err error) { log.Error("the quotas of API keys are not up to date", "error", err) })
	if err != nil {
		return nil, err
	}
	today := dayOf(now())
	for _, name := range []string{(today.begins("MONTH") - 1).month(), today.month()} {
		list, err := docs.List(ctx, usagePrefix+name+"/", "", 0)
		if err != nil {
			return nil, err
		}
		for _, d := range list {
			id, ok := parseID(strings.TrimPrefix(d.Key, usagePrefix+name+"/"))
			mo, err := parseMonth(d)
			if err != nil || !ok {
				return nil, fmt.Errorf("limits: %s is no usage: %w", d.Key, err)
			}
			u.meter(id).months[name] = mo
		}
	}
	return u, u.expire(ctx)
}

func parseID(path string) (meterID, bool) {
	p := strings.Split(path, "/")
	if len(p) != 4 {
		return meterID{}, false
	}
	return meterID{p[0], p[1], p[2], p[3]}, true
}

func parseMonth(d store.Document) (*month, error) {
	m := &month{Days: map[day]use{}, revision: d.Revision}
	return m, json.Unmarshal(d.Value, m)
}

// meter finds a meter, or makes it.
func (u *usage) meter(id meterID) *meter {
	u.mu.Lock()
	defer u.mu.Unlock()
	m := u.meters[id]
	if m == nil {
		key := allowancePrefix + id.path()
		m = newMeter(id, func() allowance {
			a, _ := u.allowances.Get(key)
			return a
		})
		u.meters[id] = m
	}
	return m
}

// batch is how many meters one transaction writes.
const batch = 100

// flush writes what was counted since the last time.
func (u *usage) flush(ctx context.Context) error {
	u.mu.Lock()
	meters := make([]*meter, 0, len(u.meters))
	for _, m := range u.meters {
		meters = append(meters, m)
	}
	u.mu.Unlock()
	return u.write(ctx, meters, false)
}

// change is what is to be written of a meter.
type change struct {
	meter  *meter
	deltas map[day]int64
	months map[string]*month
}

func (u *usage) write(ctx context.Context, meters []*meter, force bool) error {
	u.writing.Lock()
	defer u.writing.Unlock()
	var changes []*change
	for _, m := range meters {
		if deltas := m.unwritten(force); len(deltas) > 0 {
			changes = append(changes, &change{meter: m, deltas: deltas})
		}
	}
	for some := range slices.Chunk(changes, batch) {
		if err := u.writeSome(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

// writeSome adds changes to what is stored. Where another Paddock wrote in the
// meantime, it adds to that.
func (u *usage) writeSome(ctx context.Context, changes []*change) error {
	for {
		writes, err := u.writesOf(changes)
		if err != nil {
			return err
		}
		revision, err := u.docs.Write(ctx, writes...)
		if errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
			if err := u.reread(ctx, changes); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		for _, w := range writes {
			if strings.HasPrefix(w.Key, allowancePrefix) {
				if err := u.allowances.Apply(store.Document{Key: w.Key, Value: w.Value, Revision: revision}); err != nil {
					return err
				}
			}
		}
		for _, c := range changes {
			for _, mo := range c.months {
				mo.revision = revision
			}
			c.meter.settle(c.deltas, c.months)
		}
		return nil
	}
}

func (u *usage) writesOf(changes []*change) ([]store.Write, error) {
	var writes []store.Write
	for _, c := range changes {
		m := c.meter
		m.mu.Lock()
		c.months = m.next(c.deltas)
		m.mu.Unlock()
		for name, mo := range c.months {
			value, err := json.Marshal(mo)
			if err != nil {
				return nil, err
			}
			condition := store.Absent
			if mo.revision != 0 {
				condition = store.AtRevision(mo.revision)
			}
			writes = append(writes, store.Write{Key: usagePrefix + name + "/" + m.id.path(), Value: value, If: condition})
		}
		a := m.allowance()
		if a.First != 0 {
			continue
		}
		for d := range c.deltas {
			if a.First == 0 || d < a.First {
				a.First = d
			}
		}
		w, err := allowanceWrite(m.id, a)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	return writes, nil
}

func allowanceWrite(id meterID, a allowance) (store.Write, error) {
	value, err := json.Marshal(a)
	return store.Write{Key: allowancePrefix + id.path(), Value: value}, err
}

// reread reads the months again that changes are to.
func (u *usage) reread(ctx context.Context, changes []*change) error {
	for _, c := range changes {
		for name := range c.months {
			d, err := u.docs.Get(ctx, usagePrefix+name+"/"+c.meter.id.path())
			var mo *month
			switch {
			case errors.Is(err, store.ErrNotFound):
				mo = &month{Days: map[day]use{}}
			case err != nil:
				return err
			default:
				if mo, err = parseMonth(d); err != nil {
					return err
				}
			}
			c.meter.mu.Lock()
			c.meter.months[name] = mo
			c.meter.mu.Unlock()
		}
	}
	return nil
}

// expire removes usage that is older than keptMonths.
func (u *usage) expire(ctx context.Context) error {
	first := u.now().UTC()
	oldest := time.Date(first.Year(), first.Month()-keptMonths, 1, 0, 0, 0, 0, time.UTC).Format("2006-01")
	if u.expired == oldest {
		return nil
	}
	for {
		list, err := u.docs.List(ctx, usagePrefix, "", batch)
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(d store.Document) bool { return d.Key >= usagePrefix+oldest })
		if len(list) == 0 {
			u.expired = oldest
			return nil
		}
		var writes []store.Write
		for _, d := range list {
			writes = append(writes, store.Write{Key: d.Key})
		}
		if _, err := u.docs.Write(ctx, writes...); err != nil {
			return err
		}
	}
}

// Use returns what a key, or every key where keyID is empty, used of a plan on the
// days from…to (midnights UTC, both included), by key and day; none for a day
// without requests. Usage is kept for 13 months.
func (l *Limits) Use(ctx context.Context, account, region, planID, keyID string, from, to time.Time) ([]restapi.Use, error) {
	u := l.usage
	if err := u.flush(ctx); err != nil {
		return nil, err
	}
	var out []restapi.Use
	first, last := dayOf(from), dayOf(to)
	for at := first; at <= last; at = (at.begins("MONTH") + 31).begins("MONTH") {
		prefix := usagePrefix + at.month() + "/"
		list, err := u.docs.List(ctx, prefix+account+"/"+region+"/"+planID+"/"+keyID, "", 0)
		if err != nil {
			return nil, err
		}
		for _, d := range list {
			id, ok := parseID(strings.TrimPrefix(d.Key, prefix))
			if !ok || keyID != "" && id.key != keyID {
				continue
			}
			mo, err := parseMonth(d)
			if err != nil {
				return nil, err
			}
			for d, use := range mo.Days {
				if d >= first && d <= last {
					out = append(out, restapi.Use{PlanID: planID, KeyID: id.key, Day: d.time(), Used: use.Used, Remaining: use.Remaining})
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b restapi.Use) int {
		if c := strings.Compare(a.KeyID, b.KeyID); c != 0 {
			return c
		}
		return a.Day.Compare(b.Day)
	})
	return out, nil
}

// SetRemaining sets what a key has left of a plan's quota in the period that
// today is in. A plan without a quota has nothing to be set.
func (l *Limits) SetRemaining(ctx context.Context, account, region, planID, keyID string, remaining int64) error {
	plan := l.directory.Plan(account, region, planID)
	if plan == nil || plan.Quota == nil {
		return fmt.Errorf("limits: usage plan %s has no quota", planID)
	}
	u := l.usage
	m := u.meter(meterID{account, region, planID, keyID})
	today := dayOf(l.now())
	m.turn(plan.Quota, today)
	// The entry of today says what is left.
	if err := u.write(ctx, []*meter{m}, true); err != nil {
		return err
	}
	u.writing.Lock()
	from := today.begins(plan.Quota.Period)
	a := m.allowance()
	a.Period, a.Granted = from, remaining-(m.base(plan.Quota, from)-m.used.Load())
	err := u.setAllowance(ctx, m.id, a)
	u.writing.Unlock()
	if err != nil {
		return err
	}
	m.turn(plan.Quota, today)
	return u.write(ctx, []*meter{m}, true)
}

func (u *usage) setAllowance(ctx context.Context, id meterID, a allowance) error {
	w, err := allowanceWrite(id, a)
	if err != nil {
		return err
	}
	revision, err := u.docs.Write(ctx, w)
	if err != nil {
		return err
	}
	return u.allowances.Apply(store.Document{Key: w.Key, Value: w.Value, Revision: revision})
}
