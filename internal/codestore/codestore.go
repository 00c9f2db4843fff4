// Package codestore keeps unpacked code archives as folders on this host, one a
// hash, shared read-only by every environment that runs that code.
//
// It is a cache of store.Blobs and is not synchronised to disk: a tree appears
// under its name only when it is whole (by rename), and all trees of an earlier
// boot of the host are thrown away, since a power failure may have left their
// files without content. kill -9 loses nothing, for the page cache survives it.
package codestore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/archive"
	"github.com/paddock-run/paddock/internal/store"
)

// Opener is the part of store.Blobs that is needed here.
type Opener interface {
	Open(ctx context.Context, sha256 string) (store.BlobReader, error)
}

// Options are a Store's. Dir and Blobs are required.
type Options struct {
	Dir    string // host folder that belongs to the Store alone; made if absent
	Blobs  Opener
	Limits archive.Limits // zero: archive.Lambda
	// Parallel is how many archives are unpacked at once; zero: 2, for unpacking
	// must not take the processors from functions that run.
	Parallel int
	// Grace is how long a tree outlives its Release: what still runs on it must
	// have ended by then. Zero: 20 minutes, over the longest function timeout.
	Grace  time.Duration
	Logger *slog.Logger
}

// Store unpacks archives on demand. It is safe for concurrent use.
type Store struct {
	opts Options
	root string // opts.Dir/<generation>
	slot chan struct{}

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	bg   sync.WaitGroup

	mu    sync.Mutex
	trees map[string]*tree
}

// tree is one archive's folder. Fields besides done are guarded by Store.mu,
// err until done is closed.
type tree struct {
	done  chan struct{} // closed when unpacked, or failed with err
	err   error
	timer *time.Timer // runs after Release
}

