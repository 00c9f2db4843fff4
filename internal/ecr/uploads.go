package ecr

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	api "github.com/paddock-run/paddock/internal/api/ecr"
	"github.com/paddock-run/paddock/internal/store"
)

// uploadIdle is how long an upload waits for its next part.
const uploadIdle = time.Hour

// uploads are those under way. They do not outlive the process: a client that
// finds its upload gone begins again.
type uploads struct {
	mu sync.Mutex
	m  map[string]*upload
}

// upload is a layer on its way: what comes in goes straight on to the store.
type upload struct {
	of   Repository
	pipe *io.PipeWriter
	done chan struct{} // closed when the store has it, or failed
	blob store.Blob
	err  error

	mu    sync.Mutex // held while a part is received
	size  int64
	timer *time.Timer
}

var errAbandoned = errors.New("the upload was abandoned")

func (u *uploads) abortAll() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, up := range u.m {
		up.timer.Stop()
		_ = up.pipe.CloseWithError(errAbandoned) // it never fails
		delete(u.m, id)
	}
}

// StartUpload begins an upload into a repository.
func (s *Service) StartUpload(ctx context.Context, r Repository) (id string, err error) {
	if _, _, err := s.repository(ctx, r); err != nil {
		return "", err
	}
	if s.ctx.Err() != nil {
		return "", s.ctx.Err()
	}
	reader, writer := io.Pipe()
	u := &upload{of: r, pipe: writer, done: make(chan struct{})}
	id = strings.ToLower(rand.Text())
	s.uploads.mu.Lock()
	defer s.uploads.mu.Unlock()
	u.timer = time.AfterFunc(uploadIdle, func() { _ = s.AbortUpload(r, id) }) // it may have ended
	s.uploads.m[id] = u
	s.background.Go(func() {
		u.blob, u.err = s.opts.Blobs.Put(s.ctx, reader)
		_ = reader.CloseWithError(u.err) // who still writes is told
		close(u.done)
	})
	return id, nil
}

// upload finds one.
func (s *Service) upload(r Repository, id string) (*upload, error) {
	s.uploads.mu.Lock()
	defer s.uploads.mu.Unlock()
	u := s.uploads.m[id]
	if u == nil || u.of != r {
		return nil, noUpload(r, id)
	}
	return u, nil
}

// UploadSize returns how many bytes of an upload have come.
func (s *Service) UploadSize(r Repository, id string) (int64, error) {
	u, err := s.upload(r, id)
	if err != nil {
		return 0, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.size, nil
}

// AppendUpload takes the next bytes of an upload, the first of which is at from
// (-1: wherever it stands), and returns how many have come. Where they do not
// follow what came before the error is an *api.InvalidLayerPartException.
func (s *Service) AppendUpload(_ context.Context, r Repository, id string, from int64, part io.Reader) (size int64, err error) {
	u, err := s.upload(r, id)
	if err != nil {
		return 0, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if from >= 0 && from != u.size {
		return u.size, &api.InvalidLayerPartException{
			RegistryId: new(r.Account), RepositoryName: new(r.Name), UploadId: new(id), LastValidByteReceived: new(u.size - 1),
			Message: new(fmt.Sprintf("The layer part is not valid: it begins at byte %d, and %d bytes have come", from, u.size)),
		}
	}
	u.timer.Reset(uploadIdle)
	n, err := io.Copy(u.pipe, part)
	u.size += n
	u.timer.Reset(uploadIdle)
	return u.size, err
}

// FinishUpload ends an upload and puts its layer into the repository. known: it
// was there. The error is an *api.InvalidLayerException where what came has
// another digest, or none.
func (s *Service) FinishUpload(ctx context.Context, r Repository, id, digest string) (known bool, err error) {
	u, err := s.upload(r, id)
	if err != nil {
		return false, err
	}
	if !digestForm.MatchString(digest) {
		return false, &api.InvalidLayerException{Message: new(fmt.Sprintf("The layer digest '%s' is not valid", digest))}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	s.uploads.mu.Lock()
	_, there := s.uploads.m[id]
	delete(s.uploads.m, id)
	s.uploads.mu.Unlock()
	if !there { // finished or abandoned just now
		return false, noUpload(r, id)
	}
	u.timer.Stop()
	sum := strings.TrimPrefix(digest, digestPrefix)
	release := s.hold(sum) // before it can be there
	defer release()
	if err := u.pipe.Close(); err != nil {
		return false, err
	}
	<-u.done
	if u.err != nil {
		return false, u.err
	}
	if u.blob.SHA256 != sum {
		s.collectLater()
		return false, &api.InvalidLayerException{Message: new(fmt.Sprintf("The layer has the digest '%s%s', not '%s'", digestPrefix, u.blob.SHA256, digest))}
	}
	return s.keepLayer(ctx, r, sum, u.blob.Size)
}

// keepLayer notes that a repository has a layer whose blob is held.
func (s *Service) keepLayer(ctx context.Context, r Repository, sum string, size int64) (known bool, err error) {
	for {
		settings, revision, err := s.repository(ctx, r)
		if err != nil {
			return false, err
		}
		_, err = s.opts.Documents.Write(ctx,
			put(r.key(kindRepository, ""), settings, store.AtRevision(revision)), // see PutManifest
			put(r.key(kindLayer, sum), &layerDoc{Size: size}, store.Absent))
		switch {
		case errors.Is(err, store.ErrConflict):
			return true, nil
		case !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrPrecondition):
			return false, err
		}
	}
}

// AbortUpload ends an upload without a layer.
func (s *Service) AbortUpload(r Repository, id string) error {
	u, err := s.upload(r, id)
	if err != nil {
		return err
	}
	s.uploads.mu.Lock()
	delete(s.uploads.m, id)
	s.uploads.mu.Unlock()
	u.timer.Stop()
	return u.pipe.CloseWithError(errAbandoned)
}

// MountLayer puts a layer of another repository of the registry into this one;
// ok is false where that one has no such layer.
func (s *Service) MountLayer(ctx context.Context, r Repository, from, digest string) (ok bool, err error) {
	if !digestForm.MatchString(digest) {
		return false, nil
	}
	sum := strings.TrimPrefix(digest, digestPrefix)
	release := s.hold(sum)
	defer release()
	other := Repository{r.Account, r.Region, from}
	doc, _, ok, err := get[layerDoc](ctx, s, other.key(kindLayer, sum))
	if err != nil || !ok {
		return false, err
	}
	_, err = s.keepLayer(ctx, r, sum, doc.Size)
	return err == nil, err
}
