package app

import (
	"context"
	"net/http"

	"github.com/paddock-run/paddock/internal/edge"
	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/invoke"
)

// inside is the AWS endpoint as functions reach it: the same services as on the
// daemon's own port, but what comes in is known to come from that function.
type inside struct {
	keys    *accessKeys
	handler http.Handler
}

var _ invoke.AWS = (*inside)(nil)

// Admit implements invoke.AWS.
func (i *inside) Admit(v *function.Version) (invoke.Credentials, http.Handler, func()) {
	credentials := i.keys.admit(v.Account)
	id := credentials.AccessKeyID
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), environmentKey{}, id)
		i.handler.ServeHTTP(w, r.WithContext(edge.WithFunction(ctx, v.ARN)))
	})
	return credentials, handler, func() { i.keys.expel(id) }
}

// environmentKey is the key of a context's value that names the environment a
// request comes from, by its access key.
type environmentKey struct{}
