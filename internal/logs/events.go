package logs

import (
	"context"
	"slices"
	"strconv"
	"time"

	api "github.com/paddock-run/paddock/internal/api/logs"
	"github.com/paddock-run/paddock/internal/store"
)

// Limits of reading and writing events.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/logs/cloudwatch_limits_cwl.html
const (
	maxEvents     = 10_000  // events in a page or a batch
	maxPageBytes  = 1 << 20 // bytes of a page's messages
	maxBatchBytes = 1 << 20 // bytes of a batch, eventOverhead included
	eventOverhead = 26      // bytes that an event counts besides its message
	scanChunk     = 2_000   // events that a filter reads at once
	maxScanned    = 50_000  // events that one FilterLogEvents looks at
)

func atMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// PutLogEvents appends a batch to a stream. Events that are too old, expired or
// too far in the future are left out and told of in the answer.
func (s *Service) PutLogEvents(ctx context.Context, in *api.PutLogEventsRequest) (*api.PutLogEventsResponse, error) {
	g, err := s.find(ctx, *in.LogGroupName)
	if err != nil {
		return nil, err
	}
	if err := s.mustHave(ctx, g, *in.LogStreamName); err != nil {
		return nil, err
	}
	if err := checkBatch(in.LogEvents); err != nil {
		return nil, err
	}
	out := &api.PutLogEventsResponse{NextSequenceToken: new(sequenceToken)}
	if in.Entity != nil {
		out.RejectedEntityInfo = &api.RejectedEntityInfo{ErrorType: new(api.EntityRejectionErrorTypeUnsupportedLogGroupType)}
	}
	accepted, rejected := s.sift(g, in.LogEvents)
	out.RejectedLogEventsInfo = rejected
	if len(accepted) > 0 {
		err = s.events.Append(ctx, g.eventsKey(), *in.LogStreamName, accepted)
	}
	return out, err
}

// mustHave refuses a request for a stream that its group does not have.
func (s *Service) mustHave(ctx context.Context, g *group, stream string) error {
	list, err := s.events.Streams(ctx, g.eventsKey(), stream, "", false, false, 1)
	if err == nil && (len(list) == 0 || list[0].Name != stream) {
		err = noStream()
	}
	return err
}

