package logs

import (
	"context"
	"slices"
	"time"

	api "github.com/paddock-run/paddock/internal/api/logs"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// retentions are the numbers of days that PutRetentionPolicy takes.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
var retentions = []int32{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

// PutRetentionPolicy says after how many days a group's events are deleted.
func (s *Service) PutRetentionPolicy(ctx context.Context, in *api.PutRetentionPolicyRequest) (*schema.Unit, error) {
	if !slices.Contains(retentions, *in.RetentionInDays) {
		return nil, invalid("1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: %v", *in.RetentionInDays, retentions)
	}
	return &schema.Unit{}, s.change(ctx, *in.LogGroupName, func(g *group) { g.RetentionDays = *in.RetentionInDays })
}

// DeleteRetentionPolicy lets a group's events stay for ever.
func (s *Service) DeleteRetentionPolicy(ctx context.Context, in *api.DeleteRetentionPolicyRequest) (*schema.Unit, error) {
	return &schema.Unit{}, s.change(ctx, *in.LogGroupName, func(g *group) { g.RetentionDays = 0 })
}

// expireEvery is how often expired events are deleted; reads leave them out
// before that.
const expireEvery = time.Hour

func (s *Service) expire(ctx context.Context) {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for g := range s.groups.Values() {
			if g.RetentionDays == 0 {
				continue
			}
			if err := s.events.Expire(ctx, g.eventsKey(), s.oldest(g)); err != nil && ctx.Err() == nil {
				s.log.Error("expired log events cannot be deleted", "group", g.Name, "error", err)
			}
		}
	}
}

// oldest is the time before which a group's events have expired; zero: none.
func (s *Service) oldest(g *group) time.Time {
	if g.RetentionDays == 0 {
		return time.Time{}
	}
	return s.now().AddDate(0, 0, -int(g.RetentionDays))
}
