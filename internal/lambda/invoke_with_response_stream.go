package lambda

import (
	"context"
	"encoding/base64"
	"errors"
	"io"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/function"
)

// streamChunk is the most of a response that one event carries, in bytes.
const streamChunk = 32 << 10

// InvokeWithResponseStream implements
// https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html
func (s *Service) InvokeWithResponseStream(ctx context.Context, in *api.InvokeWithResponseStreamRequest) (*api.InvokeWithResponseStreamResponse, error) {
	r, err := locate(ctx, "InvokeFunction", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	req, err := newRequest(in.Payload, in.ClientContext, in.TenantId, false)
	if err != nil {
		return nil, err
	}
	if deref(in.InvocationType) == api.ResponseStreamingInvocationTypeDryRun {
		if _, err := s.target(ctx, r); err != nil {
			return nil, err
		}
		return &api.InvokeWithResponseStreamResponse{StatusCode: new(int32(204))}, nil
	}
	inv, err := s.invocation(ctx, r, req, deref(in.LogType))
	if err != nil {
		return nil, err
	}
	stream, err := s.opts.Invoker.InvokeStream(ctx, inv)
	if err != nil {
		return nil, invokeError(err)
	}
	// Where the answer's head cannot be sent, nobody ever calls the stream: the
	// end of the request closes the body.
	stop := context.AfterFunc(ctx, func() { stream.Body.Close() })
	out := &api.InvokeWithResponseStreamResponse{
		StatusCode: new(int32(200)), ExecutedVersion: new(inv.Version.Version),
		EventStream: func(emit func(*api.InvokeWithResponseStreamResponseEvent) error) error {
			defer stop()
			defer stream.Body.Close()
			return send(stream, inv.Tail, emit)
		},
	}
	if stream.ContentType != "" {
		out.ResponseStreamContentType = new(stream.ContentType)
	}
	return out, nil
}

// send turns a function's stream into events: what it writes, as it comes, and
// at the end how it ended.
func send(stream *function.Stream, tail bool, emit func(*api.InvokeWithResponseStreamResponseEvent) error) error {
	complete := &api.InvokeWithResponseStreamCompleteEvent{}
	buf := make([]byte, streamChunk)
	for {
		n, err := stream.Body.Read(buf)
		if n > 0 {
			chunk := &api.InvokeWithResponseStreamResponseEvent{PayloadChunk: &api.InvokeResponseStreamUpdate{Payload: buf[:n]}}
			if err := emit(chunk); err != nil {
				return err
			}
		}
		var failed *function.StreamError
		switch {
		case err == nil:
			continue
		case errors.Is(err, io.EOF):
		case errors.As(err, &failed):
			complete.ErrorCode, complete.ErrorDetails = new(failed.Type), new(failed.Details)
		default:
			return err
		}
		break
	}
	if tail && stream.LogTail != nil {
		complete.LogResult = new(base64.StdEncoding.EncodeToString(stream.LogTail()))
	}
	return emit(&api.InvokeWithResponseStreamResponseEvent{InvokeComplete: complete})
}
