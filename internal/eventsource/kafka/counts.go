package kafka

import (
	"strings"

	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/internal/metrics"
)

// counts are a mapping's figures: offsetLag always, the others where its
// MetricsConfig asks for their group.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html#event-source-mapping-metrics
type counts struct {
	// EventCount
	polled, filtered, invoked, failed, dropped, delivered metrics.Series
	// ErrorCount
	pollErrors, invokeErrors, registryErrors, validationErrors, deliveryErrors, commitErrors metrics.Series
	// KafkaMetrics
	maxLag, sumLag metrics.Series

	offsetLag metrics.Series
}

func newCounts(m *eventsource.Mapping, to metrics.Recorder) counts {
	series := func(group, name string) metrics.Series {
		if !m.HasMetrics(group) {
			return metrics.Discard.Series(metrics.ID{})
		}
		return to.Series(metrics.ID{
			Account: m.Account, Region: m.Region, Namespace: "AWS/Lambda", Name: name, Unit: "Count",
			Dimensions: []metrics.Dimension{{Name: "EventSourceMappingUUID", Value: m.UUID}},
		})
	}
	return counts{
		polled: series("EventCount", "PolledEventCount"), filtered: series("EventCount", "FilteredOutEventCount"),
		invoked: series("EventCount", "InvokedEventCount"), failed: series("EventCount", "FailedInvokeEventCount"),
		dropped: series("EventCount", "DroppedEventCount"), delivered: series("EventCount", "OnFailureDestinationDeliveredEventCount"),
		pollErrors: series("ErrorCount", "PollingErrorCount"), invokeErrors: series("ErrorCount", "InvokeErrorCount"),
		registryErrors: series("ErrorCount", "SchemaRegistryErrorCount"), validationErrors: series("ErrorCount", "SchemaValidationErrorCount"),
		deliveryErrors: series("ErrorCount", "OnFailureDestinationDeliveryErrorCount"), commitErrors: series("ErrorCount", "OffsetCommitErrorCount"),
		maxLag: series("KafkaMetrics", "MaxOffsetLag"), sumLag: series("KafkaMetrics", "SumOffsetLag"),
		offsetLag: to.Series(metrics.ID{
			Account: m.Account, Region: m.Region, Namespace: "AWS/Lambda", Name: "OffsetLag", Unit: "Count",
			Dimensions: []metrics.Dimension{{Name: "FunctionName", Value: functionName(m.FunctionARN)}},
		}),
	}
}

// functionName is the function's name in its ARN, with or without a qualifier.
func functionName(arn string) string {
	if parts := strings.Split(arn, ":"); len(parts) > 6 {
		return parts[6]
	}
	return arn
}

// qualifier is the version or alias in a function's ARN; empty: none.
func qualifier(arn string) string {
	if parts := strings.Split(arn, ":"); len(parts) > 7 {
		return parts[7]
	}
	return ""
}
