package authorizer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	maxKeys = 1 << 20 // bytes of a key set
	// keysAge is how long keys are good before they are fetched again; where that
	// fails they stay.
	keysAge = time.Hour
	// keysPause is the least time between two fetches: tokens with made-up key IDs
	// must not make this a way to bother the issuer.
	keysPause = 10 * time.Second
)

// keySet is an issuer's keys. They are fetched when they are first needed, when
// they are old, and when a token names one that is not there.
type keySet struct {
	url    string
	client *http.Client
	now    func() time.Time

	loaded atomic.Pointer[keys]
	turn   chan struct{} // holds one while somebody fetches
	// What follows belongs to who has the turn.
	tried time.Time
	err   error // of the last fetch
}

// keys are what was fetched. They are immutable.
type keys struct {
	byID   map[string]*jose.JSONWebKey
	only   *jose.JSONWebKey // the set's one key, for tokens that name none
	issuer string           // as an OpenID configuration says; empty: the URL was the key set's own
	at     time.Time
}

func newKeySet(url string, client *http.Client) *keySet {
	return &keySet{url: url, client: client, now: time.Now, turn: make(chan struct{}, 1)}
}

func (k *keys) find(id string) *jose.JSONWebKey {
	if id == "" {
		return k.only
	}
	return k.byID[id]
}

// current returns the keys, fetched where there are none that are new enough. Its
// errors are the issuer's.
func (s *keySet) current(ctx context.Context) (*keys, error) {
	k := s.loaded.Load()
	if k != nil && s.now().Sub(k.at) < keysAge {
		return k, nil
	}
	return s.refresh(ctx, k)
}

// with returns the keys with one of that ID, as far as the issuer has it.
func (s *keySet) with(ctx context.Context, id string) (*keys, error) {
	k, err := s.current(ctx)
	if err != nil || k.find(id) != nil {
		return k, err
	}
	return s.refresh(ctx, k)
}

// refresh fetches the keys unless somebody has done so since before, or too
// shortly ago.
func (s *keySet) refresh(ctx context.Context, before *keys) (*keys, error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.turn }()
	if k := s.loaded.Load(); k != before {
		return k, nil
	}
	if !s.tried.IsZero() && s.now().Sub(s.tried) < keysPause {
		if before != nil {
			return before, nil
		}
		return nil, s.err
	}
	// The answer is everybody's: it must not go with this caller.
	fetching, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	k, err := s.fetch(fetching)
	s.tried, s.err = s.now(), err
	if err != nil {
		if before != nil {
			return before, nil
		}
		return nil, err
	}
	s.loaded.Store(k)
	return k, nil
}

func (s *keySet) fetch(ctx context.Context) (*keys, error) {
	body, err := s.get(ctx, s.url)
	if err != nil {
		return nil, err
	}
	var configuration struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(body, &configuration); err != nil {
		return nil, fmt.Errorf("%s: %w", s.url, err)
	}
	if configuration.Keys != "" {
		if configuration.Issuer == "" {
			return nil, fmt.Errorf("%s: the configuration names no issuer", s.url)
		}
		if body, err = s.get(ctx, configuration.Keys); err != nil {
			return nil, err
		}
	}
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		return nil, fmt.Errorf("%s: %w", s.url, err)
	}
	k := &keys{byID: map[string]*jose.JSONWebKey{}, at: s.now()}
	if configuration.Keys != "" {
		k.issuer = configuration.Issuer
	}
	for _, text := range raw.Keys {
		key := &jose.JSONWebKey{}
		// A set may hold keys of kinds that nobody here knows, and keys to encrypt with.
		if key.UnmarshalJSON(text) != nil || !key.IsPublic() || key.Use != "" && key.Use != "sig" {
			continue
		}
		k.byID[key.KeyID] = key
		k.only = key
	}
	switch len(k.byID) {
	case 0:
		return nil, fmt.Errorf("%s holds no keys that signatures could be verified with", s.url)
	case 1:
	default:
		k.only = nil
	}
	return k, nil
}

func (s *keySet) get(ctx context.Context, url string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", url, resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKeys+1))
	if err == nil && len(body) > maxKeys {
		err = errors.New(url + " is too large to be a set of keys")
	}
	return body, err
}
