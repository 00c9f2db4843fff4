package logs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/paddock-run/paddock/internal/api/logs"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/store/local"
)

const groupName1 = "/aws/lambda/hello"

func setup(t *testing.T) (*Service, context.Context) {
	t.Helper()
	state, err := local.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { state.Close() })
	s, err := New(t.Context(), state.Documents, state.Logs, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s, identity.With(t.Context(), &identity.Identity{Account: "000000000000", Region: "us-east-1"})
}

func ok[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ingest(s *Service, stream string, start time.Time, messages ...string) {
	var events []store.LogEvent
	for i, m := range messages {
		events = append(events, store.LogEvent{Time: start.Add(time.Duration(i) * time.Millisecond), Message: m})
	}
	s.Ingest("000000000000", "us-east-1", groupName1, stream, events)
}

func messages(events []*api.OutputLogEvent) (out []string) {
	for _, e := range events {
		out = append(out, *e.Message)
	}
	return out
}

func filtered(events []*api.FilteredLogEvent) (out []string) {
	for _, e := range events {
		out = append(out, *e.Message)
	}
	return out
}

func TestWhatFunctionsWriteIsReadable(t *testing.T) {
	s, ctx := setup(t)
	now := time.Now()
	ingest(s, "b", now, "one", "two")
	ingest(s, "a", now.Add(time.Second), "three")
	groups := ok[*api.DescribeLogGroupsResponse](t)(s.DescribeLogGroups(ctx, &api.DescribeLogGroupsRequest{LogGroupNamePrefix: new("/aws/lambda/")}))
	if len(groups.LogGroups) != 1 || *groups.LogGroups[0].LogGroupName != groupName1 || *groups.LogGroups[0].StoredBytes == 0 {
		t.Fatalf("groups %+v", groups.LogGroups)
	}
	if want := "arn:aws:logs:us-east-1:000000000000:log-group:" + groupName1 + ":*"; *groups.LogGroups[0].Arn != want {
		t.Errorf("arn %s", *groups.LogGroups[0].Arn)
	}
	streams := ok[*api.DescribeLogStreamsResponse](t)(s.DescribeLogStreams(ctx, &api.DescribeLogStreamsRequest{LogGroupName: new(groupName1), OrderBy: new(api.OrderByLastEventTime), Descending: new(true)}))
	if len(streams.LogStreams) != 2 || *streams.LogStreams[0].LogStreamName != "a" {
		t.Errorf("streams by last event: %+v", streams.LogStreams)
	}
	all := ok[*api.FilterLogEventsResponse](t)(s.FilterLogEvents(ctx, &api.FilterLogEventsRequest{LogGroupIdentifier: groups.LogGroups[0].LogGroupArn}))
	if got := filtered(all.Events); !slices.Equal(got, []string{"one", "two", "three"}) {
		t.Errorf("events %q", got)
	}
	one := ok[*api.GetLogEventsResponse](t)(s.GetLogEvents(ctx, &api.GetLogEventsRequest{LogGroupName: new(groupName1), LogStreamName: new("b")}))
	if got := messages(one.Events); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("stream b has %q", got)
	}
}

