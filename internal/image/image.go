// Package image turns container images into root file systems: from a registry,
// Paddock's own or another, from an OCI layout folder, or from an archive of
// `docker save`.
//
// Layers are unpacked one by one into a store that all images share, each into a
// folder of its own that is never changed afterwards. A folder is named by its
// layer and those below it, since what it hides of them is written into it. It
// appears under its name, by rename, once it is whole and on the disk: a crash
// leaves no half layer. Unlike unpacked archives (package codestore), layers stay
// over reboots, for where they came from may be gone.
package image

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/store"
)

// Registry is Paddock's own. Its errors are store.ErrNotFound for what is not
// there, else faults of the machine.
type Registry interface {
	// Manifest returns a manifest and its media type. reference is a tag, or a
	// digest with its algorithm.
	Manifest(ctx context.Context, account, region, repository, reference string) (raw []byte, mediaType string, err error)
	// Blob opens a configuration or a layer.
	Blob(ctx context.Context, account, region, repository, digest string) (store.BlobReader, error)
}

// Options are a Store's. Dir is required.
type Options struct {
	Dir      string   // host folder that belongs to the Store alone; made if absent
	Registry Registry // Paddock's own; nil: there is none
	// OwnHosts are the host:port under which it is reached, besides those that
	// name account and region (….dkr.ecr.<region>.…).
	OwnHosts []string
	// Registries are the other ones (host or host:port) that images may come from.
	Registries []string
	// Local permits images in this host's files (oci-layout:, docker-archive:).
	Local bool
	// OwnFiles says that functions run as the user that this process runs as.
	OwnFiles bool
	// Architecture is what this host runs, as images name it; empty: runtime.GOARCH.
	Architecture string
	// MaxBytes bounds an image's layers together, unpacked; 0: 10 GiB.
	// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
	MaxBytes int64
	// Parallel is how many layers are unpacked at once; 0: 2.
	Parallel int
	// Grace is how long an image outlives its Release; 0: 20 minutes, over the
	// longest function timeout.
	Grace  time.Duration
	Logger *slog.Logger // nil: none
}

// Store keeps unpacked images. It is safe for concurrent use.
type Store struct {
	opts Options
	slot chan struct{}

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	bg   sync.WaitGroup

	mu     sync.Mutex
	images map[string]*held // by digest
	users  map[string]int   // of a layer's folder: images that have it, or will
	sizes  map[string]int64 // of a layer that is there: its bytes
	making map[string]chan struct{}
}

// held is an image that is there, or being made ready. Fields besides done are
// guarded by Store.mu, image and err until done is closed.
type held struct {
	done   chan struct{}
	image  *function.Image
	err    error
	timer  *time.Timer // runs after Release
	chains []string    // of its layers, counted in users
}

// record is what is stored of an image that is unpacked.
type record struct {
	Digest     string   `json:"digest"`
	Chains     []string `json:"chains"` // names of its layers' folders, the lowest first
	Sizes      []int64  `json:"sizes"`  // bytes of each
	EntryPoint []string `json:"entryPoint,omitempty"`
	Command    []string `json:"command,omitempty"`
	WorkingDir string   `json:"workingDir,omitempty"`
	Env        []string `json:"env,omitempty"`
	Extensions []string `json:"extensions,omitempty"`
}

const (
	layersFolder = "layers"
	imagesFolder = "images"
	incoming     = "incoming"
)

// New opens the store in opts.Dir. What a crash left is removed in the background.
func New(opts Options) (*Store, error) {
	if opts.Architecture == "" {
		opts.Architecture = runtime.GOARCH
	}
	if opts.MaxBytes == 0 {
		opts.MaxBytes = 10 << 30
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
	var err error
	if opts.Dir, err = filepath.Abs(opts.Dir); err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	s := &Store{
		opts: opts, slot: make(chan struct{}, opts.Parallel),
		images: map[string]*held{}, users: map[string]int{}, sizes: map[string]int64{}, making: map[string]chan struct{}{},
	}
	for _, d := range []string{opts.Dir, s.at(layersFolder), s.at(imagesFolder), s.at(incoming)} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("image: %w", err)
		}
		if err := os.Chmod(d, 0o755); err != nil { // whatever the umask: an overlay passes here as the function's user
			return nil, fmt.Errorf("image: %w", err)
		}
	}
	trash, err := s.load()
	if err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.bg.Go(func() {
		for _, path := range trash {
			s.remove(path)
		}
	})
	return s, nil
}

// at is a path in the store's folder.
func (s *Store) at(parts ...string) string {
	return filepath.Join(append([]string{s.opts.Dir}, parts...)...)
}

