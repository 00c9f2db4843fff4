package cloudwatch

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	api "github.com/paddock-run/paddock/internal/api/cloudwatch"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/metrics"
)

const (
	listed       = 500                 // metrics of a page
	listedSince  = 14 * 24 * time.Hour // that had values lately
	recently     = 3 * time.Hour
	listedAtOnce = 2000 // series that are asked of the store at once
)

// ListMetrics lists metrics that had values in the past two weeks.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListMetrics.html
func (s *Service) ListMetrics(ctx context.Context, in *api.ListMetricsInput) (*api.ListMetricsOutput, error) {
	id := identity.Of(ctx)
	out := &api.ListMetricsOutput{Metrics: []*api.Metric{}}
	if in.OwningAccount != nil && *in.OwningAccount != id.Account {
		return nil, unsupported("metrics of other accounts: OwningAccount")
	}
	since := time.Now().Add(-listedSince)
	if in.RecentlyActive != nil {
		since = time.Now().Add(-recently)
	}
	prefix := scopePrefix(id.Account, id.Region)
	if in.Namespace != nil {
		prefix += *in.Namespace + partEnd
		if in.MetricName != nil {
			prefix += *in.MetricName + partEnd
		}
	}
	after := ""
	if in.NextToken != nil {
		b, err := base64.RawURLEncoding.DecodeString(*in.NextToken)
		if after = string(b); err != nil || !strings.HasPrefix(after, prefix) {
			return nil, invalid("The value %s for parameter NextToken is invalid.", *in.NextToken)
		}
	}
	if err := s.flush(ctx); err != nil {
		return nil, err
	}
	for {
		found, err := s.series.List(ctx, prefix, after, since, listedAtOnce)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			if f.Name <= after {
				continue // the same metric in another unit
			}
			metric, ok := parseName(f.Name)
			after, _, _ = strings.Cut(f.Name, unitMark)
			after += unitMark + "\xff"
			if !ok || in.MetricName != nil && metric.Name != *in.MetricName || !matches(metric.Dimensions, in.Dimensions) {
				continue
			}
			if len(out.Metrics) == listed {
				last := out.Metrics[listed-1]
				token := metricPrefix(id.Account, id.Region, *last.Namespace, *last.MetricName, dimensionsOf(last.Dimensions)) + "\xff"
				out.NextToken = new(base64.RawURLEncoding.EncodeToString([]byte(token)))
				return out, nil
			}
			out.Metrics = append(out.Metrics, shown(metric))
			if in.IncludeLinkedAccounts != nil && *in.IncludeLinkedAccounts {
				out.OwningAccounts = append(out.OwningAccounts, id.Account)
			}
		}
		if len(found) < listedAtOnce {
			return out, nil
		}
	}
}

func shown(id metrics.ID) *api.Metric {
	m := &api.Metric{Namespace: new(id.Namespace), MetricName: new(id.Name), Dimensions: []*api.Dimension{}}
	for _, d := range id.Dimensions {
		m.Dimensions = append(m.Dimensions, &api.Dimension{Name: new(d.Name), Value: new(d.Value)})
	}
	return m
}

// matches says whether a metric has all the dimensions that filters name.
func matches(dimensions []metrics.Dimension, filters []*api.DimensionFilter) bool {
	for _, f := range filters {
		if !slices.ContainsFunc(dimensions, func(d metrics.Dimension) bool {
			return d.Name == *f.Name && (f.Value == nil || d.Value == *f.Value)
		}) {
			return false
		}
	}
	return true
}