func TestGetLogEventsPagesBothWays(t *testing.T) {
	s, ctx := setup(t)
	var want []string
	for i := range 25 {
		want = append(want, fmt.Sprint("m", i))
	}
	ingest(s, "s", time.Now(), want...)
	in := &api.GetLogEventsRequest{LogGroupName: new(groupName1), LogStreamName: new("s"), Limit: new(int32(10)), StartFromHead: new(true)}
	var got []string
	for {
		page := ok[*api.GetLogEventsResponse](t)(s.GetLogEvents(ctx, in))
		got = append(got, messages(page.Events)...)
		if in.NextToken != nil && *in.NextToken == *page.NextForwardToken {
			break
		}
		in.NextToken = page.NextForwardToken
	}
	if !slices.Equal(got, want) {
		t.Errorf("forward: %q", got)
	}
	last := ok[*api.GetLogEventsResponse](t)(s.GetLogEvents(ctx, &api.GetLogEventsRequest{LogGroupName: new(groupName1), LogStreamName: new("s"), Limit: new(int32(10))}))
	if got := messages(last.Events); !slices.Equal(got, want[15:]) {
		t.Errorf("the end of the stream: %q", got)
	}
	before := ok[*api.GetLogEventsResponse](t)(s.GetLogEvents(ctx, &api.GetLogEventsRequest{LogGroupName: new(groupName1), LogStreamName: new("s"), Limit: new(int32(10)), NextToken: last.NextBackwardToken}))
	if got := messages(before.Events); !slices.Equal(got, want[5:15]) {
		t.Errorf("backward: %q", got)
	}
	// A token at the end sees what comes later.
	ingest(s, "s", time.Now().Add(time.Minute), "later")
	more := ok[*api.GetLogEventsResponse](t)(s.GetLogEvents(ctx, &api.GetLogEventsRequest{LogGroupName: new(groupName1), LogStreamName: new("s"), NextToken: last.NextForwardToken}))
	if got := messages(more.Events); !slices.Equal(got, []string{"later"}) {
		t.Errorf("after the end: %q", got)
	}
}

