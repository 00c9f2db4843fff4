package cloudwatch

import "github.com/paddock-run/paddock/internal/coverage"

// Settings says what becomes of the settings that have no full effect.
var Settings = []coverage.Setting{
	{Operation: "PutMetricData", Setting: "MetricData.StorageResolution", Status: coverage.Works, Note: "Values are kept by the minute, those of high-resolution metrics too."},
	{Operation: "PutMetricData", Setting: "EntityMetricData.Entity, StrictEntityValidation", Status: coverage.StoredOnly, Note: "The values are taken; entities are not kept."},
	{Operation: "GetMetricStatistics", Setting: "ExtendedStatistics", Status: coverage.Refused, Note: "Distributions of values are not kept: there are no percentiles."},
	{Operation: "GetMetricStatistics, GetMetricData", Setting: "Period", Status: coverage.Works, Note: "Multiples of 60 seconds; shorter ones are refused. Values keep their minute for as long as they are kept: 15 months, or what --metrics-retention says."},
	{Operation: "GetMetricData", Setting: "MetricDataQueries.Expression", Status: coverage.Refused, Note: "There is no metric math."},
	{Operation: "GetMetricData", Setting: "MetricDataQueries.AccountId", Status: coverage.Refused, Note: "The caller's own is taken."},
	{Operation: "GetMetricData", Setting: "MetricDataQueries.Label, LabelOptions", Status: coverage.StoredOnly, Note: "Labels are returned as they are, dynamic ones too."},
	{Operation: "ListMetrics", Setting: "IncludeLinkedAccounts, OwningAccount", Status: coverage.StoredOnly, Note: "There are no linked accounts; another account is refused."},
}