// load reads which images there are, and returns what belongs to none.
func (s *Store) load() (trash []string, err error) {
	left, err := os.ReadDir(s.at(incoming))
	if err != nil {
		return nil, err
	}
	for _, e := range left {
		trash = append(trash, s.at(incoming, e.Name()))
	}
	records, err := os.ReadDir(s.at(imagesFolder))
	if err != nil {
		return nil, err
	}
	for _, e := range records {
		text, err := os.ReadFile(s.at(imagesFolder, e.Name()))
		if err != nil {
			return nil, err
		}
		var rec record
		if err := json.Unmarshal(text, &rec); err != nil || !digestForm.MatchString(rec.Digest) || len(rec.Sizes) != len(rec.Chains) {
			s.opts.Logger.Warn("the record of an image cannot be read", "file", e.Name(), "error", err)
			trash = append(trash, s.at(imagesFolder, e.Name()))
			continue
		}
		h := &held{done: make(chan struct{}), image: s.image(&rec), chains: rec.Chains}
		close(h.done)
		s.images[rec.Digest] = h
		for i, chain := range rec.Chains {
			s.users[chain]++
			s.sizes[chain] = rec.Sizes[i]
		}
	}
	folders, err := os.ReadDir(s.at(layersFolder))
	if err != nil {
		return nil, err
	}
	for _, e := range folders {
		if s.users[e.Name()] == 0 {
			aside := s.aside()
			if err := os.Rename(s.at(layersFolder, e.Name()), aside); err != nil {
				return nil, err
			}
			trash = append(trash, aside)
		}
	}
	return trash, nil
}

// aside is a new name in the folder of what is being made, or removed.
func (s *Store) aside() string { return s.at(incoming, rand.Text()) }

func (s *Store) remove(path string) {
	if err := os.RemoveAll(path); err != nil {
		s.opts.Logger.Warn("part of an image cannot be removed; the next start tries again", "path", path, "error", err)
	}
}

func (s *Store) image(rec *record) *function.Image {
	image := &function.Image{
		Digest: rec.Digest, EntryPoint: rec.EntryPoint, Command: rec.Command,
		WorkingDir: rec.WorkingDir, Env: rec.Env, Extensions: rec.Extensions,
	}
	for _, chain := range rec.Chains {
		image.Layers = append(image.Layers, s.at(layersFolder, chain))
	}
	return image
}

// Resolved is the image that a URI means now.
type Resolved struct {
	Digest string // "sha256:…"
	URI    string // that it will always mean
}

// Resolve reads what a URI means now, and checks that it can run here as far as
// its manifest and configuration tell. account and region are of who asks. The
// error is a *function.ImageError where the URI or the image is at fault, ctx's,
// or the machine's.
func (s *Store) Resolve(ctx context.Context, account, region, uri string) (Resolved, error) {
	r, err := s.parse(uri, account, region)
	if err != nil {
		return Resolved{}, err
	}
	src, err := s.find(ctx, r)
	if err != nil {
		return Resolved{}, err
	}
	return Resolved{Digest: src.digest, URI: r.at(src.digest)}, nil
}

