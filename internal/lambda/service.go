// Package lambda is the AWS Lambda service: functions, their versions, aliases
// and policies, and the invocation of them by name. One file an operation; what
// runs a function is behind function.Invoker.
//
// https://docs.aws.amazon.com/lambda/latest/api/Welcome.html
package lambda

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/store"
)

// faultPause keeps a machine that has a fault from being asked without end.
const faultPause = time.Second

// Code keeps unpacked code archives. *codestore.Store is one.
type Code interface {
	// Ensure returns the folder with the unpacked archive of that hash. Its error
	// is an *archive.Error where the archive is at fault.
	Ensure(ctx context.Context, sha256 string) (dir string, err error)
	// Release says that no function refers to an archive any more.
	Release(sha256 string)
	// Sweep removes what keep does not want.
	Sweep(ctx context.Context, keep func(sha256 string) bool) error
}

// Images unpacks container images. Its errors are *function.ImageError where the
// URI or the image is at fault.
type Images interface {
	// Resolve reads which image a URI means now. resolved will always mean that one.
	Resolve(ctx context.Context, account, region, uri string) (digest, resolved string, err error)
	// Ensure returns an image, which it unpacks where that has not been done.
	Ensure(ctx context.Context, digest, resolved string) (*function.Image, error)
	// Release says that no function refers to an image any more.
	Release(digest string)
	// Sweep removes what keep does not want.
	Sweep(ctx context.Context, keep func(digest string) bool) error
}

// Options are a Service's. All but those with a default are required.
type Options struct {
	Documents store.Documents
	// Blobs holds code archives, and nothing else: what no function refers to is
	// deleted from it.
	Blobs   store.Blobs
	Code    Code
	Images  Images // nil: functions of container images cannot run here
	Invoker function.Invoker
	// Capacity is the Invoker's.
	Capacity Capacity
	// Sources is what event source mappings ask about theirs; nil: none is created.
	Sources Sources
	// Concurrency limits an account's invocations in a region. Default: 1000.
	Concurrency int
	// Architecture is what this host runs: "x86_64" or "arm64". Default: its own.
	Architecture string
	Logger       *slog.Logger     // default: none
	Now          func() time.Time // default: time.Now
}

// Service implements api.Handler. It is safe for concurrent use.
type Service struct {
	api.Unimplemented

	opts  Options
	log   *slog.Logger
	index index
	refs  codeRefs
	// layers is what refs counts beside the index's versions.
	layers layerArchives
	// mappings are the event source mappings.
	mappings mappings

	capacity capacity
	// tokenKey signs the URLs of code archives; it lives as long as the process,
	// which is longer than a URL is valid.
	tokenKey []byte

	ctx        context.Context // ends with Close
	stop       context.CancelFunc
	background sync.WaitGroup

	loaded  chan struct{} // closed once the index holds what the store does
	loadErr error         // set before loaded is closed
}

var _ api.Handler = (*Service)(nil)

// New starts the service. It returns at once: functions are loaded in the
// background. Operations on a function do not wait for that, lists do.
func New(opts Options) (*Service, error) {
	if opts.Documents == nil || opts.Blobs == nil || opts.Code == nil || opts.Invoker == nil || opts.Capacity == nil {
		return nil, errors.New("lambda: Documents, Blobs, Code, Invoker and Capacity are required")
	}
	if opts.Concurrency == 0 {
		opts.Concurrency = accountConcurrency
	}
	if opts.Architecture == "" {
		opts.Architecture = "x86_64"
		if runtime.GOARCH == "arm64" {
			opts.Architecture = "arm64"
		}
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	s := &Service{opts: opts, log: opts.Logger, loaded: make(chan struct{}), tokenKey: make([]byte, 32)}
	rand.Read(s.tokenKey) // never fails
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.refs.init(s)
	s.capacity.pause = minPause
	s.layers.refs, s.layers.watched = &s.refs, &s.index.watched
	s.mappings.watched, s.mappings.remove = &s.index.watched, s.removeMapping
	s.index.hooks = hooks{
		added: func(v *version) {
			for _, sha := range v.doc.archives() {
				s.refs.add(sha)
			}
		},
		removed: func(v *version, gone bool) {
			for _, sha := range v.doc.archives() {
				s.refs.drop(sha)
			}
			if gone {
				s.opts.Invoker.Retire(v.proto.ARN)
			}
		},
	}
	watch := opts.Documents.Watch(s.ctx, keyPrefix) // before the list: nothing falls between them
	s.background.Go(func() {
		s.loadErr = s.load()
		close(s.loaded)
		if s.loadErr != nil {
			s.log.Error("functions cannot be loaded", "error", s.loadErr)
			return
		}
		s.background.Go(s.sweep)
		s.follow(watch)
	})
	return s, nil
}

// Close ends background work and waits for it. The Invoker is its owner's.
func (s *Service) Close() error {
	s.stop()
	s.background.Wait()
	return nil
}

func (s *Service) load() error {
	docs, err := s.opts.Documents.List(s.ctx, keyPrefix, "", 0)
	if err != nil {
		return fmt.Errorf("lambda: load: %w", err)
	}
	for _, d := range docs {
		if err := s.take(d, nil); err != nil {
			return fmt.Errorf("lambda: load: %w", err)
		}
	}
	if err := s.allotFor(docs); err != nil {
		return fmt.Errorf("lambda: load: %w", err)
	}
	return nil
}

// follow keeps the index up to date with what others write.
func (s *Service) follow(watch store.Watch) {
	for {
		docs, err := watch.Next(s.ctx)
		switch {
		case s.ctx.Err() != nil || errors.Is(err, store.ErrClosed):
			return
		case err != nil: // a fault of the machine's, after which the watch goes on
			s.log.Error("the watch of functions has a fault", "error", err)
			select {
			case <-s.ctx.Done():
			case <-time.After(faultPause):
			}
			continue
		}
		for _, d := range docs {
			if err := s.take(d, nil); err != nil {
				s.log.Error("a function's document cannot be read", "key", d.Key, "error", err)
			}
		}
		if err := s.allotFor(docs); err != nil {
			s.log.Error("what is set aside for functions cannot be read", "error", err)
		}
		if len(docs) > 0 {
			s.index.watched.Store(docs[len(docs)-1].Revision)
		}
		// Only now: an operation that is slower than the watch may still bring what
		// it wrote before a deletion, and either the one or the other stops it.
		for _, d := range docs {
			if d.Value == nil {
				s.index.forget(d)
				s.layers.forget(d)
				s.mappings.forget(d)
			}
		}
	}
}

// wait returns once the index is loaded.
func (s *Service) wait(ctx context.Context) error {
	select {
	case <-s.loaded:
		return s.loadErr
	default:
	}
	select {
	case <-s.loaded:
		return s.loadErr
	case <-ctx.Done():
		return ctx.Err()
	}
}

// find returns a function's state, nil where there is none. It does not wait
// until all functions are loaded: until then it asks the store for this one.
func (s *Service) find(ctx context.Context, r ref) (*snapshot, error) {
	select {
	case <-s.loaded:
		if s.loadErr != nil {
			return nil, s.loadErr
		}
	default:
		docs, err := s.opts.Documents.List(ctx, r.prefix(), "", 0)
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			if err := s.index.apply(d, nil); err != nil {
				return nil, err
			}
		}
		if err := s.allotFor(docs); err != nil {
			return nil, err
		}
	}
	return s.index.lookup(r.account, r.region, r.name)
}

