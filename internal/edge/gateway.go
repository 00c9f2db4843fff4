package edge

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/paddock-run/paddock/internal/awserr"
)

// APIRequest says which API a request of the data plane is for.
type APIRequest struct {
	// APIID is the API's ID; empty where CustomHost says it.
	APIID  string
	Region string
	// Stage is set where the URL's form names it apart from the path (the
	// _user_request_ form). Otherwise the path's first segment may be a stage:
	// only the API's kind can tell.
	Stage string
	// Path is what follows the API's root, or the stage's where Stage is set:
	// as it came, percent-encoded, with its first slash.
	Path string
	// PathForm: the API's ID was in the path (http://localhost:4566/_aws/execute-api/…).
	PathForm bool
	// CustomHost is the custom domain name that the request is addressed to.
	CustomHost string
}

// Gateway is the data plane of API Gateway. Requests to it are not subject to
// the edge's Origin check: an API's own CORS settings and authorizers rule.
type Gateway interface {
	// ServeAPI serves a request to an API. r is as the client sent it; its
	// context carries the identity.
	ServeAPI(w http.ResponseWriter, r *http.Request, to APIRequest)
	// OwnsHost reports whether a host name (lower case, no port) is a custom
	// domain name of an API. It is asked for every request to a host that is
	// no service's, and answers from memory.
	OwnsHost(name string) bool
}

type apiKey struct{}

// APIOf returns which API a request of the management API of deployed APIs
// (/@connections) was addressed to, where its URL said.
func APIOf(ctx context.Context) (APIRequest, bool) {
	to, ok := ctx.Value(apiKey{}).(APIRequest)
	return to, ok
}

const connections = "/@connections"

// serveAPI hands a request to the gateway, or to the management API where it is
// one of its requests: signed for execute-api, to /@connections/… or
// /{stage}/@connections/….
func (x *exchange) serveAPI(to APIRequest) {
	to.Region = x.id.Region
	if x.signed && x.scope.Service == "execute-api" {
		if before, ok := cutConnections(to.Path); ok {
			if x.crossOrigin() {
				return
			}
			if to.Stage == "" {
				to.Stage = strings.TrimPrefix(before, "/")
			}
			x.r = x.r.WithContext(context.WithValue(x.r.Context(), apiKey{}, to))
			x.serveService()
			return
		}
	}
	x.target = "gateway"
	if x.edge.gateway == nil {
		x.refuse(awserr.New(http.StatusNotImplemented, "NotImplementedException", "This Paddock serves no API Gateway APIs"))
		return
	}
	x.edge.gateway.ServeAPI(&x.answer, x.withIdentity(), to)
}

// cutConnections returns what stands in a path before /@connections, which may
// be nothing or one segment.
func cutConnections(path string) (before string, ok bool) {
	i := strings.Index(path, connections)
	if i < 0 || strings.LastIndexByte(path[:i], '/') > 0 {
		return "", false
	}
	if end := i + len(connections); end < len(path) && path[end] != '/' {
		return "", false
	}
	return path[:i], true
}

// parseAPIPath reads LocalStack's path forms of an API's URL:
//
//	/_aws/execute-api/{id}/{stage}/…
//	/restapis/{id}/{stage}/_user_request_/…
func parseAPIPath(path string) (APIRequest, bool) {
	if rest, ok := strings.CutPrefix(path, "/_aws/execute-api/"); ok {
		id, rest := cutSegment(rest)
		return APIRequest{APIID: id, Path: rest, PathForm: true}, id != ""
	}
	rest, ok := strings.CutPrefix(path, "/restapis/")
	if !ok {
		return APIRequest{}, false
	}
	id, rest := cutSegment(rest)
	stage, rest := cutSegment(rest[1:])
	marker, rest := cutSegment(rest[1:])
	if id == "" || stage == "" || marker != "_user_request_" {
		return APIRequest{}, false
	}
	if name, err := url.PathUnescape(stage); err == nil {
		stage = name
	}
	return APIRequest{APIID: id, Stage: stage, Path: rest, PathForm: true}, true
}

// cutSegment takes the first segment off a path that has lost its slash; the
// rest keeps its own, and is "/" where nothing is left.
func cutSegment(s string) (segment, rest string) {
	i := strings.IndexByte(s, '/')
	if i < 0 {
		return s, "/"
	}
	return s[:i], s[i:]
}

func escapedPath(r *http.Request) string {
	path := r.URL.EscapedPath()
	if path == "" {
		return "/"
	}
	return path
}
