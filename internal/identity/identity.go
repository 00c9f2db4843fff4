// Package identity carries in a context whom and what a request is for: the
// account, the region, the caller and the request's ID. The edge sets it, once;
// services read it.
package identity

import "context"

// Identity says for which account and region a request is, who sent it, and
// under which ID it is answered and logged.
type Identity struct {
	Account   string // twelve digits
	Region    string // "us-east-1"
	Partition string // "aws"
	AccessKey string // empty when the request was not signed
	RequestID string // a UUID
	// FunctionARN is set when the request came out of a function's own environment.
	FunctionARN string
	// TraceID is the X-Amzn-Trace-Id that the request came with; empty: none.
	TraceID string
	// BaseURL is the scheme and host that the client used, such as
	// "http://127.0.0.1:4566", for answers that hold URLs of ours.
	BaseURL string
}

type key struct{}

// With returns a context that carries id.
func With(ctx context.Context, id *Identity) context.Context {
	return context.WithValue(ctx, key{}, id)
}

// Of returns the identity in ctx. It panics where there is none: a handler is
// only ever called behind the edge (or a test that set one).
func Of(ctx context.Context) *Identity {
	id, ok := ctx.Value(key{}).(*Identity)
	if !ok {
		panic("identity: context without an identity")
	}
	return id
}