// must is find for functions that have to exist. missing is the ARN that the
// error names.
func (s *Service) must(ctx context.Context, r ref, missing string) (*snapshot, error) {
	snap, err := s.find(ctx, r)
	if err != nil {
		return nil, err
	}
	if snap == nil {
		return nil, functionNotFound(missing)
	}
	return snap, nil
}

// change writes documents durably and takes them into the index, so that what
// follows sees them. The documents are written and taken in the given order.
//
// A caller that goes away does not end the write: half an operation must not be
// left, such as a function whose archive is let go of.
func (s *Service) change(ctx context.Context, made map[string]*version, writes ...store.Write) error {
	revision, err := s.opts.Documents.Write(context.WithoutCancel(ctx), writes...)
	if err != nil {
		return err
	}
	docs := make([]store.Document, 0, len(writes))
	for _, w := range writes {
		if w.Check {
			continue
		}
		d := store.Document{Key: w.Key, Value: w.Value, Revision: revision}
		if err := s.take(d, made); err != nil {
			return err
		}
		docs = append(docs, d)
	}
	return s.allotFor(docs)
}

// take lets all that is kept in memory know of a document's new state.
func (s *Service) take(d store.Document, made map[string]*version) error {
	if err := s.layers.apply(d); err != nil {
		return err
	}
	if err := s.mappings.apply(d); err != nil {
		return err
	}
	return s.index.apply(d, made)
}

// refresh takes the stored state of a function's settings, after a conditional
// write lost against one that the index has not seen yet.
func (s *Service) refresh(ctx context.Context, k docKey) error {
	d, err := s.opts.Documents.Get(ctx, k.String())
	if errors.Is(err, store.ErrNotFound) {
		return nil // the watch, or whoever deleted it, tells the index
	}
	if err != nil {
		return err
	}
	return s.index.apply(d, nil)
}

// maxAttempts bounds how often an operation without a precondition of its own
// is tried again after losing against another.
const maxAttempts = 20

// retry runs f until it no longer fails for a change of k's document in the
// meantime.
func (s *Service) retry(ctx context.Context, k docKey, f func() error) error {
	var err error
	for range maxAttempts {
		if err = f(); !changedMeanwhile(err) {
			return err
		}
		if rerr := s.refresh(ctx, k); rerr != nil {
			return rerr
		}
	}
	return err
}

// Reset deletes every function, layer and event source mapping of every account. Running invocations finish.
func (s *Service) Reset(ctx context.Context) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	docs, err := s.opts.Documents.List(ctx, keyPrefix, "", 0)
	if err != nil {
		return err
	}
	const batch = 500
	for len(docs) > 0 {
		n := min(batch, len(docs))
		writes := make([]store.Write, n)
		for i, d := range docs[:n] {
			writes[i] = store.Write{Key: d.Key}
		}
		if err := s.change(ctx, nil, writes...); err != nil {
			return err
		}
		docs = docs[n:]
	}
	return nil
}
