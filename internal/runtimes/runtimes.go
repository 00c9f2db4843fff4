// Package runtimes knows Lambda's managed runtimes: which interpreter of this
// host runs a runtime identifier, and which bootstrap (small files of ours,
// embedded) turns that interpreter into a Runtime API client.
//
// Starting a function takes two steps, because a sandbox wants to know its
// folders before it says where things stand inside it:
//
//	rt, err := runtimes.Resolve("python3.13")           // cached after the first time
//	spec := &sandbox.Spec{Lang: rt.Lang, Bootstrap: rt.Bootstrap, …}
//	cmd := rt.Command(sb.Layout(), version)             // pure: no I/O
package runtimes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
)

// How Resolve chooses an interpreter (Options.Match).
const (
	// MatchNearest takes the version that was asked for, else the next newer
	// one that is installed, else the next older one. Newer goes first because
	// interpreters keep running what was written for their predecessors far
	// more often than the other way round.
	MatchNearest = "nearest"
	// MatchExact takes only the version that was asked for.
	MatchExact = "exact"
)

// Options configures New.
type Options struct {
	// Match is MatchNearest or MatchExact; empty: MatchNearest.
	Match string
	// Dir is a folder for what this package keeps: the unpacked bootstraps
	// (content-addressed, written once) and what is known of the host's
	// interpreters. It is made when missing.
	Dir string
	// Logger takes what goes wrong without stopping anything: a candidate that
	// cannot be run, a cache that cannot be written. Nil: slog.Default.
	Logger *slog.Logger
}

// Runtimes resolves runtime identifiers. It is safe for concurrent use.
type Runtimes struct {
	match string
	dir   string
	log   *slog.Logger
	host  host

	resolved sync.Map // identifier to *Runtime: the hot path takes no lock

	mu     sync.Mutex // held while the host is looked through
	probed *probeCache
}

// New makes a Runtimes. It starts no interpreter and reads nothing, so that the
// daemon can listen at once: that is left to the first Resolve or List.
func New(opts Options) (*Runtimes, error) {
	if opts.Match == "" {
		opts.Match = MatchNearest
	}
	if opts.Match != MatchNearest && opts.Match != MatchExact {
		return nil, fmt.Errorf("runtimes: match %q is neither %q nor %q", opts.Match, MatchNearest, MatchExact)
	}
	if opts.Dir == "" {
		return nil, errors.New("runtimes: no folder given")
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("runtimes: %w", err)
	}
	return &Runtimes{
		match:  opts.Match,
		dir:    dir,
		log:    opts.Logger,
		host:   thisHost(),
		probed: newProbeCache(filepath.Join(dir, "interpreters.json"), opts.Logger),
	}, nil
}

// Runtime is a runtime identifier made ready for this host.
type Runtime struct {
	ID string // "python3.13"
	// Lang is the host folder of the language installation, for
	// sandbox.Spec.Lang; empty when the interpreter is part of the host's system
	// (under /usr) or there is none (provided.*).
	Lang string
	// Bootstrap is the host folder of our bootstrap, for sandbox.Spec.Bootstrap;
	// empty for provided.*.
	Bootstrap string
	// Interpreter is what runs it; the zero value for provided.*.
	Interpreter Interpreter
	// Notice is a line for the terminal and the function's log where the
	// interpreter is not of the very version that was asked for; empty otherwise.
	Notice string
	// ExecutionEnv is the value of AWS_EXECUTION_ENV ("AWS_Lambda_python3.13"),
	// which Command's Env holds already; empty for provided.*, where Lambda sets
	// none.
	ExecutionEnv string

	spec spec
}

// Resolve finds the interpreter for a runtime identifier and unpacks its
// bootstrap. The first call for a language looks through the host and runs the
// interpreters it does not know yet (tens of milliseconds, on a host with many
// of them hundreds); after that it is a look-up in a map.
//
// Its error wraps function.ErrNoRuntime when no interpreter of this host fits,
// or Paddock cannot run the runtime at all, and says what to do about it.
func (r *Runtimes) Resolve(runtime string) (*Runtime, error) {
	if rt, ok := r.resolved.Load(runtime); ok {
		return rt.(*Runtime), nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	rt, err := r.resolve(runtime)
	if err != nil {
		return nil, err // not kept: the interpreter may be installed meanwhile
	}
	r.resolved.Store(runtime, rt)
	return rt, nil
}

func (r *Runtimes) resolve(runtime string) (*Runtime, error) {
	want, err := parse(runtime)
	if err != nil {
		return nil, err
	}
	rt := &Runtime{ID: runtime, spec: want}
	if want.lang == langProvided {
		return rt, nil
	}
	rt.ExecutionEnv = "AWS_Lambda_" + runtime
	found := r.find(context.Background(), want.lang)
	got, ok := choose(found, want, r.match == MatchExact)
	if !ok {
		return nil, r.noInterpreter(want, found)
	}
	if got.Version.release(want.lang) != want.version {
		rt.Notice = fmt.Sprintf("runtime %s is not installed; using %s (%s)", runtime, got.Name(), got.Path)
	}
	rt.Interpreter = got
	rt.Lang = got.lang()
	if rt.Bootstrap, err = r.unpack(want.lang); err != nil {
		return nil, err
	}
	if want.lang == langPython {
		r.compile(context.Background(), got, rt.Bootstrap)
	}
	return rt, nil
}

// List is every interpreter of this host that can run a managed runtime, by
// language and from the newest to the oldest. It is as slow as the first
// Resolve of each language.
func (r *Runtimes) List(ctx context.Context) []Interpreter {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Interpreter
	for _, lang := range []language{langPython, langNode} {
		all = append(all, r.find(ctx, lang)...)
	}
	return all
}
