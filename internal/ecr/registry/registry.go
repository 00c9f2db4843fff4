// Package registry is the HTTP API of a container registry, by which Docker,
// Podman, buildah and skopeo push and pull, over the repositories of package ecr.
//
// https://github.com/opencontainers/distribution-spec/blob/main/spec.md
package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	api "github.com/paddock-run/paddock/internal/api/ecr"
	"github.com/paddock-run/paddock/internal/ecr"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store"
)

// Options are a Handler's.
type Options struct {
	Repositories *ecr.Service
	// Enforce refuses requests without a token of GetAuthorizationToken.
	Enforce bool
	Logger  *slog.Logger
}

// Handler answers the requests below /v2/. Their contexts carry an
// identity.Identity, with the account and region whose registry it is.
type Handler struct{ opts Options }

// New makes a Handler.
func New(opts Options) *Handler {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{opts}
}

const nameForm = `([a-z0-9]+(?:[._/-]+[a-z0-9]+)*)`

var (
	manifestPath = regexp.MustCompile(`^/v2/` + nameForm + `/manifests/([^/]+)$`)
	blobPath     = regexp.MustCompile(`^/v2/` + nameForm + `/blobs/(sha256:[^/]+)$`)
	uploadsPath  = regexp.MustCompile(`^/v2/` + nameForm + `/blobs/uploads/?$`)
	uploadPath   = regexp.MustCompile(`^/v2/` + nameForm + `/blobs/uploads/([a-z0-9]+)$`)
	tagsPath     = regexp.MustCompile(`^/v2/` + nameForm + `/tags/list$`)
)

// call is one request.
type call struct {
	h    *Handler
	w    http.ResponseWriter
	r    *http.Request
	repo ecr.Repository
	name string // what follows the repository in the path
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	c := &call{h: h, w: w, r: r}
	if !h.permits(r) {
		w.Header().Set("Www-Authenticate", fmt.Sprintf("Basic realm=%q,service=\"ecr.amazonaws.com\"", identity.Of(r.Context()).BaseURL+"/"))
		c.refuse(http.StatusUnauthorized, "UNAUTHORIZED", "log in as AWS with the password of GetAuthorizationToken (aws ecr get-login-password)")
		return
	}
	if r.URL.Path == "/v2/" || r.URL.Path == "/v2" {
		c.json(http.StatusOK, struct{}{})
		return
	}
	for _, route := range []struct {
		form    *regexp.Regexp
		methods map[string]func(*call) error
	}{
		{uploadsPath, map[string]func(*call) error{http.MethodPost: (*call).startUpload}},
		{uploadPath, map[string]func(*call) error{
			http.MethodGet: (*call).uploadStatus, http.MethodPatch: (*call).patchUpload, http.MethodPut: (*call).finishUpload, http.MethodDelete: (*call).abortUpload,
		}},
		{blobPath, map[string]func(*call) error{http.MethodGet: (*call).blob, http.MethodHead: (*call).blob}},
		{manifestPath, map[string]func(*call) error{
			http.MethodGet: (*call).manifest, http.MethodHead: (*call).manifest, http.MethodPut: (*call).putManifest, http.MethodDelete: (*call).deleteManifest,
		}},
		{tagsPath, map[string]func(*call) error{http.MethodGet: (*call).tags}},
	} {
		found := route.form.FindStringSubmatch(r.URL.Path)
		if found == nil {
			continue
		}
		do := route.methods[r.Method]
		if do == nil {
			c.refuse(http.StatusMethodNotAllowed, "UNSUPPORTED", "the operation is unsupported")
			return
		}
		id := identity.Of(r.Context())
		c.repo = ecr.Repository{Account: id.Account, Region: id.Region, Name: found[1]}
		if len(found) > 2 {
			c.name = found[2]
		}
		if err := do(c); err != nil {
			c.fail(err)
		}
		return
	}
	c.refuse(http.StatusNotFound, "UNSUPPORTED", "there is nothing at this path of the registry")
}

// permits checks the token, where there has to be one.
func (h *Handler) permits(r *http.Request) bool {
	if !h.opts.Enforce {
		return true
	}
	user, password, ok := r.BasicAuth()
	if !ok || user != ecr.User {
		return false
	}
	_, ok = h.opts.Repositories.TokenAccount(password)
	return ok
}

// Owns reports whether a path is one of a registry's, on a host that is not only
// that: API Gateway has paths below /v2/ too.
func (*Handler) Owns(path string) bool {
	if path == "/v2/" || path == "/v2" {
		return true
	}
	for _, form := range []*regexp.Regexp{uploadsPath, uploadPath, blobPath, manifestPath, tagsPath} {
		if form.MatchString(path) {
			return true
		}
	}
	return false
}