func checkBatch(events []*api.InputLogEvent) error {
	size := 0
	for i, e := range events {
		size += len(*e.Message) + eventOverhead
		if i > 0 && *e.Timestamp < *events[i-1].Timestamp {
			return invalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
	}
	if n := len(events); n > 0 && *events[n-1].Timestamp-*events[0].Timestamp > (24*time.Hour).Milliseconds() {
		return invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	if size > maxBatchBytes {
		return invalid("Upload too large: %d bytes exceeds limit of %d", size, maxBatchBytes)
	}
	return nil
}

// sift parts a batch into what is stored and what is rejected.
func (s *Service) sift(g *group, events []*api.InputLogEvent) ([]store.LogEvent, *api.RejectedLogEventsInfo) {
	now := s.now()
	tooOld, tooNew, expired := now.AddDate(0, 0, -14), now.Add(2*time.Hour), s.oldest(g)
	var info api.RejectedLogEventsInfo
	var accepted []store.LogEvent
	rejected := false
	for i, e := range events {
		at := atMillis(*e.Timestamp)
		switch {
		case at.Before(expired):
			info.ExpiredLogEventEndIndex, rejected = new(int32(i+1)), true
		case at.Before(tooOld):
			info.TooOldLogEventEndIndex, rejected = new(int32(i+1)), true
		case at.After(tooNew):
			if info.TooNewLogEventStartIndex == nil {
				info.TooNewLogEventStartIndex = new(int32(i))
			}
			rejected = true
		default:
			accepted = append(accepted, store.LogEvent{Time: at, Ingestion: now, Message: *e.Message})
		}
	}
	if !rejected {
		return accepted, nil
	}
	return accepted, &info
}

// query is the part of a read that a group and a time range decide: expired
// events are never seen.
func (s *Service) query(g *group, start, end *int64) store.LogQuery {
	q := store.LogQuery{Group: g.eventsKey(), Start: s.oldest(g)}
	if start != nil && atMillis(*start).After(q.Start) {
		q.Start = atMillis(*start)
	}
	if end != nil {
		q.End = atMillis(*end)
	}
	return q
}

// GetLogEvents reads one stream, from its end unless StartFromHead. A page that
// has reached the end returns the token it was asked with.
func (s *Service) GetLogEvents(ctx context.Context, in *api.GetLogEventsRequest) (*api.GetLogEventsResponse, error) {
	if err := s.sink.flush(ctx); err != nil {
		return nil, err
	}
	g, err := s.identified(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	if err := s.mustHave(ctx, g, *in.LogStreamName); err != nil {
		return nil, err
	}
	q := s.query(g, in.StartTime, in.EndTime)
	q.Streams = []string{*in.LogStreamName}
	q.Limit = maxEvents
	if in.Limit != nil {
		q.Limit = int(*in.Limit)
	}
	q.Backward = in.StartFromHead == nil || !*in.StartFromHead
	place := store.LogCursor{Time: atMillis(0)} // where an empty page's tokens point
	if in.NextToken != nil {
		direction, cursor, err := parseToken(*in.NextToken, "f", "b")
		if err != nil {
			return nil, err
		}
		q.After, q.Backward, place = cursor, direction == "b", *cursor
	}
	events, err := s.events.Read(ctx, q)
	if err != nil {
		return nil, err
	}
	events = fit(events)
	if q.Backward {
		slices.Reverse(events)
	}
	first, last := place, place
	if n := len(events); n > 0 {
		first, last = cursorOf(events[0]), cursorOf(events[n-1])
	}
	out := &api.GetLogEventsResponse{
		Events:            make([]*api.OutputLogEvent, 0, len(events)),
		NextForwardToken:  token("f", last),
		NextBackwardToken: token("b", first),
	}
	for _, e := range events {
		out.Events = append(out.Events, &api.OutputLogEvent{
			Timestamp: millis(e.Time), IngestionTime: millis(e.Ingestion), Message: new(e.Message),
		})
	}
	return out, nil
}

func cursorOf(e store.LogEvent) store.LogCursor { return store.LogCursor{Time: e.Time, ID: e.ID} }

// fit cuts a page to the bytes it may have; one event always fits.
func fit(events []store.LogEvent) []store.LogEvent {
	size := 0
	for i, e := range events {
		if size += len(e.Message) + eventOverhead; size > maxPageBytes && i > 0 {
			return events[:i]
		}
	}
	return events
}

// FilterLogEvents reads a group's streams in order of time, leaving out what
// the pattern does not match. A page may be empty and still have a token, as on
// AWS: it then looked at many events in vain.
func (s *Service) FilterLogEvents(ctx context.Context, in *api.FilterLogEventsRequest) (*api.FilterLogEventsResponse, error) {
	if err := s.sink.flush(ctx); err != nil {
		return nil, err
	}
	g, err := s.identified(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	if len(in.LogStreamNames) > 0 && in.LogStreamNamePrefix != nil {
		return nil, invalid("LogStreamNames and LogStreamNamePrefix cannot be specified together.")
	}
	pattern := ""
	if in.FilterPattern != nil {
		pattern = *in.FilterPattern
	}
	matches, err := parsePattern(pattern)
	if err != nil {
		return nil, err
	}
	q := s.query(g, in.StartTime, in.EndTime)
	q.Streams = in.LogStreamNames
	if in.LogStreamNamePrefix != nil {
		q.Prefix = *in.LogStreamNamePrefix
	}
	if in.NextToken != nil {
		if _, q.After, err = parseToken(*in.NextToken, "n"); err != nil {
			return nil, err
		}
	}
	limit := maxEvents
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	return s.filter(ctx, q, matches, limit)
}

func (s *Service) filter(ctx context.Context, q store.LogQuery, matches func(string) bool, limit int) (*api.FilterLogEventsResponse, error) {
	out := &api.FilterLogEventsResponse{Events: []*api.FilteredLogEvent{}, SearchedLogStreams: []*api.SearchedLogStream{}}
	q.Limit = min(scanChunk, limit+1)
	for scanned, size := 0, 0; ; {
		events, err := s.events.Read(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			if matches(e.Message) {
				size += len(e.Message) + eventOverhead
				if len(out.Events) == limit || size > maxPageBytes && len(out.Events) > 0 {
					out.NextToken = token("n", *q.After)
					return out, nil
				}
				out.Events = append(out.Events, &api.FilteredLogEvent{
					LogStreamName: new(e.Stream), Timestamp: millis(e.Time), IngestionTime: millis(e.Ingestion),
					Message: new(e.Message), EventId: new(eventID(e)),
				})
			}
			q.After = new(cursorOf(e))
		}
		if scanned += len(events); len(events) < q.Limit {
			return out, nil
		}
		if scanned >= maxScanned {
			out.NextToken = token("n", *q.After)
			return out, nil
		}
		q.Limit = scanChunk
	}
}

// eventID is unique in a group, as long as AWS's, and sorts like the events.
func eventID(e store.LogEvent) string {
	ms, id := strconv.FormatInt(e.Time.UnixMilli(), 10), strconv.FormatInt(e.ID, 10)
	const width = 56
	return ms + zeros[:max(0, width-len(ms)-len(id))] + id
}

const zeros = "00000000000000000000000000000000000000000000000000000000"
