package lambda

import (
	"context"
	"errors"
	"sync"
)

// codeRefs counts who refers to each code archive: versions in the index, and
// operations under way. An archive whose count falls to zero is deleted. The
// counts are not stored: a start counts anew and sweeps what a crash left.
type codeRefs struct {
	s *Service

	mu sync.Mutex
	m  map[string]*codeRef
	// complete is set once every function is counted: until then a count of zero
	// says nothing.
	complete bool
}

type codeRef struct {
	n int
	// gone is set while the archive is being deleted, and closed after that:
	// whoever wants it again waits, and stores it anew.
	gone chan struct{}
}

func (c *codeRefs) init(s *Service) { c.s, c.m = s, map[string]*codeRef{} }

// hold counts a reference and returns how to end it. It waits for a deletion of
// that archive to end.
func (c *codeRefs) hold(ctx context.Context, sha string) (release func(), err error) {
	for {
		c.mu.Lock()
		r := c.m[sha]
		if r == nil || r.gone == nil {
			c.inc(sha)
			c.mu.Unlock()
			return func() { c.drop(sha) }, nil
		}
		gone := r.gone
		c.mu.Unlock()
		select {
		case <-gone:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// inc is called with c.mu held.
func (c *codeRefs) inc(sha string) {
	r := c.m[sha]
	if r == nil {
		r = &codeRef{}
		c.m[sha] = r
	}
	r.n++
}

// add counts a version that entered the index. An operation that wrote it still
// holds its archive, so a deletion is never under way for it; for a version that
// another process wrote, that process held it.
func (c *codeRefs) add(sha string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inc(sha)
}

func (c *codeRefs) drop(sha string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.m[sha]
	if r == nil {
		return
	}
	if r.n--; r.n == 0 {
		c.discard(sha, r)
	}
}

// discard begins the deletion of an archive that nobody refers to; c.mu is held.
func (c *codeRefs) discard(sha string, r *codeRef) {
	if !c.complete || r.gone != nil {
		return
	}
	if c.s.ctx.Err() != nil {
		delete(c.m, sha) // left to the sweep of the next start
		return
	}
	r.gone = make(chan struct{})
	c.s.background.Go(func() {
		c.s.discard(sha)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.m[sha] == r {
			if r.n == 0 {
				delete(c.m, sha)
			} else {
				c.m[sha] = &codeRef{n: r.n}
			}
		}
		close(r.gone)
	})
}

// discard deletes an archive, or lets go of an image.
func (s *Service) discard(ref string) {
	if isImageRef(ref) {
		if s.opts.Images != nil {
			s.opts.Images.Release(ref)
		}
		return
	}
	err := s.opts.Blobs.Delete(s.ctx, ref)
	if err != nil && !errors.Is(err, context.Canceled) {
		s.log.Warn("a code archive cannot be deleted; the next start tries again", "sha256", ref, "error", err)
	}
	s.opts.Code.Release(ref)
}

func (c *codeRefs) wanted(sha string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.m[sha]
	return r != nil && r.n > 0
}

// sweep decodes every function, so that the counts are true, and then deletes
// the archives and trees that a crash left without a function.
func (s *Service) sweep() {
	var failed error
	s.index.all(func(e *entry) bool {
		if _, err := e.get(s.index.hooks); err != nil {
			failed = err
		}
		return s.ctx.Err() == nil && failed == nil
	})
	if failed != nil || s.ctx.Err() != nil {
		if failed != nil {
			s.log.Error("a function cannot be read; unused code is not deleted", "error", failed)
		}
		return
	}
	s.refs.mu.Lock()
	s.refs.complete = true
	s.refs.mu.Unlock()
	blobs, err := s.opts.Blobs.List(s.ctx)
	if err != nil {
		if s.ctx.Err() == nil {
			s.log.Warn("code archives cannot be listed", "error", err)
		}
		return
	}
	for _, b := range blobs {
		// The hold ends at once: where it is the only one, the archive goes.
		release, err := s.refs.hold(s.ctx, b.SHA256)
		if err != nil {
			return // closing
		}
		release()
	}
	if err := s.opts.Code.Sweep(s.ctx, s.refs.wanted); err != nil && s.ctx.Err() == nil {
		s.log.Warn("unpacked code cannot be swept", "error", err)
	}
	if s.opts.Images == nil {
		return
	}
	if err := s.opts.Images.Sweep(s.ctx, s.refs.wanted); err != nil && s.ctx.Err() == nil {
		s.log.Warn("unpacked images cannot be swept", "error", err)
	}
}
