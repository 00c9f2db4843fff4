package cloudwatch

import (
	"context"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	api "github.com/paddock-run/paddock/internal/api/cloudwatch"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store"
)

const (
	maxQueries        = 500
	maxDataDatapoints = 100_800
)

var queryID = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]*$`)

// GetMetricData returns the values of metrics. Periods are counted from midnight
// UTC, or another multiple of them; a first one that StartTime lies in is whole.
// Metric math is refused.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
func (s *Service) GetMetricData(ctx context.Context, in *api.GetMetricDataInput) (*api.GetMetricDataOutput, error) {
	limit := maxDataDatapoints
	if in.MaxDatapoints != nil {
		if limit = int(*in.MaxDatapoints); limit < 1 || limit > maxDataDatapoints {
			return nil, validation("MaxDatapoints must be between 1 and %d.", maxDataDatapoints)
		}
	}
	skip, err := readToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	if !in.StartTime.Before(*in.EndTime) {
		return nil, validation("The parameter StartTime must be less than the parameter EndTime.")
	}
	if err := checkQueries(ctx, in.MetricDataQueries); err != nil {
		return nil, err
	}
	out := &api.GetMetricDataOutput{MetricDataResults: []*api.MetricDataResult{}, Messages: []*api.MessageData{}}
	passed := 0 // data points that were before this page, or are on it
	for _, q := range in.MetricDataQueries {
		if q.ReturnData != nil && !*q.ReturnData {
			continue
		}
		points, err := s.query(ctx, q.MetricStat, *in.StartTime, *in.EndTime)
		if err != nil {
			return nil, err
		}
		if in.ScanBy == nil || *in.ScanBy == api.ScanByTimestampDescending {
			slices.Reverse(points)
		}
		label := *q.MetricStat.Metric.MetricName
		if q.Label != nil {
			label = *q.Label
		}
		result := &api.MetricDataResult{Id: q.Id, Label: &label, Timestamps: []time.Time{}, Values: []float64{}, StatusCode: new(api.StatusCodeComplete)}
		for _, p := range points {
			if passed++; passed <= skip {
				continue
			}
			if passed > skip+limit {
				result.StatusCode = new(api.StatusCodePartialData)
				out.NextToken = new(base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(skip + limit))))
				break
			}
			result.Timestamps = append(result.Timestamps, p.Time.UTC())
			result.Values = append(result.Values, statistic(p.Statistics, *q.MetricStat.Stat))
		}
		out.MetricDataResults = append(out.MetricDataResults, result)
		if out.NextToken != nil {
			break
		}
	}
	return out, nil
}

// readToken returns how many data points were on the pages before.
func readToken(token *string) (int, error) {
	if token == nil {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(*token)
	if err == nil {
		if n, err := strconv.Atoi(string(b)); err == nil && n > 0 {
			return n, nil
		}
	}
	return 0, &api.InvalidNextToken{Message: new("The next token is not valid.")}
}

// checkQueries refuses what is wrong with queries, and what there is not.
func checkQueries(ctx context.Context, queries []*api.MetricDataQuery) error {
	if len(queries) == 0 || len(queries) > maxQueries {
		return validation("The collection MetricDataQueries must have 1 to %d members.", maxQueries)
	}
	ids, returned := map[string]bool{}, false
	for i, q := range queries {
		where := fmt.Sprintf("MetricDataQueries.member.%d.", i+1)
		switch {
		case !queryID.MatchString(*q.Id):
			return validation("The value %s for parameter %sId is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$.", *q.Id, where)
		case ids[*q.Id]:
			return validation("The values for parameter id in MetricDataQueries are not unique.")
		case q.Expression != nil && q.MetricStat != nil:
			return validation("The parameters %sExpression and %sMetricStat are mutually exclusive and you have specified both.", where, where)
		case q.Expression != nil:
			return unsupported("metric math: " + where + "Expression")
		case q.MetricStat == nil:
			return validation("Either %sExpression or %sMetricStat must be specified.", where, where)
		case q.AccountId != nil && *q.AccountId != identity.Of(ctx).Account:
			return unsupported("metrics of other accounts: " + where + "AccountId")
		case q.Period != nil:
			return validation("The parameter %sPeriod goes with an Expression; a MetricStat has its own.", where)
		}
		ids[*q.Id] = true
		returned = returned || q.ReturnData == nil || *q.ReturnData
		m := q.MetricStat
		if m.Metric.MetricName == nil || m.Metric.Namespace == nil {
			return validation("The parameters %sMetricStat.Metric.Namespace and MetricName are required.", where)
		}
		if err := checkDimensions(where+"MetricStat.Metric.", m.Metric.Dimensions); err != nil {
			return err
		}
		if _, err := checkPeriod(where+"MetricStat.Period", *m.Period); err != nil {
			return err
		}
		switch api.Statistic(*m.Stat) {
		case api.StatisticSampleCount, api.StatisticAverage, api.StatisticSum, api.StatisticMinimum, api.StatisticMaximum:
		default:
			return unsupported("the statistic " + *m.Stat)
		}
	}
	if !returned {
		return validation("At least one of MetricDataQueries must have ReturnData true.")
	}
	return nil
}

// query returns a metric's points, values of all units together.
func (s *Service) query(ctx context.Context, m *api.MetricStat, start, end time.Time) ([]store.Point, error) {
	found, err := s.units(ctx, *m.Metric.Namespace, *m.Metric.MetricName, m.Metric.Dimensions, m.Unit)
	if err != nil {
		return nil, err
	}
	period := time.Duration(*m.Period) * time.Second
	from := time.Unix(start.Unix()-start.Unix()%int64(*m.Period), 0)
	var out []store.Point
	for _, series := range found {
		points, err := s.series.Read(ctx, store.SeriesQuery{Series: series, Start: from, End: end, Period: period})
		if err != nil {
			return nil, err
		}
		out = append(out, points...)
	}
	slices.SortStableFunc(out, func(a, b store.Point) int { return a.Time.Compare(b.Time) })
	merged := out[:0]
	for _, p := range out {
		if n := len(merged); n > 0 && merged[n-1].Time.Equal(p.Time) {
			merged[n-1].Merge(p.Statistics)
			continue
		}
		merged = append(merged, p)
	}
	return merged, nil
}
