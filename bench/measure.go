package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	functions = "/2015-03-31/functions"
	// rieFunction is the only function that the emulator knows.
	rieFunction = functions + "/function/invocations"
)

// start measures from the start of the process to its first answer, and the
// memory of a daemon that does nothing.
func (b *bench) start() error {
	var ready []time.Duration
	var idle []int64
	for round := range b.rounds {
		s, err := b.startPaddock(filepath.Join(b.dir, fmt.Sprint("start", round)))
		if err != nil {
			return err
		}
		ready = append(ready, s.ready)
		m, err := memory(s.cmd.Process.Pid)
		s.stop()
		if err != nil {
			return err
		}
		idle = append(idle, m)
	}
	fmt.Printf("\n| Paddock alone | |\n|---|---|\n| start to first answer | %s |\n| idle memory (PSS) | %.1f MB |\n", ms(median(ready)), float64(median(idle))/(1<<20))
	return nil
}

// warm measures invocations of a warm function, one caller, both sides in turn.
func (b *bench) warm() error {
	echoes, err := b.echoes()
	if err != nil {
		return err
	}
	p, err := b.startPaddock(filepath.Join(b.dir, "warm"))
	if err != nil {
		return err
	}
	defer p.stop()
	for _, e := range echoes {
		if err := b.warmOne(p, e); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) warmOne(p *server, e echoing) error {
	if err := b.createEcho(p, "warm-"+e.name[:2], e); err != nil {
		return err
	}
	rie, err := b.startRIE(e)
	if err != nil && !errors.Is(err, errNoRIE) {
		return err
	}
	invoke := func(url string) func(int, int) (string, string, []byte) {
		body := []byte(`{"name":"bench"}`)
		return func(int, int) (string, string, []byte) { return http.MethodPost, url, body }
	}
	ours, theirs := invoke(p.url+functions+"/warm-"+e.name[:2]+"/invocations"), invoke("")
	if rie != nil {
		defer rie.stop()
		theirs = invoke(rie.url + rieFunction)
	}
	var p50, p99, rie50, rie99 []time.Duration
	for range b.rounds {
		s, err := load(1, b.length, http.StatusOK, ours)
		if err != nil {
			return err
		}
		p50, p99 = append(p50, s.quantile(0.5)), append(p99, s.quantile(0.99))
		if rie == nil {
			continue
		}
		if s, err = load(1, b.length, http.StatusOK, theirs); err != nil {
			return err
		}
		rie50, rie99 = append(rie50, s.quantile(0.5)), append(rie99, s.quantile(0.99))
	}
	fmt.Printf("\n| warm invocation of a %s function, one caller | p50 | p99 |\n|---|---|---|\n| Paddock (%s) | %s | %s |\n", e.name, b.sandbox, ms(median(p50)), ms(median(p99)))
	if rie != nil {
		fmt.Printf("| Runtime Interface Emulator | %s | %s |\n| ratio | %.2f | %.2f |\n", ms(median(rie50)), ms(median(rie99)),
			float64(median(p50))/float64(median(rie50)), float64(median(p99))/float64(median(rie99)))
	}
	return nil
}

// coldPause is between two cold starts: one at a time is what is measured, on a
// machine that has come to rest; burst measures many at once.
const coldPause = 250 * time.Millisecond

// cold measures first invocations: each of a function that has no environment, in
// turn with an emulator that has just been started.
func (b *bench) cold() error {
	echoes, err := b.echoes()
	if err != nil {
		return err
	}
	p, err := b.startPaddock(filepath.Join(b.dir, "cold"))
	if err != nil {
		return err
	}
	defer p.stop()
	client := &http.Client{Timeout: time.Minute}
	for _, e := range echoes {
		var ours, theirs []time.Duration
		for n := range 10*b.rounds + 2 {
			name := fmt.Sprintf("cold-%s-%d", e.name[:2], n)
			if err := b.createEcho(p, name, e); err != nil {
				return err
			}
			time.Sleep(coldPause)
			began := time.Now()
			if err := once(client, http.StatusOK, http.MethodPost, p.url+functions+"/"+name+"/invocations", []byte(`{}`)); err != nil {
				return err
			}
			if n >= 2 { // the first finds nothing prepared
				ours = append(ours, time.Since(began))
			}
			rie, err := b.startRIE(e)
			if errors.Is(err, errNoRIE) {
				continue
			}
			if err != nil {
				return err
			}
			time.Sleep(coldPause)
			began = time.Now()
			err = once(client, http.StatusOK, http.MethodPost, rie.url+rieFunction, []byte(`{}`))
			theirs = append(theirs, time.Since(began))
			rie.stop()
			if err != nil {
				return err
			}
		}
		slices.Sort(ours)
		fmt.Printf("\n| cold start of a %s function, request to response | p50 of %d | p90 |\n|---|---|---|\n| Paddock (%s) | %s | %s |\n",
			e.name, len(ours), b.sandbox, ms(median(ours)), ms(ours[len(ours)*9/10]))
		if len(theirs) > 0 {
			slices.Sort(theirs)
			fmt.Printf("| Runtime Interface Emulator | %s | %s |\n", ms(median(theirs)), ms(theirs[len(theirs)*9/10]))
		}
	}
	return nil
}

// control measures CreateFunction, each with code of its own, and GetFunction.
func (b *bench) control() error {
	var creates, gets []float64
	for round := range b.rounds {
		p, err := b.startPaddock(filepath.Join(b.dir, fmt.Sprint("control", round)))
		if err != nil {
			return err
		}
		create, err := load(16, b.length, http.StatusCreated, func(caller, n int) (string, string, []byte) {
			name := fmt.Sprintf("f-%d-%d", caller, n)
			body, err := createBody(name, map[string][]byte{"app.py": fmt.Appendf(nil, "def handler(event, context):\n    return %q\n", name)}, "python3.13", "app.handler")
			if err != nil {
				panic(err) // a map of strings always encodes
			}
			return http.MethodPost, p.url + functions, body
		})
		if err != nil {
			p.stop()
			return err
		}
		get, err := load(16, b.length, http.StatusOK, func(caller, n int) (string, string, []byte) {
			return http.MethodGet, p.url + functions + fmt.Sprintf("/f-%d-%d", caller, n%10), nil
		})
		p.stop()
		if err != nil {
			return err
		}
		creates, gets = append(creates, create.perSecond()), append(gets, get.perSecond())
	}
	fmt.Printf("\n| control plane, 16 callers, durable | a second |\n|---|---|\n| CreateFunction, each with code of its own | %.0f |\n| GetFunction | %.0f |\n", median(creates), median(gets))
	return nil
}

// create makes the Go function and waits until it is active.
func (b *bench) create(s *server, name string) error {
	echoes, err := b.echoes()
	if err != nil {
		return err
	}
	return b.createEcho(s, name, echoes[0])
}

// createEcho makes a function that returns its event.
func (b *bench) createEcho(s *server, name string, e echoing) error {
	body, err := createBody(name, e.files, e.runtime, e.handler)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: time.Minute}
	if err := once(client, http.StatusCreated, http.MethodPost, s.url+functions, body); err != nil {
		return err
	}
	for {
		res, err := client.Get(s.url + functions + "/" + name + "/configuration")
		if err != nil {
			return err
		}
		var config struct{ State, StateReason string }
		err = json.NewDecoder(res.Body).Decode(&config)
		res.Body.Close()
		switch {
		case err != nil:
			return err
		case config.State == "Active":
			return nil
		case config.State == "Failed":
			return errors.New(config.StateReason)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// createBody is the body of a CreateFunction with these files as its code.
func createBody(name string, files map[string][]byte, runtime, handler string) ([]byte, error) {
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for file, content := range files {
		header := &zip.FileHeader{Name: file, Method: zip.Deflate}
		header.SetMode(0o755)
		f, err := w.CreateHeader(header)
		if err != nil {
			return nil, err
		}
		if _, err := f.Write(content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{
		"FunctionName": name, "Runtime": runtime, "Handler": handler,
		"Role": "arn:aws:iam::000000000000:role/bench", "MemorySize": 512,
		"Code": map[string][]byte{"ZipFile": archive.Bytes()},
	})
}

// burst measures first invocations that come all at once, each of a function of
// its own.
func (b *bench) burst() error {
	const count = 100
	p, err := b.startPaddock(filepath.Join(b.dir, "burst"))
	if err != nil {
		return err
	}
	defer p.stop()
	var took []time.Duration
	for round := range b.rounds {
		for n := range count {
			if err := b.create(p, fmt.Sprintf("burst-%d-%d", round, n)); err != nil {
				return err
			}
		}
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: count}, Timeout: time.Minute}
		failed := make([]error, count)
		var wg sync.WaitGroup
		began := time.Now()
		for n := range count {
			wg.Go(func() {
				url := p.url + functions + fmt.Sprintf("/burst-%d-%d/invocations", round, n)
				failed[n] = once(client, http.StatusOK, http.MethodPost, url, []byte(`{}`))
			})
		}
		wg.Wait()
		took = append(took, time.Since(began))
		client.CloseIdleConnections()
		if err := errors.Join(failed...); err != nil {
			return err
		}
	}
	fmt.Printf("\n| %d cold starts of a Go function at once | until the last answer, p50 of %d |\n|---|---|\n| Paddock (%s) | %s |\n", count, b.rounds, b.sandbox, ms(median(took)))
	return nil
}
