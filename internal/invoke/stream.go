package invoke

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/runtimeapi"
)

// InvokeStream implements function.Invoker. The response of a function that
// does not stream is a Stream that comes in one piece.
func (i *Invoker) InvokeStream(ctx context.Context, inv *function.Invocation) (*function.Stream, error) {
	if !i.enter() {
		return nil, function.ErrShuttingDown
	}
	r, o, err := i.begin(ctx, inv, true)
	if err != nil {
		i.leave()
		return nil, err
	}
	if o.failure != nil && o.failure.err != nil {
		i.leave()
		return nil, o.failure.err
	}
	body := &streamBody{inv: i, ctx: ctx, run: r}
	switch {
	case o.stream != nil:
		body.src = o.stream
	case o.failure != nil:
		body.src = io.NopCloser(&failedReader{&function.StreamError{
			Type: o.failure.errorType, Details: string(o.failure.document(inv.RequestID)),
		}})
	default:
		body.src = io.NopCloser(bytes.NewReader(o.payload))
	}
	return &function.Stream{
		ContentType: o.contentType,
		Body:        body,
		LogTail: func() []byte {
			if !inv.Tail {
				return nil
			}
			select {
			case <-r.done:
				return r.tail
			default:
				return nil // the body was not read to its end
			}
		},
	}, nil
}

// streamBody is a response as its caller reads it.
type streamBody struct {
	inv  *Invoker
	ctx  context.Context
	run  *run
	src  io.ReadCloser
	err  error
	left bool
}

func (b *streamBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.src.Read(p)
	var failed *runtimeapi.Error
	switch {
	case err == nil:
		return n, nil
	case errors.As(err, &failed):
		err = &function.StreamError{Type: failed.Type, Details: string(failed.Payload)}
	}
	if b.run.inv.Tail { // the end of the body is the end of the log
		select {
		case <-b.run.done:
		case <-b.ctx.Done():
			err = b.ctx.Err()
		}
	}
	b.err = err
	return n, err
}

func (b *streamBody) Close() error {
	if !b.left {
		b.left = true
		b.inv.leave()
	}
	return b.src.Close()
}

// failedReader is a function that failed before its first byte.
type failedReader struct{ err error }

func (r *failedReader) Read([]byte) (int, error) { return 0, r.err }