func (c *call) json(status int, v any) {
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(status)
	if err := json.NewEncoder(c.w).Encode(v); err != nil {
		c.h.opts.Logger.Debug("answer a registry's client", "error", err)
	}
}

func (c *call) refuse(status int, code, message string) {
	type reason struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	c.json(status, map[string][]reason{"errors": {{code, message}}})
}

// fail words the service's errors as registries do.
func (c *call) fail(err error) {
	var modelled interface {
		error
		ErrorMessage() string
	}
	status, code := 0, ""
	switch {
	case is[*api.RepositoryNotFoundException](err):
		status, code = http.StatusNotFound, "NAME_UNKNOWN"
	case is[*api.ImageNotFoundException](err):
		status, code = http.StatusNotFound, "MANIFEST_UNKNOWN"
	case is[*api.UploadNotFoundException](err):
		status, code = http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN"
	case is[*api.LayersNotFoundException](err), is[*api.ReferencedImagesNotFoundException](err):
		status, code = http.StatusNotFound, "MANIFEST_BLOB_UNKNOWN"
	case is[*api.InvalidLayerPartException](err):
		status, code = http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID"
	case is[*api.InvalidLayerException](err):
		status, code = http.StatusBadRequest, "DIGEST_INVALID"
	case is[*api.ImageTagAlreadyExistsException](err):
		status, code = http.StatusBadRequest, "TAG_INVALID"
	case is[*api.InvalidParameterException](err):
		status, code = http.StatusBadRequest, "MANIFEST_INVALID"
	case errors.Is(err, store.ErrNotFound):
		c.refuse(http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry")
		return
	}
	if status != 0 && errors.As(err, &modelled) {
		c.refuse(status, code, modelled.ErrorMessage())
		return
	}
	if c.r.Context().Err() == nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		c.h.opts.Logger.Error("a registry's request failed", "request_id", identity.Of(c.r.Context()).RequestID, "method", c.r.Method, "path", c.r.URL.Path, "error", err)
	}
	c.refuse(http.StatusInternalServerError, "UNKNOWN", "an error inside of Paddock: its log says more")
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

func (c *call) ctx() context.Context { return c.r.Context() }

func (c *call) uploadAt(id string) string {
	return identity.Of(c.ctx()).BaseURL + "/v2/" + c.repo.Name + "/blobs/uploads/" + id
}

func (c *call) accepted(id string, size int64) {
	c.w.Header().Set("Location", c.uploadAt(id))
	c.w.Header().Set("Docker-Upload-Uuid", id)
	c.w.Header().Set("Range", fmt.Sprintf("0-%d", max(size-1, 0)))
	c.w.Header().Set("Content-Length", "0")
	c.w.WriteHeader(http.StatusAccepted)
}

func (c *call) created(location, digest string) error {
	c.w.Header().Set("Location", location)
	c.w.Header().Set("Docker-Content-Digest", digest)
	c.w.Header().Set("Content-Length", "0")
	c.w.WriteHeader(http.StatusCreated)
	return nil
}

func (c *call) blobAt(digest string) string {
	return identity.Of(c.ctx()).BaseURL + "/v2/" + c.repo.Name + "/blobs/" + digest
}

// startUpload begins an upload, is one where the digest comes along, or takes the
// layer of another repository.
func (c *call) startUpload() error {
	query := c.r.URL.Query()
	if mount := query.Get("mount"); mount != "" && query.Get("from") != "" {
		ok, err := c.h.opts.Repositories.MountLayer(c.ctx(), c.repo, query.Get("from"), mount)
		if err != nil {
			return err
		}
		if ok {
			return c.created(c.blobAt(mount), mount)
		}
	}
	id, err := c.h.opts.Repositories.StartUpload(c.ctx(), c.repo)
	if err != nil {
		return err
	}
	if digest := query.Get("digest"); digest != "" {
		return c.finish(id, digest)
	}
	c.accepted(id, 0)
	return nil
}

func (c *call) uploadStatus() error {
	size, err := c.h.opts.Repositories.UploadSize(c.repo, c.name)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", c.uploadAt(c.name))
	c.w.Header().Set("Docker-Upload-Uuid", c.name)
	c.w.Header().Set("Range", fmt.Sprintf("0-%d", max(size-1, 0)))
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// from is where a part says that it begins; -1: it does not.
func (c *call) from() int64 {
	first, _, _ := strings.Cut(strings.TrimPrefix(c.r.Header.Get("Content-Range"), "bytes "), "-")
	n, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func (c *call) patchUpload() error {
	size, err := c.h.opts.Repositories.AppendUpload(c.ctx(), c.repo, c.name, c.from(), c.r.Body)
	if err != nil {
		return err
	}
	c.accepted(c.name, size)
	return nil
}

func (c *call) finishUpload() error { return c.finish(c.name, c.r.URL.Query().Get("digest")) }

// finish ends an upload with what the request still brings.
func (c *call) finish(id, digest string) error {
	if c.r.ContentLength != 0 {
		if _, err := c.h.opts.Repositories.AppendUpload(c.ctx(), c.repo, id, c.from(), c.r.Body); err != nil {
			return err
		}
	}
	if _, err := c.h.opts.Repositories.FinishUpload(c.ctx(), c.repo, id, digest); err != nil {
		return err
	}
	return c.created(c.blobAt(digest), digest)
}

func (c *call) abortUpload() error {
	if err := c.h.opts.Repositories.AbortUpload(c.repo, c.name); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) blob() error {
	blob, err := c.h.opts.Repositories.Blob(c.ctx(), c.repo.Account, c.repo.Region, c.repo.Name, c.name)
	if err != nil {
		return err
	}
	defer blob.Close() // was only read
	c.w.Header().Set("Content-Type", "application/octet-stream")
	c.w.Header().Set("Docker-Content-Digest", c.name)
	c.w.Header().Set("Etag", strconv.Quote(c.name))
	if c.r.Header.Get("Range") != "" {
		http.ServeContent(c.w, c.r, "", time.Time{}, blob)
		return nil
	}
	c.w.Header().Set("Content-Length", strconv.FormatInt(blob.Size(), 10))
	c.w.Header().Set("Accept-Ranges", "bytes")
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method == http.MethodHead {
		return nil
	}
	// Read to its end it is compared with its digest; a client sees to that too.
	if _, err := io.Copy(c.w, blob); err != nil {
		c.h.opts.Logger.Warn("a layer could not be sent", "digest", c.name, "error", err)
		panic(http.ErrAbortHandler) // the answer has begun: all that is left is to cut it off
	}
	return nil
}

func (c *call) manifest() error {
	raw, mediaType, err := c.h.opts.Repositories.Manifest(c.ctx(), c.repo.Account, c.repo.Region, c.repo.Name, c.name)
	if errors.Is(err, store.ErrNotFound) {
		c.refuse(http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
		return nil
	}
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", mediaType)
	c.w.Header().Set("Docker-Content-Digest", ecr.Digest(raw))
	c.w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method != http.MethodHead {
		if _, err := c.w.Write(raw); err != nil {
			c.h.opts.Logger.Debug("answer a registry's client", "error", err)
		}
	}
	return nil
}

func (c *call) putManifest() error {
	raw, err := io.ReadAll(io.LimitReader(c.r.Body, ecr.MaxManifest+1))
	if err != nil {
		return err
	}
	tag := c.name
	if strings.HasPrefix(tag, "sha256:") {
		if tag != ecr.Digest(raw) {
			c.refuse(http.StatusBadRequest, "DIGEST_INVALID", "the manifest has the digest "+ecr.Digest(raw))
			return nil
		}
		tag = ""
	}
	mediaType, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";")
	digest, _, err := c.h.opts.Repositories.PutManifest(c.ctx(), c.repo, tag, strings.TrimSpace(mediaType), raw)
	if err != nil {
		return err
	}
	return c.created(identity.Of(c.ctx()).BaseURL+"/v2/"+c.repo.Name+"/manifests/"+digest, digest)
}

func (c *call) deleteManifest() error {
	if err := c.h.opts.Repositories.DeleteManifest(c.ctx(), c.repo, c.name); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusAccepted)
	return nil
}

func (c *call) tags() error {
	query := c.r.URL.Query()
	limit, err := strconv.Atoi(query.Get("n"))
	if err != nil || limit < 0 {
		limit = 0
	}
	tags, err := c.h.opts.Repositories.Tags(c.ctx(), c.repo, query.Get("last"), limit)
	if err != nil {
		return err
	}
	if limit > 0 && len(tags) == limit {
		next := url.Values{"n": {strconv.Itoa(limit)}, "last": {tags[len(tags)-1]}}
		c.w.Header().Set("Link", "</v2/"+c.repo.Name+"/tags/list?"+next.Encode()+`>; rel="next"`)
	}
	c.json(http.StatusOK, map[string]any{"name": c.repo.Name, "tags": tags})
	return nil
}
