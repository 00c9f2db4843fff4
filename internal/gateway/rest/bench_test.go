package rest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/metrics"
)

// served listens as the daemon's port does, without the edge.
func (w *world) served(t testing.TB) *httptest.Server {
	w.gateway.Metrics = metrics.Discard
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		ctx := identity.With(r.Context(), &identity.Identity{RequestID: "11111111-2222-4333-8444-555555555555"})
		w.gateway.ServeAPI(rw, r.WithContext(ctx), Target{APIID: "api1", Path: r.URL.EscapedPath()})
	}))
	t.Cleanup(s.Close)
	return s
}

// load sends b.N requests over 16 connections, each as its answer is in.
func load(b *testing.B, target string) {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	b.SetParallelism(8) // times the processors
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := client.Get(target)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != 200 {
				b.Errorf("got %s", resp.Status)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

func upstreamServer(b *testing.B) *httptest.Server {
	body := []byte(strings.Repeat("x", 1024))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write(body)
	}))
	b.Cleanup(s.Close)
	return s
}

// BenchmarkProxies compares HTTP_PROXY and MOCK with httputil.ReverseProxy before
// the same upstream, in one run.
func BenchmarkProxies(b *testing.B) {
	up := upstreamServer(b)
	to, err := url.Parse(up.URL)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("ReverseProxy", func(b *testing.B) {
		proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.SetXForwarded() },
			Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}}
		s := httptest.NewServer(proxy)
		defer s.Close()
		load(b, s.URL+"/test/pets")
	})
	w := newWorld(b, map[string]methods{"/{proxy+}": {"ANY": httpProxied(up.URL + "/{proxy}")}, "/mock": {"GET": mocked(`{"ok":true}`)}})
	s := w.served(b)
	b.Run("HTTP_PROXY", func(b *testing.B) { load(b, s.URL+"/test/pets") })
	b.Run("MOCK", func(b *testing.B) { load(b, s.URL+"/test/mock") })
}

// nowhere is a ResponseWriter that keeps nothing.
type nowhere struct{ h http.Header }

func (n nowhere) Header() http.Header         { return n.h }
func (n nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n nowhere) WriteHeader(int)             {}

// BenchmarkRoutes is a whole MOCK request in APIs of 10 and of 1,000 routes.
func BenchmarkRoutes(b *testing.B) {
	for _, n := range []int{10, 1000} {
		resources := map[string]methods{}
		for i := range n {
			resources[fmt.Sprintf("/part%d/{id}/items%d", i%37, i)] = methods{"GET": mocked(`{"ok":true}`)}
		}
		w := newWorld(b, resources)
		w.gateway.Metrics = metrics.Discard
		r := httptest.NewRequest("GET", "/", nil)
		r = r.WithContext(identity.With(context.Background(), &identity.Identity{RequestID: "11111111-2222-4333-8444-555555555555"}))
		path := fmt.Sprintf("/test/part%d/7/items%d", (n-1)%37, n-1)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			out := nowhere{http.Header{}}
			for b.Loop() {
				clear(out.h)
				w.gateway.ServeAPI(out, r, Target{APIID: "api1", Path: path})
			}
		})
	}
}

// BenchmarkLambdaProxy is a whole request to a function, but for the function.
func BenchmarkLambdaProxy(b *testing.B) {
	w := newWorld(b, map[string]methods{"/hello": {"GET": proxied()}})
	w.gateway.Metrics = metrics.Discard
	payload := []byte(`{"statusCode":200,"headers":{"content-type":"application/json","x-custom":"one"},"body":"{\"message\":\"hello\"}"}`)
	w.gateway.Invoker = answering{result: &function.Result{Payload: payload}}
	r := httptest.NewRequest("GET", "/?name=John&city=Seattle", nil)
	for name, value := range map[string]string{"Accept": "*/*", "User-Agent": "curl/8.5.0", "Day": "Thursday", "Accept-Encoding": "gzip", "Content-Type": "application/json"} {
		r.Header.Set(name, value)
	}
	r = r.WithContext(identity.With(context.Background(), &identity.Identity{RequestID: "11111111-2222-4333-8444-555555555555"}))
	b.ReportAllocs()
	out := nowhere{http.Header{}}
	for b.Loop() {
		clear(out.h)
		w.gateway.ServeAPI(out, r, Target{APIID: "api1", Path: "/test/hello"})
	}
}

// answering is a function that answers at once.
type answering struct {
	function.Invoker // of which nothing else is asked
	result           *function.Result
}

func (a answering) Invoke(context.Context, *function.Invocation) (*function.Result, error) {
	return a.result, nil
}
