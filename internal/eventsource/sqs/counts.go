package sqs

import (
	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/internal/metrics"
)

// counts are the figures of a mapping that are sent where its MetricsConfig
// asks for them.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html#event-source-mapping-metrics
type counts struct{ polled, filtered, invoked, failed, deleted metrics.Series }

func newCounts(m *eventsource.Mapping, to metrics.Recorder) counts {
	if !m.HasMetrics("EventCount") {
		to = metrics.Discard
	}
	series := func(name string) metrics.Series {
		return to.Series(metrics.ID{
			Account: m.Account, Region: m.Region, Namespace: "AWS/Lambda", Name: name, Unit: "Count",
			Dimensions: []metrics.Dimension{{Name: "EventSourceMappingUUID", Value: m.UUID}},
		})
	}
	return counts{
		polled: series("PolledEventCount"), filtered: series("FilteredOutEventCount"), invoked: series("InvokedEventCount"),
		failed: series("FailedInvokeEventCount"), deleted: series("DeletedEventCount"),
	}
}
