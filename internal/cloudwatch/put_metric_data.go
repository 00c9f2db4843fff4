package cloudwatch

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	api "github.com/paddock-run/paddock/internal/api/cloudwatch"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/metrics"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// Limits of a request.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html
const (
	maxData       = 1000
	maxValues     = 150
	maxDimensions = 30
	oldestData    = 14 * 24 * time.Hour
	newestData    = 2 * time.Hour
	largestValue  = 0x1p360
)

// PutMetricData adds values to metrics, and answers when they are durable.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
func (s *Service) PutMetricData(ctx context.Context, in *api.PutMetricDataInput) (*schema.Unit, error) {
	if strings.HasPrefix(*in.Namespace, "AWS/") {
		return nil, invalid("The value AWS/ for parameter Namespace is invalid.")
	}
	if err := checkText("Namespace", *in.Namespace); err != nil {
		return nil, err
	}
	data := in.MetricData
	for _, e := range in.EntityMetricData {
		data = append(data[:len(data):len(data)], e.MetricData...)
	}
	switch {
	case len(data) == 0:
		return nil, missing("MetricData")
	case len(data) > maxData:
		return nil, invalid("The collection MetricData must not have a size greater than %d.", maxData)
	}
	id := identity.Of(ctx)
	now := time.Now()
	samples := make([]store.Sample, 0, len(data))
	for i, d := range data {
		sample, err := readDatum(fmt.Sprintf("MetricData.member.%d", i+1), d, now)
		if err != nil {
			return nil, err
		}
		unit := ""
		if d.Unit != nil {
			unit = string(*d.Unit)
		}
		sample.Series = seriesName(metrics.ID{Account: id.Account, Region: id.Region, Namespace: *in.Namespace,
			Name: *d.MetricName, Unit: unit, Dimensions: dimensionsOf(d.Dimensions)})
		samples = append(samples, sample)
	}
	if err := s.series.Add(ctx, samples); err != nil {
		return nil, err
	}
	return &schema.Unit{}, nil
}

func dimensionsOf(in []*api.Dimension) []metrics.Dimension {
	out := make([]metrics.Dimension, len(in))
	for i, d := range in {
		out[i] = metrics.Dimension{Name: *d.Name, Value: *d.Value}
	}
	return out
}

// checkDimensions checks the dimensions of a metric. where names it in errors.
func checkDimensions(where string, in []*api.Dimension) error {
	if len(in) > maxDimensions {
		return invalid("The collection %sDimensions must not have a size greater than %d.", where, maxDimensions)
	}
	seen := map[string]bool{}
	for i, d := range in {
		at := fmt.Sprintf("%sDimensions.member.%d.", where, i+1)
		if err := checkText(at+"Name", *d.Name); err != nil {
			return err
		}
		if err := checkText(at+"Value", *d.Value); err != nil {
			return err
		}
		if seen[*d.Name] {
			return invalid("No dimension may be specified more than once: %s.", *d.Name)
		}
		seen[*d.Name] = true
	}
	return nil
}

// checkText refuses what CloudWatch does: control characters, and blank texts.
func checkText(parameter, text string) error {
	if strings.TrimSpace(text) == "" {
		return invalid("The parameter %s must not be blank.", parameter)
	}
	for _, r := range text {
		if r < ' ' || r == 0x7f {
			return invalid("The parameter %s has a control character.", parameter)
		}
	}
	return nil
}

// readDatum checks a datum, and adds its values up.
func readDatum(where string, d *api.MetricDatum, now time.Time) (store.Sample, error) {
	out := store.Sample{Time: now}
	if err := checkText(where+".MetricName", *d.MetricName); err != nil {
		return out, err
	}
	if err := checkDimensions(where+".", d.Dimensions); err != nil {
		return out, err
	}
	if d.StorageResolution != nil && *d.StorageResolution != 1 && *d.StorageResolution != 60 {
		return out, invalid("The value %d for parameter %s.StorageResolution is invalid. It must be 1 or 60.", *d.StorageResolution, where)
	}
	if d.Timestamp != nil {
		out.Time = *d.Timestamp
		switch {
		case now.Sub(out.Time) > oldestData:
			return out, invalid("The parameter %s.Timestamp must specify a time within the past two weeks.", where)
		case out.Time.Sub(now) > newestData:
			return out, invalid("The parameter %s.Timestamp must specify a time no more than two hours in the future.", where)
		}
	}
	var err error
	out.Statistics, err = readValues(where, d)
	return out, err
}

// readValues reads the one of a datum's three ways of giving values.
func readValues(where string, d *api.MetricDatum) (out store.Statistics, err error) {
	switch {
	case d.Value != nil && d.StatisticValues != nil:
		return out, combination("The parameters %s.Value and %s.StatisticValues are mutually exclusive and you have specified both.", where, where)
	case d.Value != nil && len(d.Values) > 0:
		return out, combination("The parameters %s.Value and %s.Values are mutually exclusive and you have specified both.", where, where)
	case d.StatisticValues != nil && len(d.Values) > 0:
		return out, combination("The parameters %s.StatisticValues and %s.Values are mutually exclusive and you have specified both.", where, where)
	case d.Value != nil:
		out = one(*d.Value, 1)
		return out, checkValues(where+".Value", *d.Value)
	case d.StatisticValues != nil:
		set := d.StatisticValues
		out = store.Statistics{Count: *set.SampleCount, Sum: *set.Sum, Min: *set.Minimum, Max: *set.Maximum}
		switch {
		case out.Count < 0:
			return out, invalid("The value %v for parameter %s.StatisticValues.SampleCount is invalid.", out.Count, where)
		case out.Min > out.Max:
			return out, invalid("The parameter %s.StatisticValues.Minimum must be at most its Maximum.", where)
		}
		return out, checkValues(where+".StatisticValues", out.Count, out.Sum, out.Min, out.Max)
	case len(d.Values) == 0:
		return out, missing(where + ".Value")
	case len(d.Values) > maxValues:
		return out, invalid("The collection %s.Values must not have a size greater than %d.", where, maxValues)
	case len(d.Counts) > 0 && len(d.Counts) != len(d.Values):
		return out, combination("The parameters %s.Values and %s.Counts must be of the same size.", where, where)
	}
	if err := checkValues(where+".Values", d.Values...); err != nil {
		return out, err
	}
	if err := checkValues(where+".Counts", d.Counts...); err != nil {
		return out, err
	}
	for i, v := range d.Values {
		n := 1.0
		if len(d.Counts) > 0 {
			if n = d.Counts[i]; n < 0 {
				return out, invalid("The value %v for parameter %s.Counts.member.%d is invalid.", n, where, i+1)
			}
		}
		out.Merge(one(v, n))
	}
	return out, nil
}

// one is a value that there is n times.
func one(v, n float64) store.Statistics {
	return store.Statistics{Count: n, Sum: v * n, Min: v, Max: v}
}

func checkValues(parameter string, values ...float64) error {
	for _, v := range values {
		if math.IsNaN(v) || math.Abs(v) > largestValue {
			return invalid("The value %v for parameter %s is invalid.", v, parameter)
		}
	}
	return nil
}
