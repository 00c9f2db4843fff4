package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// floor is the least that can stand between a caller and function processes which
// speak the Runtime API: a long-poll server on net/http. It has no limits, no
// logs, no isolation, and forgets what fails.
type floor struct {
	queue   chan *question
	pending sync.Map // request ID to *question
	asked   atomic.Int64
	server  http.Server
	kids    []*exec.Cmd
}

type question struct {
	id     string
	body   []byte
	answer chan []byte
}

// startFloor starts processes of function.
func startFloor(function string, processes int) (*floor, error) {
	f := &floor{queue: make(chan *question, 1024)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case q := <-f.queue:
			f.pending.Store(q.id, q)
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", q.id)
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10))
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:floor")
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(q.body) // a broken connection shows in the load
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if q, ok := f.pending.LoadAndDelete(r.PathValue("id")); ok && err == nil {
			q.(*question).answer <- body
		}
		w.WriteHeader(http.StatusAccepted)
	})
	f.server.Handler = mux
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() { _ = f.server.Serve(ln) }() // until stop
	for range processes {
		cmd := exec.Command(function)
		cmd.Env = []string{"AWS_LAMBDA_RUNTIME_API=" + ln.Addr().String()}
		if err := cmd.Start(); err != nil {
			f.stop()
			return nil, err
		}
		f.kids = append(f.kids, cmd)
	}
	return f, nil
}

func (f *floor) invoke(body []byte) []byte {
	q := &question{id: fmt.Sprintf("00000000-0000-4000-8000-%012d", f.asked.Add(1)), body: body, answer: make(chan []byte, 1)}
	f.queue <- q
	return <-q.answer
}

func (f *floor) stop() {
	for _, kid := range f.kids {
		_ = kid.Process.Kill()
		_ = kid.Wait()
	}
	_ = f.server.Close()
}

// serveFloor is this program as the floor's server: it answers each request with
// what a function process answers.
func serveFloor(address, function string, processes int) error {
	f, err := startFloor(function, processes)
	if err != nil {
		return err
	}
	defer f.stop()
	server := &http.Server{Addr: address, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet { // startServer asks whether it is there
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(f.invoke(body)) // a broken connection shows in the load
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	// The caller closes standard input when it has done.
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Shutdown(context.Background())
	}()
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// startFloorServer starts serveFloor in a process of its own.
func (b *bench) startFloorServer(processes int) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	cmd := exec.Command(self, "-floor", address, "-floor-function", b.function, "-floor-processes", strconv.Itoa(processes))
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, err
	}
	return startServer(cmd, "http://"+address)
}
