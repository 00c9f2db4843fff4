package ecr

import (
	"encoding/json"
	"fmt"
	"strings"
)

// hold keeps a blob that nobody refers to yet from being deleted.
func (s *Service) hold(sum string) (release func()) {
	s.collecting.Lock()
	defer s.collecting.Unlock()
	s.holds[sum]++
	return func() {
		s.collecting.Lock()
		defer s.collecting.Unlock()
		if s.holds[sum]--; s.holds[sum] == 0 {
			delete(s.holds, sum)
		}
	}
}

// collectLater deletes in the background the blobs that no repository refers to.
func (s *Service) collectLater() {
	s.background.Go(func() {
		if err := s.collect(); err != nil && s.ctx.Err() == nil {
			s.log.Warn("unused layers cannot be deleted; the next start tries again", "error", err)
		}
	})
}

// Reset deletes what belongs to no repository any more, after documents were
// deleted behind the service's back.
func (s *Service) Reset() error { return s.collect() }

func (s *Service) collect() error {
	// What is stored after this list is not deleted.
	blobs, err := s.opts.Blobs.List(s.ctx)
	if err != nil || len(blobs) == 0 {
		return err
	}
	s.collecting.Lock()
	defer s.collecting.Unlock()
	used, err := s.used()
	if err != nil {
		return err
	}
	for _, b := range blobs {
		if used[b.SHA256] || s.holds[b.SHA256] > 0 {
			continue
		}
		if err := s.opts.Blobs.Delete(s.ctx, b.SHA256); err != nil {
			return err
		}
	}
	return nil
}

// used are the blobs that any repository refers to.
func (s *Service) used() (map[string]bool, error) {
	docs, err := s.opts.Documents.List(s.ctx, keyPrefix, "", 0)
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, d := range docs {
		parts := strings.Split(strings.TrimPrefix(d.Key, keyPrefix), "/")
		if len(parts) != 5 {
			continue
		}
		switch parts[2] {
		case kindLayer:
			used[parts[4]] = true
		case kindImage:
			used[parts[4]] = true
			var doc imageDoc
			if err := json.Unmarshal(d.Value, &doc); err != nil {
				return nil, fmt.Errorf("ecr: document %s: %w", d.Key, err)
			}
			for _, blob := range doc.Blobs {
				used[blob] = true
			}
		}
	}
	return used, nil
}
