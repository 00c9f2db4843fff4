// Package ecr is Amazon Elastic Container Registry: repositories, their images and
// layers. The HTTP API that container tools push and pull by is in package
// ecr/registry.
//
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/Welcome.html
package ecr

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	api "github.com/paddock-run/paddock/internal/api/ecr"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store"
)

// Options are a Service's. All but those with a default are required.
type Options struct {
	Documents store.Documents
	// Blobs holds manifests, configurations and layers, and nothing else: what no
	// repository refers to is deleted from it.
	Blobs  store.Blobs
	Logger *slog.Logger     // default: none
	Now    func() time.Time // default: time.Now
}

// Service implements the operations. It is safe for concurrent use.
type Service struct {
	api.Unimplemented
	opts Options
	log  *slog.Logger
	// tokenKey signs what GetAuthorizationToken gives; it lives as long as the
	// process: after a restart clients log in again.
	tokenKey []byte

	ctx        context.Context // ends with Close
	stop       context.CancelFunc
	background sync.WaitGroup
	uploads    uploads

	// collecting is held while it is decided which blobs nobody refers to, and
	// while holds change.
	collecting sync.Mutex
	holds      map[string]int // of blobs that are about to be referred to
}

var _ api.Handler = (*Service)(nil)

// New makes the service, and deletes in the background what a crash left.
func New(opts Options) (*Service, error) {
	if opts.Documents == nil || opts.Blobs == nil {
		return nil, errors.New("ecr: Documents and Blobs are required")
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	s := &Service{opts: opts, log: opts.Logger, tokenKey: make([]byte, 32), holds: map[string]int{}}
	rand.Read(s.tokenKey) // never fails
	s.uploads.m = map[string]*upload{}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.collectLater()
	return s, nil
}

// Close ends uploads and background work, and waits for them.
func (s *Service) Close() error {
	s.stop()
	s.uploads.abortAll()
	s.background.Wait()
	return nil
}

// Keys are ecr/<account>/<region>/<kind>/<repository>[/<item>], the slashes of the
// repository's name written as colons, which names do not have.
const (
	keyPrefix = "ecr/"

	kindRepository = "repository"
	kindImage      = "image" // item: the digest's hexadecimal form
	kindTag        = "tag"
	kindLayer      = "layer" // item: likewise
)

// Repository names a repository.
type Repository struct{ Account, Region, Name string }

func (r Repository) key(kind, item string) string {
	key := r.prefix(kind)
	if item == "" {
		return strings.TrimSuffix(key, "/")
	}
	return key + item
}

func (r Repository) prefix(kind string) string {
	return keyPrefix + r.Account + "/" + r.Region + "/" + kind + "/" + strings.ReplaceAll(r.Name, "/", ":") + "/"
}

type repositoryDoc struct {
	Name             string            `json:"name"`
	Created          time.Time         `json:"created"`
	Mutability       string            `json:"mutability"`
	Exclusions       []string          `json:"exclusions,omitempty"` // patterns of tags with the other mutability
	ScanOnPush       bool              `json:"scanOnPush,omitempty"`
	Encryption       string            `json:"encryption"`
	KMSKey           string            `json:"kmsKey,omitempty"`
	Tags             map[string]string `json:"tags,omitempty"`
	Policy           string            `json:"policy,omitempty"`
	Lifecycle        string            `json:"lifecycle,omitempty"`
	LifecycleChanged time.Time         `json:"lifecycleChanged,omitzero"`
}

type imageDoc struct {
	MediaType string    `json:"mediaType"`
	Artifact  string    `json:"artifact,omitempty"` // media type of its configuration
	Size      int64     `json:"size"`               // bytes of its layers, compressed
	Pushed    time.Time `json:"pushed"`
	Blobs     []string  `json:"blobs,omitempty"`  // hexadecimal digests of its configuration and layers
	Images    []string  `json:"images,omitempty"` // of an index: those of its images
}

type tagDoc struct {
	Digest string `json:"digest"` // hexadecimal form
}

type layerDoc struct {
	Size      int64  `json:"size"`
	MediaType string `json:"mediaType,omitempty"`
}

// of names the repository of a request.
func of(ctx context.Context, registry, name *string) Repository {
	id := identity.Of(ctx)
	r := Repository{Account: id.Account, Region: id.Region, Name: deref(name)}
	if deref(registry) != "" {
		r.Account = *registry
	}
	return r
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// get reads a document; ok is false where there is none.
func get[T any](ctx context.Context, s *Service, key string) (value *T, revision int64, ok bool, err error) {
	d, err := s.opts.Documents.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, 0, false, nil
	}
	if err != nil {
		return nil, 0, false, err
	}
	value = new(T)
	if err := json.Unmarshal(d.Value, value); err != nil {
		return nil, 0, false, fmt.Errorf("ecr: document %s: %w", key, err)
	}
	return value, d.Revision, true, nil
}

// list reads all documents under a prefix, by the rest of their keys.
func list[T any](ctx context.Context, s *Service, prefix string) (keys []string, values []*T, err error) {
	docs, err := s.opts.Documents.List(ctx, prefix, "", 0)
	if err != nil {
		return nil, nil, err
	}
	for _, d := range docs {
		value := new(T)
		if err := json.Unmarshal(d.Value, value); err != nil {
			return nil, nil, fmt.Errorf("ecr: document %s: %w", d.Key, err)
		}
		keys, values = append(keys, strings.TrimPrefix(d.Key, prefix)), append(values, value)
	}
	return keys, values, nil
}

func put(key string, v any, cond store.Condition) store.Write {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings, numbers and maps of them
	}
	return store.Write{Key: key, Value: b, If: cond}
}

// repository reads a repository that has to exist.
func (s *Service) repository(ctx context.Context, r Repository) (*repositoryDoc, int64, error) {
	doc, revision, ok, err := get[repositoryDoc](ctx, s, r.key(kindRepository, ""))
	if err != nil {
		return nil, 0, err
	}
	if !ok {
		return nil, 0, noRepository(r)
	}
	return doc, revision, nil
}

// changeRepository changes a repository's settings.
func (s *Service) changeRepository(ctx context.Context, r Repository, change func(*repositoryDoc) error) error {
	for {
		doc, revision, err := s.repository(ctx, r)
		if err != nil {
			return err
		}
		if err := change(doc); err != nil {
			return err
		}
		_, err = s.opts.Documents.Write(ctx, put(r.key(kindRepository, ""), doc, store.AtRevision(revision)))
		if errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrNotFound) {
			continue // somebody else's change came first
		}
		return err
	}
}

// host is where container tools reach a registry: as the client reached Paddock,
// but for the name.
func host(ctx context.Context, account, region string) string {
	port := ""
	if u, err := url.Parse(identity.Of(ctx).BaseURL); err == nil && u.Port() != "" {
		port = ":" + u.Port()
	}
	return account + ".dkr.ecr." + region + ".localhost" + port
}

func (r Repository) arn(ctx context.Context) string {
	return "arn:" + identity.Of(ctx).Partition + ":ecr:" + r.Region + ":" + r.Account + ":repository/" + r.Name
}
