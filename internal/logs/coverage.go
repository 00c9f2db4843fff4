package logs

import "github.com/paddock-run/paddock/internal/coverage"

// Settings says what becomes of the settings that have no full effect.
var Settings = []coverage.Setting{
	{Operation: "CreateLogGroup", Setting: "kmsKeyId", Status: coverage.Refused, Note: "Log groups are not encrypted."},
	{Operation: "CreateLogGroup", Setting: "logGroupClass", Status: coverage.Refused, Note: "Only STANDARD is taken."},
	{Operation: "CreateLogGroup", Setting: "deletionProtectionEnabled", Status: coverage.Refused, Note: "Only false is taken."},
	{Operation: "DescribeLogGroups", Setting: "accountIdentifiers, includeLinkedAccounts", Status: coverage.Works, Note: "There are no linked accounts: the caller's own groups are listed."},
	{Operation: "PutLogEvents", Setting: "entity", Status: coverage.Refused, Note: "The events are stored; the answer says in rejectedEntityInfo that the entity was not."},
	{Operation: "PutLogEvents", Setting: "sequenceToken", Status: coverage.Works, Note: "Ignored, as AWS does since 2023."},
	{Operation: "FilterLogEvents", Setting: "filterPattern", Status: coverage.Works, Note: "Terms, phrases, ?optional, -excluded and %regular expressions%. Patterns for JSON and space-delimited events are refused."},
	{Operation: "FilterLogEvents", Setting: "interleaved", Status: coverage.Works, Note: "Events of several streams are always in order of time, as on AWS since 2019."},
	{Operation: "GetLogEvents, FilterLogEvents", Setting: "unmask", Status: coverage.Works, Note: "There are no data protection policies: nothing is masked."},
}