// New opens the cache in opts.Dir. Trees of earlier boots are deleted in the
// background.
func New(opts Options) (*Store, error) {
	if opts.Limits == (archive.Limits{}) {
		opts.Limits = archive.Lambda
	}
	if opts.Parallel == 0 {
		opts.Parallel = 2
	}
	if opts.Grace == 0 {
		opts.Grace = 20 * time.Minute
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("codestore: %w", err)
	}
	gen := generation()
	s := &Store{opts: opts, root: filepath.Join(dir, gen), slot: make(chan struct{}, opts.Parallel), trees: map[string]*tree{}}
	if err := os.MkdirAll(s.root, 0o755); err != nil {
		return nil, fmt.Errorf("codestore: %w", err)
	}
	for _, d := range []string{dir, s.root} { // an unprivileged user must pass, whatever the umask
		if err := os.Chmod(d, 0o755); err != nil {
			return nil, fmt.Errorf("codestore: %w", err)
		}
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.bg.Go(func() { s.clean(dir, gen) })
	return s, nil
}

// generation names the host's present boot; where the host has no name for
// it, a new one each time, which only costs unpacking again.
func generation() string {
	id, err := bootID()
	if err != nil || id == "" {
		id = rand.Text()
	}
	sum := sha256.Sum256([]byte(id))
	return "boot-" + hex.EncodeToString(sum[:8])
}

// clean removes other boots' trees, and what an unpacking left half done.
func (s *Store) clean(dir, gen string) {
	for _, d := range []struct {
		path string
		drop func(name string) bool
	}{
		{dir, func(name string) bool { return name != gen }},
		{s.root, s.leftOver},
	} {
		names, err := os.ReadDir(d.path)
		if err != nil {
			s.opts.Logger.Warn("code cache cannot be listed", "dir", d.path, "error", err)
			continue
		}
		for _, e := range names {
			if s.ctx.Err() != nil {
				return
			}
			if d.drop(e.Name()) {
				s.remove(filepath.Join(d.path, e.Name()))
			}
		}
	}
}

// Temporary folders are named tmp-<process>-<random>: those of this very process
// are in use. A process ID would not do, for in a container it is always the same.
var ownTemp = "tmp-" + rand.Text() + "-"

func (s *Store) leftOver(name string) bool {
	return strings.HasPrefix(name, "tmp-") && !strings.HasPrefix(name, ownTemp)
}

func (s *Store) remove(path string) {
	if err := os.RemoveAll(path); err != nil {
		s.opts.Logger.Warn("code folder cannot be removed", "dir", path, "error", err)
	}
}

// Ensure returns the absolute path of the folder with the unpacked archive
// whose blob has the given hash (lower-case hex), unpacking it first where that
// has not been done. Concurrent calls share the work, which goes on when a
// caller gives up. It cancels an earlier Release.
//
// The error is an *archive.Error where the archive is at fault,
// store.ErrNotFound where there is no such blob, ctx's, or the machine's.
func (s *Store) Ensure(ctx context.Context, sha string) (string, error) {
	if !validHash(sha) {
		return "", fmt.Errorf("codestore: %q is not a SHA-256", sha)
	}
	t := s.tree(sha)
	select {
	case <-t.done:
	default:
		select {
		case <-t.done:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	if t.err != nil {
		return "", t.err
	}
	return filepath.Join(s.root, sha), nil
}

// tree returns the tree of a hash, starting its unpacking where there is none.
func (s *Store) tree(sha string) *tree {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.trees[sha]; t != nil {
		if t.timer != nil {
			t.timer.Stop()
			t.timer = nil
		}
		return t
	}
	t := &tree{done: make(chan struct{})}
	if s.ctx.Err() != nil {
		t.err = fs.ErrClosed
		close(t.done)
		return t
	}
	s.trees[sha] = t
	s.bg.Go(func() {
		err := s.unpack(sha)
		s.mu.Lock()
		defer s.mu.Unlock()
		t.err = err
		if err != nil && s.trees[sha] == t {
			delete(s.trees, sha) // the next Ensure tries again
		}
		close(t.done)
	})
	return t
}

func (s *Store) unpack(sha string) (err error) {
	final := filepath.Join(s.root, sha)
	if _, err := os.Stat(final); err == nil {
		return nil // of an earlier process of this boot
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("codestore: %w", err)
	}
	select {
	case s.slot <- struct{}{}:
		defer func() { <-s.slot }()
	case <-s.ctx.Done():
		return fs.ErrClosed
	}
	blob, err := s.opts.Blobs.Open(s.ctx, sha)
	if err != nil {
		return fmt.Errorf("codestore: open archive: %w", err)
	}
	defer blob.Close() // was only read
	temp := filepath.Join(s.root, ownTemp+rand.Text())
	if err := os.Mkdir(temp, 0o755); err != nil {
		return fmt.Errorf("codestore: %w", err)
	}
	defer func() {
		if err != nil {
			s.remove(temp)
		}
	}()
	a, err := archive.Open(blob, blob.Size(), s.opts.Limits)
	if err != nil {
		return fmt.Errorf("codestore: %w", err)
	}
	if err := a.Unpack(s.ctx, temp); err != nil {
		return fmt.Errorf("codestore: unpack: %w", err)
	}
	if err := os.Rename(temp, final); err != nil {
		return fmt.Errorf("codestore: %w", err)
	}
	return nil
}

// Release says that nothing refers to a tree any more. It is removed once the
// grace has passed without another Ensure.
func (s *Store) Release(sha string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.trees[sha]
	if t == nil || t.timer != nil || s.ctx.Err() != nil {
		return // never asked for by this process: Sweep's business
	}
	var timer *time.Timer
	timer = time.AfterFunc(s.opts.Grace, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.trees[sha] != t || t.timer != timer {
			return
		}
		s.drop(sha)
	})
	t.timer = timer
}

// drop removes a tree; s.mu is held. The folder leaves its name at once and is
// deleted afterwards, so that an Ensure meanwhile begins anew.
func (s *Store) drop(sha string) {
	delete(s.trees, sha)
	gone := filepath.Join(s.root, ownTemp+rand.Text())
	if err := os.Rename(filepath.Join(s.root, sha), gone); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.opts.Logger.Warn("code folder cannot be removed", "sha256", sha, "error", err)
		}
		return
	}
	if s.ctx.Err() != nil {
		return // left to the next start
	}
	s.bg.Go(func() { s.remove(gone) })
}

// Sweep removes the trees that keep does not want and that this process has
// not been asked for. It is meant for the time after a start.
func (s *Store) Sweep(ctx context.Context, keep func(sha string) bool) error {
	names, err := os.ReadDir(s.root)
	if err != nil {
		return fmt.Errorf("codestore: %w", err)
	}
	for _, e := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		sha := e.Name()
		if !validHash(sha) || keep(sha) {
			continue
		}
		s.mu.Lock()
		if s.trees[sha] == nil {
			s.drop(sha)
		}
		s.mu.Unlock()
	}
	return nil
}

// Close ends work under way and waits for it. Trees stay for the next process.
func (s *Store) Close() error {
	s.mu.Lock()
	s.stop()
	for _, t := range s.trees {
		if t.timer != nil {
			t.timer.Stop()
		}
	}
	s.mu.Unlock()
	s.bg.Wait()
	return nil
}

func validHash(sha string) bool {
	if len(sha) != 64 {
		return false
	}
	for _, c := range []byte(sha) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
