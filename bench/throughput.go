package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/invoke"
	"github.com/paddock-run/paddock/internal/runtimes"
	"github.com/paddock-run/paddock/internal/sandbox"
	"github.com/paddock-run/paddock/internal/sandbox/linux"
	"github.com/paddock-run/paddock/internal/sandbox/process"
)

const (
	loadCallers      = 16
	loadEnvironments = 4
)

// echoing is a function that returns its event, once for each way of running one.
type echoing struct {
	name, runtime, handler string
	files                  map[string][]byte
}

func (b *bench) echoes() ([]echoing, error) {
	program, err := os.ReadFile(b.function)
	if err != nil {
		return nil, err
	}
	return []echoing{
		{"Go", "provided.al2023", "bootstrap", map[string][]byte{"bootstrap": program}},
		{"Python", "python3.13", "app.handler", map[string][]byte{"app.py": []byte("def handler(event, context):\n    return event\n")}},
		{"Node.js", "nodejs22.x", "app.handler", map[string][]byte{"app.js": []byte("exports.handler = async (event) => event;\n")}},
	}, nil
}

// place writes the function's files into a folder, and returns it.
func (e *echoing) place(dir string) (string, error) {
	dir = filepath.Join(dir, "code-"+e.runtime)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for name, text := range e.files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o755); err != nil {
			return "", err
		}
	}
	return dir, nil
}

type noLogs struct{}

func (noLogs) Append(string, string, string, string, []invoke.LogEvent) {}

// driver is the sandbox that Paddock would take.
func (b *bench) driver() (sandbox.Driver, error) {
	if b.sandbox != "process" {
		scratch := filepath.Join(b.dir, "scratch")
		if err := os.MkdirAll(scratch, 0o700); err != nil {
			return nil, err
		}
		driver, err := linux.New(linux.Options{Scratch: scratch})
		if err == nil || b.sandbox == "linux" {
			return driver, err
		}
	}
	return process.New(process.Options{})
}

// throughput measures 16 callers and 4 environments: straight at the scheduler, as
// Paddock's own services call it, beside the floor within a process, and then over
// HTTP beside the floor's server. Of the callers 4 at a time are let through, so
// that neither side has more than 4 environments.
func (b *bench) throughput() error {
	echoes, err := b.echoes()
	if err != nil {
		return err
	}
	if err := b.inProcess(echoes); err != nil {
		return err
	}
	return b.overHTTP(echoes)
}

// invoker is Paddock's scheduler within this process.
func (b *bench) invoker(change func(*invoke.Options)) (i *invoke.Invoker, stop func() error, err error) {
	driver, err := b.driver()
	if err != nil {
		return nil, nil, err
	}
	rts, err := runtimes.New(runtimes.Options{Dir: filepath.Join(b.dir, "runtimes")})
	if err != nil {
		return nil, nil, errors.Join(err, driver.Close())
	}
	opts := invoke.Options{
		Driver: driver, Runtimes: rts, Logs: noLogs{}, NoCPUQuota: true, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	if change != nil {
		change(&opts)
	}
	i = invoke.New(opts)
	return i, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return errors.Join(i.Close(ctx), driver.Close())
	}, nil
}

// version is the function as the scheduler knows it.
func (e *echoing) version(dir string) (*function.Version, error) {
	dir, err := e.place(dir)
	return &function.Version{
		Account: "000000000000", Region: "us-east-1", Name: e.runtime, Version: "$LATEST", RevisionID: "1",
		ARN:     "arn:aws:lambda:us-east-1:000000000000:function:" + e.runtime,
		Runtime: e.runtime, Handler: e.handler, CodeDir: dir, Timeout: time.Minute, MemoryMB: 512, EphemeralMB: 512,
		LogGroup: "/aws/lambda/" + e.runtime, LogFormat: "Text",
	}, err
}

// call invokes a function once.
func call(i *invoke.Invoker, v *function.Version, body []byte) error {
	res, err := i.Invoke(context.Background(), &function.Invocation{Version: v, RequestID: "8476a536-e9f4-11e8-9739-2dfe598c3fcd", Payload: body})
	if err == nil && res.FunctionError != "" {
		err = fmt.Errorf("%s: %s", v.Name, res.Payload)
	}
	return err
}

