package apigateway

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store"
)

// What belongs to no API (keys, usage plans, domain names, VPC links, client
// certificates) is a document each:
//
//	apigateway/{kind}/{account}/{region}/{id}
//	apigateway/domains/{name}                            whose names are unique over all accounts
//	apigateway/keyvalues/{account}/{region}/{hash}       a key's ID by its value: see api_key.go

// shelf is where one kind of these stands.
type shelf[T any] struct {
	kind string
	// missing is the error for an identifier that there is not.
	missing func(ctx context.Context, id string) error
	// owner says whose a value is, where its key does not.
	owner func(*T) (account, region string)
}

func (k shelf[T]) prefix(ctx context.Context) string {
	if k.owner != nil {
		return keyPrefix + k.kind + "/"
	}
	me := identity.Of(ctx)
	return keyPrefix + k.kind + "/" + me.Account + "/" + me.Region + "/"
}

func (k shelf[T]) key(ctx context.Context, id string) string { return k.prefix(ctx) + id }

func (k shelf[T]) mine(ctx context.Context, v *T) bool {
	if k.owner == nil {
		return true
	}
	me := identity.Of(ctx)
	account, region := k.owner(v)
	return account == me.Account && region == me.Region
}

// get reads a value of the caller's account and region.
func (k shelf[T]) get(ctx context.Context, s *Service, id string) (*T, store.Document, error) {
	d, err := s.docs.Get(ctx, k.key(ctx, id))
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrLimit) || id == "" || strings.Contains(id, "/") {
		return nil, d, k.missing(ctx, id)
	}
	if err != nil {
		return nil, d, err
	}
	v, err := decode[T](d)
	if err == nil && !k.mine(ctx, v) {
		return nil, d, k.missing(ctx, id)
	}
	return v, d, err
}

// list reads all of the caller's account and region.
func (k shelf[T]) list(ctx context.Context, s *Service) ([]*T, error) {
	docs, err := s.docs.List(ctx, k.prefix(ctx), "", 0)
	if err != nil {
		return nil, err
	}
	out := make([]*T, 0, len(docs))
	for _, d := range docs {
		v, err := decode[T](d)
		if err != nil {
			return nil, err
		}
		if k.mine(ctx, v) {
			out = append(out, v)
		}
	}
	return out, nil
}

// put is the write that stores a value.
func (k shelf[T]) put(ctx context.Context, id string, v *T, on store.Condition) (store.Write, error) {
	value, err := json.Marshal(v)
	if len(value) > store.MaxValue {
		return store.Write{}, limitExceeded("The %s is too large to be stored", strings.TrimSuffix(k.kind, "s"))
	}
	return store.Write{Key: k.key(ctx, id), Value: value, If: on}, err
}

// change lets fn change a value and stores it, with the writes that fn returns,
// as one transaction. Where somebody changed any of it meanwhile, fn is called
// again.
func (k shelf[T]) change(ctx context.Context, s *Service, id string, fn func(*T) ([]store.Write, error)) (*T, error) {
	for {
		v, d, err := k.get(ctx, s, id)
		if err != nil {
			return nil, err
		}
		more, err := fn(v)
		if err != nil {
			return nil, err
		}
		w, err := k.put(ctx, id, v, store.AtRevision(d.Revision))
		if err != nil {
			return nil, err
		}
		if err = s.commit(ctx, append(more, w)...); !errors.Is(err, store.ErrPrecondition) && !errors.Is(err, store.ErrNotFound) {
			return v, err
		}
	}
}

// remove deletes a value, with the writes that fn returns. fn may be nil.
func (k shelf[T]) remove(ctx context.Context, s *Service, id string, fn func(*T) ([]store.Write, error)) error {
	for {
		v, d, err := k.get(ctx, s, id)
		if err != nil {
			return err
		}
		var more []store.Write
		if fn != nil {
			if more, err = fn(v); err != nil {
				return err
			}
		}
		err = s.commit(ctx, append(more, store.Write{Key: d.Key, If: store.AtRevision(d.Revision)})...)
		if !errors.Is(err, store.ErrPrecondition) && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
}

// create stores a new value under an identifier that fn is told and that is free.
func (k shelf[T]) create(ctx context.Context, s *Service, idLength int, fn func(id string) (*T, []store.Write)) (*T, error) {
	for {
		id := newID(idLength)
		if _, err := s.docs.Get(ctx, k.key(ctx, id)); err == nil {
			continue
		}
		v, more := fn(id)
		w, err := k.put(ctx, id, v, store.Absent)
		if err != nil {
			return nil, err
		}
		return v, s.commit(ctx, append(more, w)...)
	}
}

func decode[T any](d store.Document) (*T, error) {
	v := new(T)
	return v, json.Unmarshal(d.Value, v)
}

// commit writes, and takes what was written into what is served.
func (s *Service) commit(ctx context.Context, writes ...store.Write) error {
	revision, err := s.docs.Write(ctx, writes...)
	if err != nil {
		return err
	}
	for _, w := range writes {
		if w.Check {
			continue
		}
		if err := s.views.apply(store.Document{Key: w.Key, Value: w.Value, Revision: revision}); err != nil {
			return err
		}
	}
	return nil
}
