package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// signed is a header that says for whom a request is, as every SDK sends one;
// the signature is not checked by either side.
const signed = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=00"

// sample is what a load came to.
type sample struct {
	latencies []time.Duration // sorted
	elapsed   time.Duration
}

func (s sample) quantile(q float64) time.Duration {
	if len(s.latencies) == 0 {
		return 0
	}
	return s.latencies[min(len(s.latencies)-1, int(q*float64(len(s.latencies))))]
}

func (s sample) perSecond() float64 { return float64(len(s.latencies)) / s.elapsed.Seconds() }

// load sends requests in a closed loop from callers at once until length is
// over. Every answer must have the status want.
func load(callers int, length time.Duration, want int, request func(caller, n int) (method, url string, body []byte)) (sample, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers, DisableCompression: true}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var all []time.Duration
	var failed error
	var wg sync.WaitGroup
	start := time.Now()
	for caller := range callers {
		wg.Go(func() {
			var own []time.Duration
			for n := 0; time.Since(start) < length; n++ {
				method, url, body := request(caller, n)
				began := time.Now()
				if err := once(client, want, method, url, body); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
					return
				}
				own = append(own, time.Since(began))
			}
			mu.Lock()
			all = append(all, own...)
			mu.Unlock()
		})
	}
	wg.Wait()
	s := sample{latencies: all, elapsed: time.Since(start)}
	slices.Sort(s.latencies)
	return s, failed
}

func once(client *http.Client, want int, method, url string, body []byte) error {
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", signed)
	req.Header.Set("Content-Type", "application/json")
	_, err = ask(client, req, want)
	return err
}

// ask sends a request and reads its answer, which must have that status.
func ask(client *http.Client, req *http.Request, want int) ([]byte, error) {
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != want || res.Header.Get("X-Amz-Function-Error") != "" {
		return nil, fmt.Errorf("%s %s: %s: %.500s", req.Method, req.URL, res.Status, text)
	}
	return text, nil
}

// median of figures that were measured in rounds.
func median[T int64 | float64 | time.Duration](v []T) T {
	slices.Sort(v)
	return v[len(v)/2]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000) }
