package image

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/paddock-run/paddock/internal/function"
)

// kind is where an image comes from.
type kind int

const (
	fromRegistry kind = iota // another registry, over HTTP
	fromOwn                  // Paddock's own, in process
	fromLayout               // an OCI layout folder
	fromArchive              // an archive that `docker save` wrote
)

// Prefixes of the URIs of images on this host; an absolute path follows, and
// maybe a tag or a digest, as in "oci-layout:/tmp/app:latest".
const (
	layoutPrefix  = "oci-layout:"
	archivePrefix = "docker-archive:"
)

// reference is an image's URI taken apart.
type reference struct {
	kind            kind
	text            string // without digest, as it was given
	path            string // of fromLayout and fromArchive
	host            string // as the URI has it
	account, region string // of fromOwn
	repository      string
	tag             string // "latest" where a registry's URI has neither tag nor digest
	digest          string // "sha256:…"; empty: none
}

// String is the URI as it was given.
func (r reference) String() string {
	if r.digest != "" {
		return r.text + "@" + r.digest
	}
	return r.text
}

// at is the URI of what r has turned out to be.
func (r reference) at(digest string) string {
	switch r.kind {
	case fromLayout:
		return layoutPrefix + r.path + "@" + digest
	case fromArchive:
		return archivePrefix + r.path + "@" + digest
	}
	return r.host + "/" + r.repository + "@" + digest
}

var (
	digestForm     = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	tagForm        = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	repositoryForm = regexp.MustCompile(`^[a-z0-9]+(?:[._/-]+[a-z0-9]+)*$`)
	hostForm       = regexp.MustCompile(`^[A-Za-z0-9.\-\[\]:]+$`)
	// ecrHost is a registry of Amazon ECR, or of ours that looks like one.
	ecrHost = regexp.MustCompile(`^(\d{12})\.dkr[.-]ecr\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws|localhost|localhost\.localstack\.cloud)(?::\d+)?$`)
)

func badName(uri string) error {
	return function.NewImageError(function.ImageBadName, "Source image %s is not valid. Provide a valid source image.", uri)
}

// parse takes a URI apart and says which of the places that the operator allows
// it means. account and region are of who asks.
func (s *Store) parse(uri, account, region string) (reference, error) {
	r := reference{text: uri}
	rest := uri
	if before, digest, ok := strings.Cut(uri, "@"); ok {
		if !digestForm.MatchString(digest) {
			return r, badName(uri)
		}
		rest, r.digest, r.text = before, digest, before
	}
	for prefix, k := range map[string]kind{layoutPrefix: fromLayout, archivePrefix: fromArchive} {
		if path, ok := strings.CutPrefix(rest, prefix); ok {
			r.kind = k
			return r, s.parsePath(&r, path)
		}
	}
	host, rest, ok := strings.Cut(rest, "/")
	if !ok || !hostForm.MatchString(host) || !strings.ContainsAny(host, ".:") && host != "localhost" {
		return r, badName(uri) // Lambda takes no short names either
	}
	r.host, r.repository = host, rest
	if name, tag, ok := strings.Cut(rest, ":"); ok {
		if !tagForm.MatchString(tag) {
			return r, badName(uri)
		}
		r.repository, r.tag = name, tag
	} else if r.digest == "" {
		r.tag = "latest"
	}
	if !repositoryForm.MatchString(r.repository) || len(r.repository) > 256 {
		return r, badName(uri)
	}
	switch own := ecrHost.FindStringSubmatch(host); {
	case slices.Contains(s.opts.Registries, host): // also where it is an account's on AWS
		r.kind = fromRegistry
	case own != nil:
		r.kind, r.account, r.region = fromOwn, own[1], own[2]
	case slices.Contains(s.opts.OwnHosts, host):
		// What the URI leaves out stands in the one it resolves to.
		r.kind, r.account, r.region = fromOwn, account, region
		r.host = account + ".dkr.ecr." + region + ".localhost"
		if i := strings.LastIndexByte(host, ':'); i >= 0 {
			r.host += host[i:]
		}
	default:
		return r, function.NewImageError(function.ImageDenied, "Source image %s is not valid. Functions' images come from Paddock's own registry; to take them from %s too, start Paddock with --registry %s.", uri, host, host)
	}
	return r, nil
}

func (s *Store) parsePath(r *reference, path string) error {
	if !s.opts.Local {
		return function.NewImageError(function.ImageDenied, "Source image %s is not valid. This Paddock serves other machines, and takes no images from its own files.", r)
	}
	// A path may have a colon, a tag has no slash.
	if i := strings.LastIndexByte(path, ':'); i > strings.LastIndexByte(path, '/') {
		r.tag, path = path[i+1:], path[:i]
		if !tagForm.MatchString(r.tag) {
			return badName(r.text)
		}
	}
	if !filepath.IsAbs(path) {
		return function.NewImageError(function.ImageBadName, "Source image %s is not valid: its path is not absolute.", r)
	}
	r.path = filepath.Clean(path)
	return nil
}