// Ensure returns the image of a Resolved, and unpacks it where that has not been
// done: then alone is it asked for where it came from. Concurrent calls share the
// work, which goes on when a caller gives up. It cancels an earlier Release.
// Errors are those of Resolve.
func (s *Store) Ensure(ctx context.Context, of Resolved) (*function.Image, error) {
	if !digestForm.MatchString(of.Digest) {
		return nil, fmt.Errorf("image: %q is no digest", of.Digest)
	}
	s.mu.Lock()
	if s.ctx.Err() != nil {
		s.mu.Unlock()
		return nil, fmt.Errorf("image: the store is closed: %w", s.ctx.Err())
	}
	h := s.images[of.Digest]
	if h == nil {
		h = &held{done: make(chan struct{})}
		s.images[of.Digest] = h
		s.bg.Go(func() { s.make(h, of) })
	} else if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
	s.mu.Unlock()
	select {
	case <-h.done:
		return h.image, h.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// make makes an image ready. One that failed is forgotten: the next Ensure tries
// again.
func (s *Store) make(h *held, of Resolved) {
	image, err := s.prepare(s.ctx, h, of)
	s.mu.Lock()
	h.image, h.err = image, err
	var trash []string
	if err != nil {
		delete(s.images, of.Digest)
		if h.timer != nil {
			h.timer.Stop()
		}
		trash = s.drop(h)
	}
	s.mu.Unlock()
	close(h.done)
	for _, path := range trash {
		s.remove(path)
	}
}

func (s *Store) prepare(ctx context.Context, h *held, of Resolved) (*function.Image, error) {
	r, err := s.parse(of.URI, "", "")
	if err != nil {
		return nil, err
	}
	src, err := s.find(ctx, r)
	if err != nil {
		return nil, err
	}
	if src.digest != of.Digest {
		return nil, damaged(r, "it has the digest %s", src.digest)
	}
	c := src.config.Config
	rec := &record{Digest: of.Digest, EntryPoint: c.Entrypoint, Command: c.Cmd, Env: c.Env}
	if c.WorkingDir != "" {
		rec.WorkingDir = path.Clean("/" + c.WorkingDir)
	}
	left := s.opts.MaxBytes
	below := ""
	var folders []string
	for _, l := range src.layers {
		chain := chainOf(below, l.diffID)
		s.use(h, chain)
		folder := s.at(layersFolder, chain)
		size, err := s.layer(ctx, r, l, chain, folders, left)
		if err != nil {
			return nil, err
		}
		if left -= size; left < 0 {
			return nil, s.tooLarge(r)
		}
		rec.Chains, rec.Sizes = append(rec.Chains, chain), append(rec.Sizes, size)
		folders = append(folders, folder)
		below = chain
	}
	if rec.Extensions, err = extensions(folders); err != nil {
		return nil, err
	}
	if err := s.write(rec); err != nil {
		return nil, err
	}
	return s.image(rec), nil
}

func (s *Store) tooLarge(r reference) error {
	return function.NewImageError(function.ImageTooLarge, "The source image %s is over %d bytes when it is unpacked, all layers together.", r, s.opts.MaxBytes)
}

// chainOf names a layer on those below.
func chainOf(below, diffID string) string {
	sum := sha256.Sum256([]byte(below + " " + diffID))
	return hex.EncodeToString(sum[:16])
}

// use counts an image's use of a layer.
func (s *Store) use(h *held, chain string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h.chains = append(h.chains, chain)
	s.users[chain]++
}

// drop ends an image's use of its layers, and moves those that nobody uses any
// more out of the way; s.mu is held. The caller removes what it returns.
func (s *Store) drop(h *held) (trash []string) {
	for _, chain := range h.chains {
		if s.users[chain]--; s.users[chain] > 0 {
			continue
		}
		delete(s.users, chain)
		delete(s.sizes, chain)
		aside := s.aside()
		err := os.Rename(s.at(layersFolder, chain), aside)
		switch {
		case err == nil:
			trash = append(trash, aside)
		case !errors.Is(err, fs.ErrNotExist):
			s.opts.Logger.Warn("an image's layer cannot be removed; the next start tries again", "layer", chain, "error", err)
		}
	}
	h.chains = nil
	return trash
}

// write stores an image's record durably.
func (s *Store) write(rec *record) error {
	text, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	aside := s.aside()
	f, err := os.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(aside, s.at(imagesFolder, recordName(rec.Digest))); err != nil {
		return err
	}
	return syncFolder(s.at(imagesFolder))
}

func recordName(digest string) string { return strings.TrimPrefix(digest, "sha256:") + ".json" }

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Release says that no function refers to an image any more. It is removed after
// the grace, unless Ensure wants it again.
func (s *Store) Release(digest string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.images[digest]
	if h == nil || s.ctx.Err() != nil {
		return
	}
	if h.timer != nil {
		h.timer.Stop()
	}
	var timer *time.Timer
	timer = time.AfterFunc(s.opts.Grace, func() { s.expire(digest, h, &timer) })
	h.timer = timer
}

// expire removes an image whose grace is over. armed tells an old timer from the
// present one.
func (s *Store) expire(digest string, h *held, armed **time.Timer) {
	s.mu.Lock()
	if s.ctx.Err() != nil || s.images[digest] != h || h.timer != *armed {
		s.mu.Unlock()
		return
	}
	select {
	case <-h.done:
	default: // still being unpacked for somebody who gave up
		h.timer.Reset(s.opts.Grace)
		s.mu.Unlock()
		return
	}
	trash := s.forget(digest, h)
	s.bg.Go(func() { // under the lock: Close has not begun to wait
		for _, path := range trash {
			s.remove(path)
		}
	})
	s.mu.Unlock()
}

// forget removes an image's record, then its layers; s.mu is held.
func (s *Store) forget(digest string, h *held) (trash []string) {
	if err := os.Remove(s.at(imagesFolder, recordName(digest))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.opts.Logger.Warn("an image cannot be removed; the next start tries again", "digest", digest, "error", err)
		return nil
	}
	delete(s.images, digest)
	return s.drop(h)
}

// Sweep removes the images that keep does not want.
func (s *Store) Sweep(ctx context.Context, keep func(digest string) bool) error {
	s.mu.Lock()
	var trash []string
	for digest, h := range s.images {
		if ctx.Err() != nil {
			break
		}
		select {
		case <-h.done:
			if h.timer == nil && !keep(digest) {
				trash = append(trash, s.forget(digest, h)...)
			}
		default: // somebody wants it now
		}
	}
	s.mu.Unlock()
	for _, path := range trash {
		s.remove(path)
	}
	return ctx.Err()
}

// Close ends what is under way and waits for it. Unpacked images stay.
func (s *Store) Close() error {
	s.mu.Lock()
	s.stop()
	for _, h := range s.images {
		if h.timer != nil {
			h.timer.Stop()
		}
	}
	s.mu.Unlock()
	s.bg.Wait()
	return nil
}