func (b *bench) inProcess(echoes []echoing) (err error) {
	invoker, stop, err := b.invoker(nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	bare, err := startFloor(b.function, loadEnvironments)
	if err != nil {
		return err
	}
	defer bare.stop()

	body := []byte(`{"name":"bench"}`)
	type side struct {
		name string
		call func() error
		all  []float64
		p50  []time.Duration
	}
	sides := []*side{{name: "floor: net/http long poll, 4 processes (Go)", call: func() error { bare.invoke(body); return nil }}}
	for _, e := range echoes {
		v, err := e.version(b.dir)
		if err != nil {
			return err
		}
		sides = append(sides, &side{name: "Paddock: " + e.name, call: func() error { return call(invoker, v, body) }})
	}
	for range b.rounds {
		for _, s := range sides {
			if err := closedLoop(50*time.Millisecond, s.call, nil); err != nil { // environments start
				return err
			}
			var took []time.Duration
			if err := closedLoop(b.length, s.call, &took); err != nil {
				return err
			}
			s.all = append(s.all, float64(len(took))/b.length.Seconds())
			s.p50 = append(s.p50, median(took))
		}
	}
	fmt.Printf("\n| invocations, 16 callers, 4 environments, in process, without CPU quotas (%s) | a second | p50 with its wait |\n|---|---|---|\n", b.sandbox)
	for _, s := range sides {
		fmt.Printf("| %s | %.0f | %s |\n", s.name, median(s.all), ms(median(s.p50)))
	}
	return nil
}

// closedLoop has the callers call until length is over.
func closedLoop(length time.Duration, call func() error, took *[]time.Duration) error {
	turns := make(chan struct{}, loadEnvironments)
	var mu sync.Mutex
	var failed error
	var wg sync.WaitGroup
	start := time.Now()
	for range loadCallers {
		wg.Go(func() {
			var own []time.Duration
			for time.Since(start) < length {
				began := time.Now()
				turns <- struct{}{}
				err := call()
				<-turns
				if err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
					return
				}
				own = append(own, time.Since(began))
			}
			mu.Lock()
			defer mu.Unlock()
			if took != nil {
				*took = append(*took, own...)
			}
		})
	}
	wg.Wait()
	return failed
}

func (b *bench) overHTTP(echoes []echoing) error {
	p, err := b.startPaddock(filepath.Join(b.dir, "throughput"), "--cpu-quota=false")
	if err != nil {
		return err
	}
	defer p.stop()
	bare, err := b.startFloorServer(loadEnvironments)
	if err != nil {
		return err
	}
	defer bare.stop()
	type side struct {
		name, url string
		all       []float64
		p50       []time.Duration
	}
	sides := []*side{{name: "floor: net/http long poll, 4 processes (Go)", url: bare.url}}
	for _, e := range echoes {
		if err := b.createEcho(p, "load-"+e.name[:2], e); err != nil {
			return err
		}
		sides = append(sides, &side{name: "Paddock: " + e.name, url: p.url + functions + "/load-" + e.name[:2] + "/invocations"})
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: loadCallers, DisableCompression: true}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	body := []byte(`{"name":"bench"}`)
	for range b.rounds {
		for _, s := range sides {
			ask := func() error { return once(client, http.StatusOK, http.MethodPost, s.url, body) }
			if err := closedLoop(50*time.Millisecond, ask, nil); err != nil {
				return err
			}
			var took []time.Duration
			if err := closedLoop(b.length, ask, &took); err != nil {
				return err
			}
			slices.Sort(took)
			s.all = append(s.all, float64(len(took))/b.length.Seconds())
			s.p50 = append(s.p50, median(took))
		}
	}
	fmt.Printf("\n| invocations, 16 callers, 4 environments, over HTTP, without CPU quotas (%s) | a second | p50 with its wait |\n|---|---|---|\n", b.sandbox)
	for _, s := range sides {
		fmt.Printf("| %s | %.0f | %s |\n", s.name, median(s.all), ms(median(s.p50)))
	}
	return nil
}