func TestFilterPages(t *testing.T) {
	s, ctx := setup(t)
	var all, want []string
	for i := range 100 {
		m := fmt.Sprintf("line %d", i)
		if i%7 == 0 {
			m += " ERROR"
			want = append(want, m)
		}
		all = append(all, m)
	}
	ingest(s, "s", time.Now(), all...)
	in := &api.FilterLogEventsRequest{LogGroupName: new(groupName1), FilterPattern: new("ERROR"), Limit: new(int32(4))}
	var got []string
	ids := map[string]bool{}
	for {
		page := ok[*api.FilterLogEventsResponse](t)(s.FilterLogEvents(ctx, in))
		if len(page.Events) > 4 {
			t.Fatalf("a page of %d", len(page.Events))
		}
		got = append(got, filtered(page.Events)...)
		for _, e := range page.Events {
			ids[*e.EventId] = true
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			break
		}
	}
	if !slices.Equal(got, want) || len(ids) != len(want) {
		t.Errorf("%d events, %d IDs, want %d: %q", len(got), len(ids), len(want), got)
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, message string
		want             bool
	}{
		{"", "anything", true},
		{"ERROR", "an ERROR", true},
		{"ERROR", "an error", false},
		{"ERROR disk", "disk ERROR", true},
		{"ERROR disk", "ERROR", false},
		{"?ERROR ?WARN", "a WARN", true},
		{"?ERROR ?WARN", "an INFO", false},
		{"ERROR ?disk", "ERROR", true},
		{"ERROR -disk", "ERROR disk", false},
		{"ERROR -disk", "ERROR net", true},
		{`"two words"`, "two words here", true},
		{`"two words"`, "two  words", false},
		{`"a \"quote\""`, `a "quote"`, true},
		{`-"two words" x`, "x two words", false},
		{"%[0-9]+ms%", "took 12ms", true},
		{"%[0-9]+ms%", "took long", false},
	} {
		m, err := parsePattern(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if m(c.message) != c.want {
			t.Errorf("%s on %q: %v", c.pattern, c.message, !c.want)
		}
	}
	for _, bad := range []string{`"open`, "%open", "%(%", "a(b", "{ $.x = 1 }", "[a, b]", "-", "?"} {
		var invalid *api.InvalidParameterException
		if _, err := parsePattern(bad); !errors.As(err, &invalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestErrors(t *testing.T) {
	s, ctx := setup(t)
	ok[any](t)(s.CreateLogGroup(ctx, &api.CreateLogGroupRequest{LogGroupName: new("g")}))
	ok[any](t)(s.CreateLogStream(ctx, &api.CreateLogStreamRequest{LogGroupName: new("g"), LogStreamName: new("s")}))
	batch := func(times ...time.Time) *api.PutLogEventsRequest {
		in := &api.PutLogEventsRequest{LogGroupName: new("g"), LogStreamName: new("s")}
		for _, at := range times {
			in.LogEvents = append(in.LogEvents, &api.InputLogEvent{Timestamp: new(at.UnixMilli()), Message: new("x")})
		}
		return in
	}
	now := time.Now()
	for name, c := range map[string]struct {
		call func() error
		want any
	}{
		"group again": {func() error {
			_, err := s.CreateLogGroup(ctx, &api.CreateLogGroupRequest{LogGroupName: new("g")})
			return err
		}, new(*api.ResourceAlreadyExistsException)},
		"stream again": {func() error {
			_, err := s.CreateLogStream(ctx, &api.CreateLogStreamRequest{LogGroupName: new("g"), LogStreamName: new("s")})
			return err
		}, new(*api.ResourceAlreadyExistsException)},
		"no group": {func() error {
			_, err := s.FilterLogEvents(ctx, &api.FilterLogEventsRequest{LogGroupName: new("none")})
			return err
		}, new(*api.ResourceNotFoundException)},
		"no stream": {func() error {
			_, err := s.GetLogEvents(ctx, &api.GetLogEventsRequest{LogGroupName: new("g"), LogStreamName: new("none")})
			return err
		}, new(*api.ResourceNotFoundException)},
		"put into no stream": {func() error {
			in := batch(now)
			in.LogStreamName = new("none")
			_, err := s.PutLogEvents(ctx, in)
			return err
		}, new(*api.ResourceNotFoundException)},
		"neither name nor identifier": {func() error {
			_, err := s.FilterLogEvents(ctx, &api.FilterLogEventsRequest{})
			return err
		}, new(*api.InvalidParameterException)},
		"out of order": {func() error { _, err := s.PutLogEvents(ctx, batch(now, now.Add(-time.Second))); return err }, new(*api.InvalidParameterException)},
		"over a day":   {func() error { _, err := s.PutLogEvents(ctx, batch(now.Add(-25*time.Hour), now)); return err }, new(*api.InvalidParameterException)},
		"too large": {func() error {
			in := batch(now, now)
			in.LogEvents[0].Message = new(strings.Repeat("x", maxBatchBytes))
			_, err := s.PutLogEvents(ctx, in)
			return err
		}, new(*api.InvalidParameterException)},
		"bad token": {func() error {
			_, err := s.GetLogEvents(ctx, &api.GetLogEventsRequest{LogGroupName: new("g"), LogStreamName: new("s"), NextToken: new("f/x")})
			return err
		}, new(*api.InvalidParameterException)},
		"token of a stream that is gone": {func() error {
			_, err := s.DescribeLogStreams(ctx, &api.DescribeLogStreamsRequest{LogGroupName: new("g"), OrderBy: new(api.OrderByLastEventTime), NextToken: new("gone")})
			return err
		}, new(*api.InvalidParameterException)},
		"group of another region": {func() error {
			_, err := s.FilterLogEvents(ctx, &api.FilterLogEventsRequest{LogGroupIdentifier: new("arn:aws:logs:eu-west-1:000000000000:log-group:g")})
			return err
		}, new(*api.ResourceNotFoundException)},
		"tags of another account's group": {func() error {
			_, err := s.TagResource(ctx, &api.TagResourceRequest{ResourceArn: new("arn:aws:logs:us-east-1:999999999999:log-group:g"), Tags: map[string]string{"a": "b"}})
			return err
		}, new(*api.ResourceNotFoundException)},
		"retention of 2 days": {func() error {
			_, err := s.PutRetentionPolicy(ctx, &api.PutRetentionPolicyRequest{LogGroupName: new("g"), RetentionInDays: new(int32(2))})
			return err
		}, new(*api.InvalidParameterException)},
		"kms": {func() error {
			_, err := s.CreateLogGroup(ctx, &api.CreateLogGroupRequest{LogGroupName: new("k"), KmsKeyId: new("x")})
			return err
		}, new(*api.InvalidParameterException)},
	} {
		if err := c.call(); !errors.As(err, c.want) {
			t.Errorf("%s: %v, want a %T", name, err, c.want)
		}
	}
}

func TestPutLogEventsRejectsByTime(t *testing.T) {
	s, ctx := setup(t)
	ok[any](t)(s.CreateLogGroup(ctx, &api.CreateLogGroupRequest{LogGroupName: new("g")}))
	ok[any](t)(s.CreateLogStream(ctx, &api.CreateLogStreamRequest{LogGroupName: new("g"), LogStreamName: new("s")}))
	put := func(at time.Time) *api.RejectedLogEventsInfo {
		in := &api.PutLogEventsRequest{LogGroupName: new("g"), LogStreamName: new("s"), LogEvents: []*api.InputLogEvent{{Timestamp: new(at.UnixMilli()), Message: new("x")}}}
		return ok[*api.PutLogEventsResponse](t)(s.PutLogEvents(ctx, in)).RejectedLogEventsInfo
	}
	now := time.Now()
	if r := put(now); r != nil {
		t.Errorf("now: %+v", r)
	}
	if r := put(now.Add(3 * time.Hour)); r == nil || r.TooNewLogEventStartIndex == nil || *r.TooNewLogEventStartIndex != 0 {
		t.Errorf("too new: %+v", r)
	}
	if r := put(now.AddDate(0, 0, -15)); r == nil || r.TooOldLogEventEndIndex == nil || *r.TooOldLogEventEndIndex != 1 {
		t.Errorf("too old: %+v", r)
	}
	ok[any](t)(s.PutRetentionPolicy(ctx, &api.PutRetentionPolicyRequest{LogGroupName: new("g"), RetentionInDays: new(int32(3))}))
	if r := put(now.AddDate(0, 0, -4)); r == nil || r.ExpiredLogEventEndIndex == nil {
		t.Errorf("expired: %+v", r)
	}
}

func TestRetentionHidesWhatHasExpired(t *testing.T) {
	s, ctx := setup(t)
	ingest(s, "s", time.Now().AddDate(0, 0, -2), "old")
	ingest(s, "s", time.Now(), "new")
	if err := s.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	ok[any](t)(s.PutRetentionPolicy(ctx, &api.PutRetentionPolicyRequest{LogGroupName: new(groupName1), RetentionInDays: new(int32(1))}))
	out := ok[*api.FilterLogEventsResponse](t)(s.FilterLogEvents(ctx, &api.FilterLogEventsRequest{LogGroupName: new(groupName1)}))
	if got := filtered(out.Events); !slices.Equal(got, []string{"new"}) {
		t.Errorf("events %q", got)
	}
	ok[any](t)(s.DeleteRetentionPolicy(ctx, &api.DeleteRetentionPolicyRequest{LogGroupName: new(groupName1)}))
	out = ok[*api.FilterLogEventsResponse](t)(s.FilterLogEvents(ctx, &api.FilterLogEventsRequest{LogGroupName: new(groupName1)}))
	if got := filtered(out.Events); !slices.Equal(got, []string{"old", "new"}) {
		t.Errorf("events without retention %q", got)
	}
}

func TestTags(t *testing.T) {
	s, ctx := setup(t)
	ok[any](t)(s.CreateLogGroup(ctx, &api.CreateLogGroupRequest{LogGroupName: new("g"), Tags: map[string]string{"a": "1", "b": "2"}}))
	arn := new("arn:aws:logs:us-east-1:000000000000:log-group:g")
	ok[any](t)(s.TagResource(ctx, &api.TagResourceRequest{ResourceArn: arn, Tags: map[string]string{"b": "3"}}))
	ok[any](t)(s.UntagResource(ctx, &api.UntagResourceRequest{ResourceArn: arn, TagKeys: []string{"a"}}))
	if got := ok[*api.ListTagsForResourceResponse](t)(s.ListTagsForResource(ctx, &api.ListTagsForResourceRequest{ResourceArn: arn})).Tags; len(got) != 1 || got["b"] != "3" {
		t.Errorf("tags %v", got)
	}
}

func TestDeletes(t *testing.T) {
	s, ctx := setup(t)
	ingest(s, "s1", time.Now(), "x")
	ingest(s, "s2", time.Now(), "y")
	ok[any](t)(s.DeleteLogStream(ctx, &api.DeleteLogStreamRequest{LogGroupName: new(groupName1), LogStreamName: new("s1")}))
	out := ok[*api.FilterLogEventsResponse](t)(s.FilterLogEvents(ctx, &api.FilterLogEventsRequest{LogGroupName: new(groupName1)}))
	if got := filtered(out.Events); !slices.Equal(got, []string{"y"}) {
		t.Errorf("events %q", got)
	}
	ok[any](t)(s.DeleteLogGroup(ctx, &api.DeleteLogGroupRequest{LogGroupName: new(groupName1)}))
	// A function that goes on writing makes its group anew, without the old events.
	ingest(s, "s3", time.Now(), "z")
	if err := s.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	out = ok[*api.FilterLogEventsResponse](t)(s.FilterLogEvents(ctx, &api.FilterLogEventsRequest{LogGroupName: new(groupName1)}))
	if got := filtered(out.Events); !slices.Equal(got, []string{"z"}) {
		t.Errorf("events after the group was deleted %q", got)
	}
}

// A crash between the two writes of a deletion leaves events without a group:
// the next group of that name must not have them.
func TestNewGroupsAreEmpty(t *testing.T) {
	s, ctx := setup(t)
	left := (&group{Account: "000000000000", Region: "us-east-1", Name: "g"}).eventsKey()
	if err := s.events.Append(ctx, left, "old", []store.LogEvent{{Time: time.Now(), Message: "old"}}); err != nil {
		t.Fatal(err)
	}
	ok[any](t)(s.CreateLogGroup(ctx, &api.CreateLogGroupRequest{LogGroupName: new("g")}))
	out := ok[*api.DescribeLogStreamsResponse](t)(s.DescribeLogStreams(ctx, &api.DescribeLogStreamsRequest{LogGroupName: new("g")}))
	if len(out.LogStreams) != 0 {
		t.Errorf("the new group has the stream %s", *out.LogStreams[0].LogStreamName)
	}
	// What is there stays when somebody tries to make the group again.
	ok[any](t)(s.CreateLogStream(ctx, &api.CreateLogStreamRequest{LogGroupName: new("g"), LogStreamName: new("new")}))
	if _, err := s.CreateLogGroup(ctx, &api.CreateLogGroupRequest{LogGroupName: new("g")}); err == nil {
		t.Error("the group was made again")
	}
	out = ok[*api.DescribeLogStreamsResponse](t)(s.DescribeLogStreams(ctx, &api.DescribeLogStreamsRequest{LogGroupName: new("g")}))
	if len(out.LogStreams) != 1 {
		t.Errorf("%d streams", len(out.LogStreams))
	}
}

func TestCloseStoresWhatIsHeld(t *testing.T) {
	dir := t.TempDir()
	state, err := local.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(t.Context(), state.Documents, state.Logs, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ingest(s, "s", time.Now(), "last words")
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := state.Logs.Read(t.Context(), store.LogQuery{Group: "000000000000/us-east-1/" + groupName1, Limit: 10})
	if err != nil || len(got) != 1 || got[0].Message != "last words" {
		t.Errorf("stored %v, %v", got, err)
	}
	if err := state.Close(); err != nil {
		t.Fatal(err)
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, s := range []string{"", "a b", "?a ?b", `"x"`, "%x%", "-a", "{$.a=1}"} {
		f.Add(s, "a message")
	}
	f.Fuzz(func(_ *testing.T, pattern, message string) {
		if m, err := parsePattern(pattern); err == nil {
			m(message)
		}
	})
}
