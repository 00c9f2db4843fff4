package e2e

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/paddock-run/paddock/test/sdk"
)

// messages is what a function has logged.
func messages(t *testing.T, c *sdk.Clients, function string) []string {
	t.Helper()
	var out []string
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(c.Logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: new("/aws/lambda/" + function)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(sdk.Context(t))
		if sdk.Code(err) == "ResourceNotFoundException" {
			return nil // nothing was logged yet
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			out = append(out, *e.Message)
		}
	}
	return out
}

func waitForLog(t *testing.T, c *sdk.Clients, function, text string) {
	t.Helper()
	sdk.Eventually(t, function+" logs "+text, func() bool {
		return strings.Contains(strings.Join(messages(t, c, function), ""), text)
	})
}

func TestLogs(t *testing.T) {
	ctx, c := open(t)
	name := c.Create(t, sdk.Python(t, `
import sys
def handler(event, context):
    print("out", event["n"])
    print("err", event["n"], file=sys.stderr)
    return context.log_stream_name
`))
	group := "/aws/lambda/" + name
	stream := decode[string](t, c.Call(t, name, `{"n":1}`))
	c.Call(t, name, `{"n":2}`)
	// The end of an invocation is logged after its caller has the answer.
	sdk.Eventually(t, "both invocations have their REPORT", func() bool {
		return strings.Count(strings.Join(messages(t, c, name), ""), "REPORT RequestId") == 2
	})

	groups, err := c.Logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &group})
	if err != nil {
		t.Fatal(err)
	}
	if len(groups.LogGroups) != 1 || *groups.LogGroups[0].LogGroupName != group {
		t.Fatalf("the log groups are %v", groups.LogGroups)
	}
	streams, err := c.Logs.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: &group, OrderBy: types.OrderByLastEventTime, Descending: new(true)})
	if err != nil {
		t.Fatal(err)
	}
	if len(streams.LogStreams) != 1 || *streams.LogStreams[0].LogStreamName != stream {
		t.Fatalf("the function logs to %s, the streams are %v", stream, streams.LogStreams)
	}

	// From the oldest on, one event a page.
	var got []string
	var token *string
	for {
		page, err := c.Logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: &group, LogStreamName: &stream, StartFromHead: new(true), Limit: new(int32(3)), NextToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			got = append(got, *e.Message)
			if *e.Timestamp == 0 || *e.IngestionTime == 0 {
				t.Errorf("an event has no time: %s", *e.Message)
			}
		}
		if token != nil && *page.NextForwardToken == *token {
			break
		}
		token = page.NextForwardToken
	}
	rest := strings.Join(got, "")
	for _, want := range []string{"START", "out 1", "err 1", "END", "REPORT", "START", "out 2", "err 2", "END", "REPORT"} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("GetLogEvents lacks %q where it should have it:\n%s", want, strings.Join(got, ""))
		}
		rest = after
	}

	filtered, err := c.Logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group, FilterPattern: new(`"out 2"`)})
	if err != nil {
		t.Fatal(err)
	}
	if len(filtered.Events) != 1 || !strings.HasPrefix(*filtered.Events[0].Message, "out 2") || *filtered.Events[0].LogStreamName != stream {
		t.Errorf(`a filter for "out 2" finds %v`, filtered.Events)
	}
	if filtered, err = c.Logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group, EndTime: new(int64(1))}); err != nil {
		t.Fatal(err)
	}
	if len(filtered.Events) != 0 {
		t.Errorf("before 1970 there were %d events", len(filtered.Events))
	}

	if _, err := c.Logs.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: &group}); err != nil {
		t.Fatal(err)
	}
	_, err = c.Logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: &group, LogStreamName: &stream})
	sdk.Expect(t, err, "ResourceNotFoundException", 400)
	c.Call(t, name, `{"n":3}`) // makes the group anew
	waitForLog(t, c, name, "out 3")
}
