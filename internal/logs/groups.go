package logs

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/logs"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// CreateLogGroup makes a log group. KMS keys, classes other than STANDARD and
// deletion protection are refused: they would not be kept.
func (s *Service) CreateLogGroup(ctx context.Context, in *api.CreateLogGroupRequest) (*schema.Unit, error) {
	switch {
	case in.KmsKeyId != nil:
		return nil, invalid("Paddock does not encrypt log groups with KMS keys yet")
	case in.LogGroupClass != nil && *in.LogGroupClass != api.LogGroupClassStandard:
		return nil, invalid("Paddock has log groups of the class STANDARD only")
	case in.DeletionProtectionEnabled != nil && *in.DeletionProtectionEnabled:
		return nil, invalid("Paddock does not protect log groups from deletion yet")
	}
	id := identity.Of(ctx)
	err := s.create(ctx, &group{
		Account: id.Account, Region: id.Region, Name: *in.LogGroupName,
		Created: s.now().UnixMilli(), Tags: in.Tags,
	})
	if errors.Is(err, store.ErrConflict) {
		return nil, &api.ResourceAlreadyExistsException{Message: new("The specified log group already exists")}
	}
	return &schema.Unit{}, err
}

// DeleteLogGroup deletes a log group with its streams and events.
func (s *Service) DeleteLogGroup(ctx context.Context, in *api.DeleteLogGroupRequest) (*schema.Unit, error) {
	if err := s.sink.flush(ctx); err != nil {
		return nil, err
	}
	g, err := s.find(ctx, *in.LogGroupName)
	if err != nil {
		return nil, err
	}
	s.births.Lock()
	defer s.births.Unlock()
	revision, err := s.docs.Write(ctx, store.Write{Key: g.key(), If: store.Present})
	if errors.Is(err, store.ErrNotFound) {
		return nil, noGroup()
	}
	if err != nil {
		return nil, err
	}
	if err := s.groups.Apply(store.Document{Key: g.key(), Revision: revision}); err != nil {
		return nil, err
	}
	return &schema.Unit{}, s.events.DeleteGroup(ctx, g.eventsKey())
}

// maxDescribed is the most that one page of groups or streams holds.
const maxDescribed = 50

// DescribeLogGroups lists the groups of the caller's account and region by name.
func (s *Service) DescribeLogGroups(ctx context.Context, in *api.DescribeLogGroupsRequest) (*api.DescribeLogGroupsResponse, error) {
	if in.LogGroupNamePrefix != nil && in.LogGroupNamePattern != nil {
		return nil, invalid("LogGroupNamePrefix and LogGroupNamePattern are mutually exclusive parameters.")
	}
	if err := s.sink.flush(ctx); err != nil {
		return nil, err
	}
	id := identity.Of(ctx)
	root := key(id.Account, id.Region, "")
	prefix, after := root, ""
	if in.LogGroupNamePrefix != nil {
		prefix += *in.LogGroupNamePrefix
	}
	if in.NextToken != nil {
		after = root + *in.NextToken
	}
	wanted, err := identifiers(ctx, in.LogGroupIdentifiers)
	if err != nil {
		return nil, err
	}
	out := &api.DescribeLogGroupsResponse{LogGroups: []*api.LogGroup{}}
	if in.LogGroupClass != nil && *in.LogGroupClass != api.LogGroupClassStandard {
		return out, nil
	}
	limit := maxDescribed
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	for {
		docs, err := s.docs.List(ctx, prefix, after, maxDescribed)
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			after = d.Key
			name := strings.TrimPrefix(d.Key, root)
			if in.LogGroupNamePattern != nil && !strings.Contains(name, *in.LogGroupNamePattern) {
				continue
			}
			if len(wanted) > 0 && !slices.Contains(wanted, name) {
				continue
			}
			if len(out.LogGroups) == limit {
				out.NextToken = out.LogGroups[limit-1].LogGroupName
				return out, nil
			}
			g, err := s.describe(ctx, d)
			if err != nil {
				return nil, err
			}
			out.LogGroups = append(out.LogGroups, g)
		}
		if len(docs) < maxDescribed {
			return out, nil
		}
	}
}

func identifiers(ctx context.Context, ids []string) ([]string, error) {
	var out []string
	for _, id := range ids {
		name, err := groupName(ctx, id)
		if err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	return out, nil
}

func (s *Service) describe(ctx context.Context, d store.Document) (*api.LogGroup, error) {
	var g group
	if err := json.Unmarshal(d.Value, &g); err != nil {
		return nil, err
	}
	bytes, err := s.events.StoredBytes(ctx, g.eventsKey())
	if err != nil {
		return nil, err
	}
	out := &api.LogGroup{
		LogGroupName:              &g.Name,
		CreationTime:              &g.Created,
		MetricFilterCount:         new(int32(0)),
		Arn:                       new(g.arn() + ":*"),
		LogGroupArn:               new(g.arn()),
		StoredBytes:               &bytes,
		LogGroupClass:             new(api.LogGroupClassStandard),
		DeletionProtectionEnabled: new(false),
	}
	if g.RetentionDays != 0 {
		out.RetentionInDays = &g.RetentionDays
	}
	return out, nil
}
