package apigateway

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// apiKey is an API key, as stored.
type apiKey struct {
	ID, Value         string
	Name, Description string   `json:",omitempty"`
	CustomerID        string   `json:",omitempty"`
	StageKeys         []string `json:",omitempty"` // "{api}/{stage}"
	Enabled           bool
	Created, Updated  time.Time
	Plans             []string          `json:",omitempty"` // IDs, in the order in which the key joined them
	Tags              map[string]string `json:",omitempty"`
}

var apiKeys = shelf[apiKey]{kind: keysKind, missing: func(context.Context, string) error {
	return notFound("Invalid API Key identifier specified")
}}

// The lengths of a key's value, in characters, both included.
const (
	generatedValue = 40
	minValue       = 20
	maxValue       = 128
)

// keyValue is what a key's value may consist of.
var keyValue = regexp.MustCompile(`^[A-Za-z0-9\-_.~+/=!@#$%^&*:;,?]+$`)

// hashValue stands for a value in the key of a document: values may have any
// characters, and are secret.
func hashValue(value string) string {
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:])
}

// valueWrite is the write that gives a value to a key: a value is one key's.
func valueWrite(ctx context.Context, k *apiKey) store.Write {
	return store.Write{Key: valueKey(ctx, k.Value), Value: []byte(k.ID), If: store.Absent}
}

func valueKey(ctx context.Context, value string) string {
	return shelf[string]{kind: valuesKind}.key(ctx, hashValue(value))
}

func newValue() string {
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	b := make([]byte, 0, generatedValue)
	var random [1]byte
	for len(b) < generatedValue {
		_, _ = rand.Read(random[:])       // crypto/rand.Read never fails
		if n := int(random[0]); n < 248 { // the largest multiple of 62: each character is as likely
			b = append(b, alphabet[n%len(alphabet)])
		}
	}
	return string(b)
}

// CreateApiKey makes a key with the value that is given (20 to 128 characters)
// or one of 40 characters. generateDistinctId has no effect: identifiers are
// always distinct from values.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateApiKey.html
func (s *Service) CreateApiKey(ctx context.Context, in *api.CreateApiKeyRequest) (*api.ApiKey, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	k := apiKey{
		Value: text(in.Value), Name: text(in.Name), Description: text(in.Description), CustomerID: text(in.CustomerId),
		Enabled: truth(in.Enabled), Tags: maps.Clone(in.Tags),
	}
	if in.Value == nil {
		k.Value = newValue()
	}
	if err := checkKeyValue(k.Value); err != nil {
		return nil, err
	}
	for _, stage := range in.StageKeys {
		key, err := s.stageKey(ctx, text(stage.RestApiId)+"/"+text(stage.StageName))
		if err != nil {
			return nil, err
		}
		if !slices.Contains(k.StageKeys, key) {
			k.StageKeys = append(k.StageKeys, key)
		}
	}
	out, err := s.createKey(ctx, k)
	if err != nil {
		return nil, err
	}
	return apiKeyView(out, true), nil
}

func checkKeyValue(value string) error {
	switch {
	case len(value) < minValue:
		return badRequest("API Key value should be at least %d characters", minValue)
	case len(value) > maxValue:
		return badRequest("API Key value should be at most %d characters", maxValue)
	case !keyValue.MatchString(value):
		return badRequest("API Key value contains invalid characters")
	}
	return nil
}

// createKey stores a key under an identifier of its own.
func (s *Service) createKey(ctx context.Context, k apiKey) (*apiKey, error) {
	k.Created = s.timestamp()
	k.Updated = k.Created
	out, err := apiKeys.create(ctx, s, 10, func(id string) (*apiKey, []store.Write) {
		k.ID = id
		return &k, []store.Write{valueWrite(ctx, &k)}
	})
	if errors.Is(err, store.ErrConflict) {
		return nil, conflict("API Key already exists")
	}
	return out, err
}

