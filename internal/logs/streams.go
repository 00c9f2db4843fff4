package logs

import (
	"context"
	"errors"
	"strconv"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/logs"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// CreateLogStream makes an empty stream in a group.
func (s *Service) CreateLogStream(ctx context.Context, in *api.CreateLogStreamRequest) (*schema.Unit, error) {
	g, err := s.find(ctx, *in.LogGroupName)
	if err != nil {
		return nil, err
	}
	err = s.events.CreateStream(ctx, g.eventsKey(), *in.LogStreamName)
	if errors.Is(err, store.ErrConflict) {
		return nil, &api.ResourceAlreadyExistsException{Message: new("The specified log stream already exists")}
	}
	return &schema.Unit{}, err
}

// DeleteLogStream deletes a stream with its events.
func (s *Service) DeleteLogStream(ctx context.Context, in *api.DeleteLogStreamRequest) (*schema.Unit, error) {
	if err := s.sink.flush(ctx); err != nil {
		return nil, err
	}
	g, err := s.find(ctx, *in.LogGroupName)
	if err != nil {
		return nil, err
	}
	err = s.events.DeleteStream(ctx, g.eventsKey(), *in.LogStreamName)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noStream()
	}
	return &schema.Unit{}, err
}

func noStream() error {
	return &api.ResourceNotFoundException{Message: new("The specified log stream does not exist.")}
}

// DescribeLogStreams lists a group's streams by name or by their last event.
func (s *Service) DescribeLogStreams(ctx context.Context, in *api.DescribeLogStreamsRequest) (*api.DescribeLogStreamsResponse, error) {
	if err := s.sink.flush(ctx); err != nil {
		return nil, err
	}
	g, err := s.identified(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	byLastEvent := in.OrderBy != nil && *in.OrderBy == api.OrderByLastEventTime
	prefix := ""
	if in.LogStreamNamePrefix != nil {
		if byLastEvent {
			return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
		}
		prefix = *in.LogStreamNamePrefix
	}
	limit, after := maxDescribed, ""
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	if in.NextToken != nil {
		after = *in.NextToken
	}
	streams, err := s.events.Streams(ctx, g.eventsKey(), prefix, after, byLastEvent, in.Descending != nil && *in.Descending, limit+1)
	if errors.Is(err, store.ErrNotFound) {
		return nil, badToken() // of a stream that is gone, or made up
	}
	if err != nil {
		return nil, err
	}
	out := &api.DescribeLogStreamsResponse{LogStreams: []*api.LogStream{}}
	if len(streams) > limit {
		streams = streams[:limit]
		out.NextToken = &streams[limit-1].Name
	}
	for _, st := range streams {
		out.LogStreams = append(out.LogStreams, &api.LogStream{
			LogStreamName:       &st.Name,
			CreationTime:        millis(st.Created),
			FirstEventTimestamp: millis(st.FirstEvent),
			LastEventTimestamp:  millis(st.LastEvent),
			LastIngestionTime:   millis(st.LastIngestion),
			UploadSequenceToken: new(sequenceToken),
			Arn:                 new(g.arn() + ":log-stream:" + st.Name),
			StoredBytes:         &st.StoredBytes,
		})
	}
	return out, nil
}

// sequenceToken is what PutLogEvents and DescribeLogStreams return: AWS still
// sends one and has ignored what clients send back since 2023.
const sequenceToken = "49590302456782345678901234567890123456789012345678901234"

// token is a cursor as a client carries it: a direction, a time in
// milliseconds, and an event's ID.
func token(direction string, c store.LogCursor) *string {
	return new(direction + "/" + strconv.FormatInt(c.Time.UnixMilli(), 10) + "." + strconv.FormatInt(c.ID, 10))
}

// parseToken reads a token of one of the directions.
func parseToken(text string, directions ...string) (string, *store.LogCursor, error) {
	for _, d := range directions {
		rest, ok := strings.CutPrefix(text, d+"/")
		if !ok {
			continue
		}
		ms, id, ok := strings.Cut(rest, ".")
		t, err1 := strconv.ParseInt(ms, 10, 64)
		n, err2 := strconv.ParseInt(id, 10, 64)
		if ok && err1 == nil && err2 == nil {
			return d, &store.LogCursor{Time: atMillis(t), ID: n}, nil
		}
	}
	return "", nil, badToken()
}

func badToken() error { return invalid("The specified nextToken is invalid.") }
