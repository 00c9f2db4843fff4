package limits

import (
	"maps"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paddock-run/paddock/internal/restapi"
)

// meterID names what is metered: the use that a key makes of a plan.
type meterID struct{ account, region, plan, key string }

func (id meterID) path() string { return id.account + "/" + id.region + "/" + id.plan + "/" + id.key }

// day counts days (UTC) since 1970.
type day int64

func dayOf(t time.Time) day { return day(t.Unix() / 86400) }

func (d day) time() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// month is the "2026-01" that a day is in.
func (d day) month() string { return d.time().Format("2006-01") }

// begins is the first day of the quota's period that a day is in: weeks begin on
// Sunday, months on their first.
func (d day) begins(period string) day {
	switch period {
	case "WEEK":
		return d - day(d.time().Weekday())
	case "MONTH":
		return d - day(d.time().Day()-1)
	}
	return d
}

// use is what was used on a day, and what the quota had left at its end.
type use struct{ Used, Remaining int64 }

// month is the document of a meter's month.
type month struct {
	Days     map[day]use
	revision int64 // 0: not stored yet
}

// allowance is the document of what a meter's quota has besides its limit.
type allowance struct {
	First   day   // of use
	Period  day   // the first day of the period that Granted is for
	Granted int64 // requests more (or less) than the quota says
}

// meter counts what a key uses of a plan. take is all that requests call: it
// takes the lock only when the day or the quota changes.
type meter struct {
	id        meterID
	allowance func() allowance

	quota   atomic.Pointer[restapi.Quota]
	today   atomic.Int64
	used    atomic.Int64 // in the quota's period
	limit   atomic.Int64 // of used
	pending atomic.Int64 // of today, not yet written

	mu     sync.Mutex
	past   map[day]int64     // of days before, not yet written
	months map[string]*month // as written: this one and the last
}

func newMeter(id meterID, a func() allowance) *meter {
	m := &meter{id: id, allowance: a, past: map[day]int64{}, months: map[string]*month{}}
	m.limit.Store(math.MaxInt64)
	return m
}

// take counts a request, or says that the quota (nil: there is none) is used up.
func (m *meter) take(q *restapi.Quota, now time.Time) bool {
	if today := dayOf(now); m.today.Load() != int64(today) || m.quota.Load() != q {
		m.turn(q, today)
	}
	if m.used.Add(1) > m.limit.Load() {
		m.used.Add(-1)
		return false
	}
	m.pending.Add(1)
	return true
}

// giveBack takes a request back that take counted.
func (m *meter) giveBack() {
	m.used.Add(-1)
	m.pending.Add(-1)
}

// turn begins a day, or with another quota.
func (m *meter) turn(q *restapi.Quota, today day) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if was := day(m.today.Load()); was != today {
		if n := m.pending.Swap(0); n != 0 {
			m.past[was] += n
		}
		m.today.Store(int64(today))
	}
	m.quota.Store(q)
	m.count()
}

// count sets what is used and what may be. m.mu is held.
func (m *meter) count() {
	q, today := m.quota.Load(), day(m.today.Load())
	if q == nil {
		m.limit.Store(math.MaxInt64)
		return
	}
	from := today.begins(q.Period)
	used := m.pending.Load() + m.written(from, today)
	for d, n := range m.past {
		if d >= from {
			used += n
		}
	}
	m.used.Store(used)
	m.limit.Store(m.base(q, from) + m.granted(from))
}

// base is a quota's limit in a period: in the first that the key uses, less the
// quota's offset.
// https://docs.aws.amazon.com/apigateway/latest/api/API_QuotaSettings.html
func (m *meter) base(q *restapi.Quota, from day) int64 {
	if first := m.allowance().First; first == 0 || first >= from {
		return int64(q.Limit) - int64(q.Offset)
	}
	return int64(q.Limit)
}

func (m *meter) granted(from day) int64 {
	if a := m.allowance(); a.Period == from {
		return a.Granted
	}
	return 0
}

// written sums what is written of days, both included.
func (m *meter) written(from, to day) int64 {
	var n int64
	for _, mo := range m.months {
		for d, u := range mo.Days {
			if d >= from && d <= to {
				n += u.Used
			}
		}
	}
	return n
}

// unwritten is what is to be written, by day; today stands in it where force is
// set even if nothing was used.
func (m *meter) unwritten(force bool) map[day]int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := maps.Clone(m.past)
	if n := m.pending.Load(); n != 0 || force {
		out[day(m.today.Load())] += n
	}
	return out
}

// next makes the months that stand once deltas are written. m.mu is held.
func (m *meter) next(deltas map[day]int64) map[string]*month {
	out := map[string]*month{}
	for d, n := range deltas {
		name := d.month()
		if out[name] == nil {
			out[name] = &month{Days: map[day]use{}}
			if was := m.months[name]; was != nil {
				out[name].revision = was.revision
				maps.Copy(out[name].Days, was.Days)
			}
		}
		u := out[name].Days[d]
		u.Used = max(0, u.Used+n)
		out[name].Days[d] = u
	}
	if q := m.quota.Load(); q != nil {
		for d := range deltas {
			m.remain(q, d, out)
		}
	}
	return out
}

// remain sets what a day leaves of the quota.
func (m *meter) remain(q *restapi.Quota, d day, months map[string]*month) {
	from := d.begins(q.Period)
	left := m.base(q, from) + m.granted(from)
	for at := from; at <= d; at++ {
		mo := months[at.month()]
		if mo == nil {
			mo = m.months[at.month()]
		}
		if mo != nil {
			left -= mo.Days[at].Used
		}
	}
	days := months[d.month()].Days
	u := days[d]
	u.Remaining = max(0, left)
	days[d] = u
}

// settle takes months that were written, with what they added.
func (m *meter) settle(deltas map[day]int64, months map[string]*month) {
	m.mu.Lock()
	defer m.mu.Unlock()
	today := day(m.today.Load())
	for d, n := range deltas {
		// What was pending when it was read may be of yesterday by now.
		if d == today {
			m.pending.Add(-n)
		} else if m.past[d] -= n; m.past[d] == 0 {
			delete(m.past, d)
		}
	}
	maps.Copy(m.months, months)
	oldest := (today.begins("MONTH") - 1).month()
	maps.DeleteFunc(m.months, func(name string, _ *month) bool { return name < oldest })
	m.count()
}