// stageKey checks that there is a stage "{api}/{stage}".
func (s *Service) stageKey(ctx context.Context, key string) (string, error) {
	apiID, stage, ok := strings.Cut(key, "/")
	if !ok {
		return "", badRequest("Invalid stage identifier specified")
	}
	a, err := s.load(ctx, apiID)
	if isNotFound(err) {
		return "", badRequest("Invalid API identifier specified %s", apiID)
	}
	if err != nil {
		return "", err
	}
	if a.Stages[stage] == nil {
		return "", badRequest("Invalid stage identifier specified")
	}
	return key, nil
}

// GetApiKey returns a key, with its value where includeValue asks for it.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetApiKey.html
func (s *Service) GetApiKey(ctx context.Context, in *api.GetApiKeyRequest) (*api.ApiKey, error) {
	k, _, err := apiKeys.get(ctx, s, *in.ApiKey)
	if err != nil {
		return nil, err
	}
	return apiKeyView(k, truth(in.IncludeValue)), nil
}

// GetApiKeys lists keys by ID: those whose names begin with nameQuery, and those
// of a customer.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetApiKeys.html
func (s *Service) GetApiKeys(ctx context.Context, in *api.GetApiKeysRequest) (*api.ApiKeys, error) {
	keys, err := apiKeys.list(ctx, s)
	if err != nil {
		return nil, err
	}
	keys = slices.DeleteFunc(keys, func(k *apiKey) bool {
		return !strings.HasPrefix(k.Name, text(in.NameQuery)) || in.CustomerId != nil && k.CustomerID != *in.CustomerId
	})
	keys, next, err := page(keys, func(k *apiKey) string { return k.ID }, in.Position, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &api.ApiKeys{Items: []*api.ApiKey{}, Position: next}
	for _, k := range keys {
		out.Items = append(out.Items, apiKeyView(k, truth(in.IncludeValues)))
	}
	return out, nil
}

// UpdateApiKey changes a key by patch operations. Its value stays.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateApiKey.html
func (s *Service) UpdateApiKey(ctx context.Context, in *api.UpdateApiKeyRequest) (*api.ApiKey, error) {
	k, err := apiKeys.change(ctx, s, *in.ApiKey, func(k *apiKey) ([]store.Write, error) {
		k.Updated = s.timestamp()
		return nil, patchTable{
			{path: "/customerId", replace: setText(&k.CustomerID), remove: clearText(&k.CustomerID)},
			{path: "/description", replace: setText(&k.Description)},
			{path: "/enabled", replace: setBool(&k.Enabled)},
			{path: "/name", replace: setText(&k.Name)},
			{path: "/stages", add: func(_, value string) error {
				key, err := s.stageKey(ctx, value)
				if err == nil && !slices.Contains(k.StageKeys, key) {
					k.StageKeys = append(k.StageKeys, key)
				}
				return err
			}, remove: func(_, value string) error {
				i := slices.Index(k.StageKeys, value)
				if i < 0 {
					return notFound("Invalid stage identifier specified")
				}
				k.StageKeys = slices.Delete(k.StageKeys, i, i+1)
				return nil
			}},
		}.apply(in.PatchOperations)
	})
	if err != nil {
		return nil, err
	}
	return apiKeyView(k, false), nil
}

// DeleteApiKey removes a key, also from its usage plans.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteApiKey.html
func (s *Service) DeleteApiKey(ctx context.Context, in *api.DeleteApiKeyRequest) (*schema.Unit, error) {
	return &schema.Unit{}, apiKeys.remove(ctx, s, *in.ApiKey, func(k *apiKey) ([]store.Write, error) {
		return []store.Write{{Key: valueKey(ctx, k.Value)}}, nil
	})
}

// apiKeyView is a key as clients see it.
func apiKeyView(k *apiKey, value bool) *api.ApiKey {
	out := &api.ApiKey{
		Id: &k.ID, Name: optional(k.Name), Description: optional(k.Description), CustomerId: optional(k.CustomerID),
		Enabled: &k.Enabled, CreatedDate: &k.Created, LastUpdatedDate: &k.Updated,
		StageKeys: slices.SortedFunc(slices.Values(k.StageKeys), cmp.Compare[string]), Tags: k.Tags,
	}
	if out.StageKeys == nil {
		out.StageKeys = []string{}
	}
	if value {
		out.Value = &k.Value
	}
	return out
}
