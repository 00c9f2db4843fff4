package lambda

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store"
)

// Layers are documents under lambda/<account>/<region>/layer/<name>/<kind>[/<number>].
// Nothing on the path of an invocation needs them: a function's version keeps
// what it uses of them in its own document.
const (
	layerCollection = "layer"

	kindLayer        = "settings" // one layerDoc
	kindLayerVersion = "version"  // a layerVersionDoc for each version
	kindLayerPolicy  = "policy"   // a policyDoc for each version that has one
)

// layerDoc outlives the layer's versions: their numbers are not used again.
type layerDoc struct {
	Last int64 `json:"last"` // the newest version ever published
}

// layerVersionDoc is one version of a layer, which never changes.
type layerVersionDoc struct {
	Version     int64     `json:"version"`
	Created     time.Time `json:"created"`
	CodeSHA256  string    `json:"codeSha256"` // lower-case hex: the blob
	CodeSize    int64     `json:"codeSize"`   // bytes, zipped
	Unzipped    int64     `json:"unzipped"`   // bytes
	Entries     int       `json:"entries"`    // files, links and folders
	Description string    `json:"description,omitempty"`
	License     *string   `json:"license,omitempty"`
	// nil: never given; AWS's answers tell that from an empty list.
	Runtimes      []api.Runtime      `json:"runtimes"`
	Architectures []api.Architecture `json:"architectures"`
}

// usedLayer is what a function's version keeps of a layer's version, which may
// be deleted while the function goes on with it.
type usedLayer struct {
	ARN        string `json:"arn"`
	CodeSHA256 string `json:"codeSha256"`
	CodeSize   int64  `json:"codeSize"`
	Unzipped   int64  `json:"unzipped"`
	Entries    int    `json:"entries"`
}

func (l usedLayer) small() bool { return l.Unzipped <= smallUnzipped && l.Entries <= smallEntries }

// layerRef names a layer, or a version of it.
type layerRef struct {
	partition, account, region, name string
	version                          int64 // 0: the layer as a whole
}

func (r layerRef) arn() string {
	return "arn:" + r.partition + ":lambda:" + r.region + ":" + r.account + ":layer:" + r.name
}

func (r layerRef) versionARN() string { return r.arn() + ":" + strconv.FormatInt(r.version, 10) }

func layersPrefix(account, region string) string {
	return keyPrefix + account + "/" + region + "/" + layerCollection + "/"
}

func (r layerRef) prefix() string { return layersPrefix(r.account, r.region) + r.name + "/" }

func (r layerRef) settingsKey() string { return r.prefix() + kindLayer }

func (r layerRef) versionKey() string {
	return r.prefix() + kindLayerVersion + "/" + strconv.FormatInt(r.version, 10)
}

func (r layerRef) policyKey() string {
	return r.prefix() + kindLayerPolicy + "/" + strconv.FormatInt(r.version, 10)
}

// parseLayerARN takes the ARN of a layer or of a layer's version apart.
func parseLayerARN(text string) (layerRef, bool) {
	parts := strings.Split(text, ":")
	if len(parts) < 7 || len(parts) > 8 || parts[0] != "arn" || parts[2] != "lambda" || parts[5] != "layer" ||
		!isAccount(parts[4]) || !namePattern.MatchString(parts[6]) {
		return layerRef{}, false
	}
	r := layerRef{partition: parts[1], region: parts[3], account: parts[4], name: parts[6]}
	if len(parts) == 8 {
		n, err := strconv.ParseInt(parts[7], 10, 64)
		if err != nil {
			return layerRef{}, false
		}
		r.version = n
	}
	return r, true
}

// locateLayer resolves a request's LayerName: a name, or an ARN.
func locateLayer(ctx context.Context, name *string) (layerRef, error) {
	id := identity.Of(ctx)
	text := deref(name)
	if !strings.HasPrefix(text, "arn:") {
		if !namePattern.MatchString(text) {
			return layerRef{}, badLayerName(text)
		}
		return layerRef{partition: id.Partition, account: id.Account, region: id.Region, name: text}, nil
	}
	r, ok := parseLayerARN(text)
	if !ok || r.version != 0 {
		return layerRef{}, badLayerName(text)
	}
	return r, nil
}

func badLayerName(text string) error {
	return awserr.Validation("1 validation error detected: Value '%s' at 'layerName' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+", text)
}

// ownLayer is locateLayer for operations that no resource policy opens to other
// accounts. action is the IAM action.
func ownLayer(ctx context.Context, action string, name *string) (layerRef, error) {
	r, err := locateLayer(ctx, name)
	if err != nil {
		return layerRef{}, err
	}
	if r.account != identity.Of(ctx).Account {
		return layerRef{}, layerDenied(ctx, action, r.arn())
	}
	return r, nil
}

