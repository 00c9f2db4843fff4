package sdk

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// ReachGates are the flags of a Paddock whose functions go through gates.
var ReachGates = []string{"--network", "host"}

// Gate is a place where functions wait until the test lets them go on. It is on
// the host's loopback: only functions of a Paddock with ReachGates reach it.
type Gate struct {
	URL     string
	Arrived chan string // gets the query of each function that has come to the gate
	open    chan struct{}
	once    sync.Once
}

// NewGate makes a gate that is shut.
func NewGate(t testing.TB) *Gate {
	t.Helper()
	g := &Gate{Arrived: make(chan string, 1000), open: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.Arrived <- r.URL.RawQuery
		select {
		case <-g.open:
		case <-r.Context().Done():
		}
	}))
	g.URL = server.URL
	t.Cleanup(server.Close)
	t.Cleanup(g.Open)
	return g
}

// Open lets all go on, now and later.
func (g *Gate) Open() { g.once.Do(func() { close(g.open) }) }

// Await waits until n functions have come to the gate.
func (g *Gate) Await(t testing.TB, n int) {
	t.Helper()
	late := time.After(Patience)
	for i := range n {
		select {
		case <-g.Arrived:
		case <-late:
			t.Fatalf("%d of %d invocations have come to the gate", i, n)
		}
	}
}

// Waiting is a function that waits at the gate and then returns "through": n
// invocations of it can be told apart by the event's member "id".
func (g *Gate) Waiting(t testing.TB) *lambda.CreateFunctionInput {
	t.Helper()
	return Python(t, `
import urllib.request
def handler(event, context):
    print("at the gate", event.get("id"))
    urllib.request.urlopen("`+g.URL+`/?" + str(event.get("id", ""))).read()
    print("through the gate", event.get("id"))
    return "through"
`)
}
