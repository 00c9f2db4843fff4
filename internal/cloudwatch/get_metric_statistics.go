package cloudwatch

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	api "github.com/paddock-run/paddock/internal/api/cloudwatch"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store"
)

// maxDatapoints is how many data points GetMetricStatistics returns.
const maxDatapoints = 1440

// GetMetricStatistics returns a metric's statistics. Periods are counted from
// StartTime's minute.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
func (s *Service) GetMetricStatistics(ctx context.Context, in *api.GetMetricStatisticsInput) (*api.GetMetricStatisticsOutput, error) {
	if len(in.ExtendedStatistics) > 0 {
		return nil, unsupported("ExtendedStatistics (percentiles)")
	}
	if len(in.Statistics) == 0 {
		return nil, combination("At least one of the parameters ExtendedStatistics and Statistics must be specified.")
	}
	if err := checkDimensions("", in.Dimensions); err != nil {
		return nil, err
	}
	period, err := checkPeriod("Period", *in.Period)
	if err != nil {
		return nil, err
	}
	start, end := in.StartTime.Truncate(time.Minute), *in.EndTime
	if !start.Before(end) {
		return nil, combination("The parameter StartTime must be less than the parameter EndTime.")
	}
	if n := int64(math.Ceil(float64(end.Sub(start)) / float64(period))); n > maxDatapoints {
		return nil, combination("You have requested up to %d datapoints, which exceeds the limit of %d. You may reduce the datapoints requested by increasing Period, or decreasing the time range.", n, maxDatapoints)
	}
	found, err := s.units(ctx, *in.Namespace, *in.MetricName, in.Dimensions, in.Unit)
	if err != nil {
		return nil, err
	}
	out := &api.GetMetricStatisticsOutput{Label: in.MetricName, Datapoints: []*api.Datapoint{}}
	for _, series := range found {
		points, err := s.series.Read(ctx, store.SeriesQuery{Series: series, Start: start, End: end, Period: period})
		if err != nil {
			return nil, err
		}
		_, unit, _ := strings.Cut(series, unitMark)
		for _, p := range points {
			d := &api.Datapoint{Timestamp: new(p.Time.UTC()), Unit: new(api.StandardUnit(unit))}
			for _, stat := range in.Statistics {
				v := new(statistic(p.Statistics, string(stat)))
				switch stat {
				case api.StatisticSampleCount:
					d.SampleCount = v
				case api.StatisticAverage:
					d.Average = v
				case api.StatisticSum:
					d.Sum = v
				case api.StatisticMinimum:
					d.Minimum = v
				case api.StatisticMaximum:
					d.Maximum = v
				}
			}
			out.Datapoints = append(out.Datapoints, d)
		}
	}
	slices.SortStableFunc(out.Datapoints, func(a, b *api.Datapoint) int { return a.Timestamp.Compare(*b.Timestamp) })
	return out, nil
}

// checkPeriod reads a period in seconds. Values are kept by the minute.
func checkPeriod(parameter string, seconds int32) (time.Duration, error) {
	switch {
	case seconds == 1 || seconds == 5 || seconds == 10 || seconds == 20 || seconds == 30:
		return 0, unsupported("periods of less than a minute")
	case seconds < 60 || seconds%60 != 0:
		return 0, invalid("The parameter %s must be a multiple of 60.", parameter)
	}
	return time.Duration(seconds) * time.Second, nil
}

// statistic is one of the five statistics by its name, and 0 for others.
func statistic(s store.Statistics, name string) float64 {
	switch api.Statistic(name) {
	case api.StatisticSampleCount:
		return s.Count
	case api.StatisticAverage:
		return s.Sum / s.Count
	case api.StatisticSum:
		return s.Sum
	case api.StatisticMinimum:
		return s.Min
	case api.StatisticMaximum:
		return s.Max
	}
	return 0
}

// units returns the names of a metric's series: one for each unit that values
// were given in, or that of the unit. What was recorded by now is in the store.
func (s *Service) units(ctx context.Context, namespace, name string, dimensions []*api.Dimension, unit *api.StandardUnit) ([]string, error) {
	if err := s.flush(ctx); err != nil {
		return nil, err
	}
	id := identity.Of(ctx)
	prefix := metricPrefix(id.Account, id.Region, namespace, name, dimensionsOf(dimensions))
	if unit != nil {
		return []string{prefix + string(*unit)}, nil
	}
	found, err := s.series.List(ctx, prefix, "", time.Time{}, 0)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(found))
	for i, f := range found {
		names[i] = f.Name
	}
	return names, nil
}