// ownLayerVersion is ownLayer for operations on a version.
func ownLayerVersion(ctx context.Context, action string, name *string, number *int64) (layerRef, error) {
	r, err := ownLayer(ctx, action, name)
	if err != nil {
		return layerRef{}, err
	}
	return r.at(number)
}

func (r layerRef) at(number *int64) (layerRef, error) {
	if r.version = deref(number); r.version < 1 {
		return layerRef{}, invalidParameter("Layer Version Cannot be less than 1")
	}
	return r, nil
}

func layerDenied(ctx context.Context, action, arn string) error {
	id := identity.Of(ctx)
	return awserr.New(403, "AccessDeniedException",
		"User: arn:%s:iam::%s:root is not authorized to perform: lambda:%s on resource: %s because no resource-based policy allows the lambda:%s action",
		id.Partition, id.Account, action, arn, action)
}

func layerVersionMissing(r layerRef) error {
	return notFound("Layer version %s does not exist.", r.versionARN())
}

// reachable reports whether a layer's region and partition are the request's:
// no other is served here.
func (r layerRef) reachable(ctx context.Context) bool {
	id := identity.Of(ctx)
	return r.region == id.Region && r.partition == id.Partition
}

// layerVersion reads a version, nil where there is none.
func (s *Service) layerVersion(ctx context.Context, r layerRef) (*layerVersionDoc, int64, error) {
	return getDoc[layerVersionDoc](ctx, s, r.versionKey())
}

// getDoc reads a document and its revision, nil and 0 where there is none.
func getDoc[T any](ctx context.Context, s *Service, key string) (*T, int64, error) {
	d, err := s.opts.Documents.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	v, err := decodeDoc[T](d)
	return v, d.Revision, err
}

// readableLayerVersion is a version that the caller may see: one of its own
// account, or of another whose policy for it says so. missing is the answer
// where the caller's own account has none.
func (s *Service) readableLayerVersion(ctx context.Context, r layerRef, missing error) (*layerVersionDoc, error) {
	own := r.account == identity.Of(ctx).Account
	if !r.reachable(ctx) {
		if !own {
			return nil, layerDenied(ctx, "GetLayerVersion", r.versionARN())
		}
		return nil, missing
	}
	if !own {
		allowed, err := s.layerAllows(ctx, r, identity.Of(ctx).Account)
		if err != nil {
			return nil, err
		}
		if !allowed {
			return nil, layerDenied(ctx, "GetLayerVersion", r.versionARN())
		}
	}
	doc, _, err := s.layerVersion(ctx, r)
	switch {
	case err != nil:
		return nil, err
	case doc == nil && own:
		return nil, missing
	case doc == nil: // deleted in this moment, and its policy with it
		return nil, layerDenied(ctx, "GetLayerVersion", r.versionARN())
	}
	return doc, nil
}

// layerContent is how a version's archive is described.
func (s *Service) layerContent(ctx context.Context, r layerRef, d *layerVersionDoc) *api.LayerVersionContentOutput {
	return &api.LayerVersionContentOutput{
		Location:   new(s.codeURL(identity.Of(ctx).BaseURL, fmt.Sprintf("%s-%d", r.name, r.version), d.CodeSHA256)),
		CodeSha256: new(codeSHA256(d.CodeSHA256)),
		CodeSize:   new(d.CodeSize),
	}
}

func (d *layerVersionDoc) createdDate() *string {
	return new(d.Created.UTC().Format("2006-01-02T15:04:05.000-0700"))
}

func (d *layerVersionDoc) listed(r layerRef) *api.LayerVersionsListItem {
	return &api.LayerVersionsListItem{
		LayerVersionArn: new(r.versionARN()), Version: new(d.Version), Description: new(d.Description),
		CreatedDate: d.createdDate(), CompatibleRuntimes: d.Runtimes, LicenseInfo: d.License,
		CompatibleArchitectures: d.Architectures,
	}
}

// layerFilter is what ListLayers and ListLayerVersions select by. A version that
// does not say what it is compatible with matches no filter: AWS lists those
// that "indicate that they're compatible".
type layerFilter struct {
	runtime      *api.Runtime
	architecture *api.Architecture
}

func (f layerFilter) matches(d *layerVersionDoc) bool {
	return (f.runtime == nil || slices.Contains(d.Runtimes, *f.runtime)) &&
		(f.architecture == nil || slices.Contains(d.Architectures, *f.architecture))
}
