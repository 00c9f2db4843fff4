package lambda

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

// Keys are lambda/<account>/<region>/function/<name>/<kind>[/<item>]: what
// belongs to a function stands together.
const (
	keyPrefix  = "lambda/"
	collection = "function"

	kindFunction = "settings" // one functionDoc
	kindVersion  = "version"  // a versionDoc for each published version
	kindAlias    = "alias"    // an aliasDoc for each alias
	kindPolicy   = "policy"   // a policyDoc for each qualifier; "$LATEST" is the function itself

	kindConcurrency = "concurrency" // one concurrencyDoc, where concurrency is reserved
	kindProvisioned = "provisioned" // a provisionedDoc for each version or alias that has some
	kindEvents      = "events"      // an eventsDoc for each qualifier with settings for events; "$LATEST" is the function itself
)

type docKey struct{ account, region, name, kind, item string }

func (k docKey) String() string {
	s := keyPrefix + k.account + "/" + k.region + "/" + collection + "/" + k.name + "/" + k.kind
	if k.item != "" {
		s += "/" + k.item
	}
	return s
}

// parseKey takes a key apart; ok is false for keys of other collections.
func parseKey(key string) (k docKey, ok bool) {
	parts := strings.Split(strings.TrimPrefix(key, keyPrefix), "/")
	if len(parts) < 5 || len(parts) > 6 || parts[2] != collection {
		return docKey{}, false
	}
	k = docKey{account: parts[0], region: parts[1], name: parts[3], kind: parts[4]}
	if len(parts) == 6 {
		k.item = parts[5]
	}
	return k, true
}

func (r ref) key(kind, item string) docKey {
	return docKey{r.account, r.region, r.name, kind, item}
}

// prefix is what the keys of all that belongs to a function begin with.
func (r ref) prefix() string {
	return keyPrefix + r.account + "/" + r.region + "/" + collection + "/" + r.name + "/"
}

// functionDoc is a function: its unpublished version, and what all versions
// have in common.
type functionDoc struct {
	Latest versionDoc        `json:"latest"`
	Tags   map[string]string `json:"tags,omitempty"`
	// Last is the number of the newest version ever published, 0 for none.
	// Numbers are not used again while the function lives.
	Last int `json:"last,omitempty"`
	// Published is what Latest hashed to when version Last was published.
	Published string `json:"published,omitempty"`
}

// versionDoc is the code and the configuration of one version.
type versionDoc struct {
	Version      string            `json:"version"`
	RevisionID   string            `json:"revisionId"`
	LastModified time.Time         `json:"lastModified"`
	CodeSHA256   string            `json:"codeSha256"` // lower-case hex: the blob, or the image's digest
	CodeSize     int64             `json:"codeSize"`   // bytes, zipped
	Runtime      string            `json:"runtime"`
	Handler      string            `json:"handler"`
	Role         string            `json:"role"`
	Description  string            `json:"description,omitempty"`
	Timeout      int32             `json:"timeout"`     // seconds
	MemorySize   int32             `json:"memorySize"`  // MB
	Ephemeral    int32             `json:"ephemeral"`   // MB
	Environment  map[string]string `json:"environment"` // nil: never given one
	Tracing      string            `json:"tracing"`
	Architecture string            `json:"architecture"`
	DeadLetter   string            `json:"deadLetter,omitempty"`
	Logging      loggingDoc        `json:"logging"`
	Layers       []usedLayer       `json:"layers,omitempty"` // in the order in which they cover each other
	Image        *imageDoc         `json:"image,omitempty"`  // PackageType Image; CodeSHA256 is then the digest's
}

type loggingDoc struct {
	Format      string `json:"format"`
	Group       string `json:"group"`
	Application string `json:"application,omitempty"` // level; empty with format Text
	System      string `json:"system,omitempty"`
}

type aliasDoc struct {
	RevisionID  string             `json:"revisionId"`
	Version     string             `json:"version"`
	Description string             `json:"description,omitempty"`
	Weights     map[string]float64 `json:"weights,omitempty"` // of at most one other version
}

type policyDoc struct {
	RevisionID string            `json:"revisionId"`
	Statements []json.RawMessage `json:"statements"`
}

type concurrencyDoc struct {
	Reserved int32 `json:"reserved"`
}

type provisionedDoc struct {
	Requested    int32     `json:"requested"`
	LastModified time.Time `json:"lastModified"`
}

// eventsDoc is how asynchronous invocations are retried; nil is AWS's default.
type eventsDoc struct {
	Retries      *int32    `json:"retries,omitempty"`
	MaxAge       *int32    `json:"maxAge,omitempty"` // seconds
	OnSuccess    string    `json:"onSuccess,omitempty"`
	OnFailure    string    `json:"onFailure,omitempty"`
	LastModified time.Time `json:"lastModified"`
}

// contentHash is equal for versions that differ in nothing a user set.
func (v versionDoc) contentHash() string {
	v.Version, v.RevisionID, v.LastModified = "", "", time.Time{}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings, numbers and maps of them
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// put is the write that stores v under k.
func put(k docKey, v any, cond store.Condition) store.Write {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings, numbers and maps of them
	}
	return store.Write{Key: k.String(), Value: b, If: cond}
}

// newRevisionID returns a random UUID.
func newRevisionID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
