package apigateway

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/restapi"
)

// Usage is the record of what keys used of their plans, which the data plane
// keeps.
type Usage interface {
	// Use returns what a key, or every key where keyID is empty, used of a plan on
	// the days from…to (midnights UTC, both included): at most one Use for a key
	// and day, none for a day without requests.
	Use(ctx context.Context, account, region, planID, keyID string, from, to time.Time) ([]restapi.Use, error)
	// SetRemaining sets what a key has left of a plan's quota in the period that
	// today is in.
	SetRemaining(ctx context.Context, account, region, planID, keyID string, remaining int64) error
}

// usageBox lets the record be set after the service is made: the data plane is
// made from the service.
type usageBox struct {
	mu    sync.RWMutex
	usage Usage
}

// SetUsage sets where usage is read from. Without it no key has used anything,
// and quotas cannot be extended.
func (s *Service) SetUsage(u Usage) {
	s.usage.mu.Lock()
	defer s.usage.mu.Unlock()
	s.usage.usage = u
}

func (s *Service) theUsage() Usage {
	s.usage.mu.RLock()
	defer s.usage.mu.RUnlock()
	return s.usage.usage
}

// maxUsageDays is how far apart the dates of GetUsage may be.
const maxUsageDays = 90

// GetUsage returns what the keys of a usage plan, or one of them, used on each
// day from startDate to endDate ("2026-01-31", both included, at most 90 days):
// pairs of requests made and requests left.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetUsage.html
func (s *Service) GetUsage(ctx context.Context, in *api.GetUsageRequest) (*api.Usage, error) {
	p, _, err := usagePlans.get(ctx, s, *in.UsagePlanId)
	if err != nil {
		return nil, err
	}
	from, to, err := usageDates(*in.StartDate, *in.EndDate)
	if err != nil {
		return nil, err
	}
	var ids []string
	if in.KeyId != nil {
		k, err := s.planKey(ctx, p.ID, *in.KeyId)
		if err != nil {
			return nil, err
		}
		ids = []string{k.ID}
	} else {
		keys, err := s.keysOf(ctx, p.ID)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			ids = append(ids, k.ID)
		}
	}
	ids, next, err := page(ids, func(id string) string { return id }, in.Position, in.Limit)
	if err != nil {
		return nil, err
	}
	uses, err := s.use(ctx, p.ID, text(in.KeyId), from, to)
	if err != nil {
		return nil, err
	}
	return usageView(p, *in.StartDate, *in.EndDate, next, ids, uses, from, to), nil
}

func (s *Service) use(ctx context.Context, planID, keyID string, from, to time.Time) ([]restapi.Use, error) {
	u := s.theUsage()
	if u == nil {
		return nil, nil
	}
	me := identity.Of(ctx)
	return u.Use(ctx, me.Account, me.Region, planID, keyID, from, to)
}

func usageDates(start, end string) (from, to time.Time, err error) {
	from, errFrom := time.Parse(time.DateOnly, start)
	to, errTo := time.Parse(time.DateOnly, end)
	switch {
	case errFrom != nil:
		err = badRequest("Invalid start date specified: %s", start)
	case errTo != nil:
		err = badRequest("Invalid end date specified: %s", end)
	case to.Before(from):
		err = badRequest("Start date must be before the end date")
	case to.Sub(from) >= maxUsageDays*24*time.Hour:
		err = badRequest("Usage can be requested for at most %d days", maxUsageDays)
	}
	return from, to, err
}

// usageView is each key's use by day. On a day without requests what is left is
// what the day before had, or the whole quota where a period begins.
func usageView(p *usagePlan, start, end string, next *string, ids []string, uses []restapi.Use, from, to time.Time) *api.Usage {
	out := &api.Usage{UsagePlanId: &p.ID, StartDate: &start, EndDate: &end, Position: next, Items: map[string][][]int64{}}
	used := map[string]map[time.Time]restapi.Use{}
	for _, u := range uses {
		if used[u.KeyID] == nil {
			used[u.KeyID] = map[time.Time]restapi.Use{}
		}
		used[u.KeyID][u.Day.UTC()] = u
	}
	for _, id := range ids {
		var days [][]int64
		var left int64
		for day := from; !day.After(to); day = day.AddDate(0, 0, 1) {
			if p.Quota != nil && (day.Equal(from) || periodBegins(p.Quota, day)) {
				left = int64(p.Quota.Limit)
			}
			u, ok := used[id][day]
			if ok {
				left = u.Remaining
			}
			days = append(days, []int64{u.Used, left})
		}
		out.Items[id] = days
	}
	return out
}

// periodBegins says whether a quota's period begins on a day: weeks on Sunday,
// months on their first.
func periodBegins(q *restapi.Quota, day time.Time) bool {
	switch q.Period {
	case "WEEK":
		return day.Weekday() == time.Sunday
	case "MONTH":
		return day.Day() == 1
	}
	return true
}

// UpdateUsage gives a key more, or less, of a plan's quota in the present
// period: it replaces /remaining.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateUsage.html
func (s *Service) UpdateUsage(ctx context.Context, in *api.UpdateUsageRequest) (*api.Usage, error) {
	k, err := s.planKey(ctx, *in.UsagePlanId, *in.KeyId)
	if err != nil {
		return nil, err
	}
	p, _, err := usagePlans.get(ctx, s, *in.UsagePlanId)
	if err != nil {
		return nil, err
	}
	if p.Quota == nil {
		return nil, badRequest("Usage Plan %s has no quota", p.ID)
	}
	remaining := int64(-1)
	err = patchTable{{path: "/remaining", replace: func(_, value string) error {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			return badRequest("Invalid patch value '%s' specified for '/remaining'. Must be an integer that is not negative", value)
		}
		remaining = n
		return nil
	}}}.apply(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	today := s.now().UTC().Truncate(24 * time.Hour)
	if remaining >= 0 {
		u := s.theUsage()
		if u == nil {
			return nil, badRequest("Usage is not recorded here: quotas cannot be extended")
		}
		me := identity.Of(ctx)
		if err := u.SetRemaining(ctx, me.Account, me.Region, p.ID, k.ID, remaining); err != nil {
			return nil, err
		}
	}
	uses, err := s.use(ctx, p.ID, k.ID, today, today)
	if err != nil {
		return nil, err
	}
	if remaining >= 0 && !slices.ContainsFunc(uses, func(u restapi.Use) bool { return u.KeyID == k.ID }) {
		uses = append(uses, restapi.Use{PlanID: p.ID, KeyID: k.ID, Day: today, Remaining: remaining})
	}
	date := today.Format(time.DateOnly)
	return usageView(p, date, date, nil, []string{k.ID}, uses, today, today), nil
}
