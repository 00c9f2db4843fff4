package edge

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/paddock-run/paddock/internal/awserr"
)

// health holds the health pages' bodies: all they say is known from the start.
type health struct{ paddock, localstack []byte }

func newHealth(services []Service, version string) *health {
	ids := make([]string, 0, len(services))
	for _, s := range services {
		ids = append(ids, s.Schema.ID)
	}
	slices.Sort(ids)
	// Scripts that wait for LocalStack grep its answer: it has Python's
	// spacing, and "available" for a service that is ready to be used.
	var b bytes.Buffer
	b.WriteString(`{"services": {`)
	for i, id := range ids {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Quote(id) + `: "available"`)
	}
	b.WriteString(`}, "edition": "paddock", "version": ` + jsonText(version) + `}`)
	paddock := `{"status":"ok","version":` + jsonText(version) + "}\n"
	return &health{paddock: []byte(paddock), localstack: b.Bytes()}
}

func jsonText(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always marshals
	}
	return string(text)
}

// serveOwn serves Paddock's own pages, and reports whether the request was for
// one of them. Their paths begin with an underscore, which no bucket's name may.
func (x *exchange) serveOwn() bool {
	path := x.r.URL.Path
	if !strings.HasPrefix(path, "/_paddock/") && !strings.HasPrefix(path, "/_localstack/") {
		return false
	}
	if x.crossOrigin() {
		return true
	}
	x.target = "internal"
	switch {
	case path == "/_paddock/health":
		x.serveHealth(x.edge.health.paddock)
	case path == "/_localstack/health":
		x.serveHealth(x.edge.health.localstack)
	case strings.HasPrefix(path, "/_paddock/") && x.edge.internal != nil:
		x.edge.internal.ServeHTTP(&x.answer, x.withIdentity())
	default:
		x.refuse(awserr.New(http.StatusNotFound, "NotFoundException", "Paddock has no page %s", path))
	}
	return true
}

func (x *exchange) serveHealth(body []byte) {
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		x.answer.Header()["Allow"] = []string{"GET, HEAD"}
		x.refuse(awserr.New(http.StatusMethodNotAllowed, "MethodNotAllowedException", "The health page is read with GET or HEAD"))
		return
	}
	h := x.answer.Header()
	h["Content-Type"] = []string{"application/json"}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	h["Cache-Control"] = []string{"no-store"}
	x.answer.WriteHeader(http.StatusOK)
	if x.r.Method == http.MethodGet {
		_, _ = x.answer.Write(body) // a client that has gone has no use for it
	}
}
