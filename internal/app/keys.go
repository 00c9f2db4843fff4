package app

import (
	"context"
	"crypto/rand"
	"sync"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/invoke"
	"github.com/paddock-run/paddock/internal/wire/sigv4"
)

// accessKeys are the keys that requests may be signed with: the operator's, and
// one for the functions of each account.
type accessKeys struct {
	operator map[string]string // ID to secret; empty: signatures are not checked

	mu        sync.Mutex
	functions map[string]invoke.Credentials // by account
}

func newAccessKeys(operator map[string]string) *accessKeys {
	return &accessKeys{operator: operator, functions: map[string]invoke.Credentials{}}
}

// forFunction makes what a function signs its own requests with. The key's ID is
// its account, so that what it calls is found in that account.
func (k *accessKeys) forFunction(v *function.Version) invoke.Credentials {
	k.mu.Lock()
	defer k.mu.Unlock()
	made, ok := k.functions[v.Account]
	if !ok {
		// With a session token, as every function on Lambda has: programs that sign
		// for themselves read it from the environment without asking.
		made = invoke.Credentials{AccessKeyID: v.Account, SecretAccessKey: rand.Text(), SessionToken: rand.Text()}
		k.functions[v.Account] = made
	}
	return made
}

// lookup finds the secret of a key; it is nil where signatures are not checked.
func (k *accessKeys) lookup() func(context.Context, string) (sigv4.Credential, error) {
	if len(k.operator) == 0 {
		return nil
	}
	return func(_ context.Context, id string) (sigv4.Credential, error) {
		if secret, ok := k.operator[id]; ok {
			return sigv4.Credential{SecretKey: secret}, nil
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		if made, ok := k.functions[id]; ok {
			return sigv4.Credential{SecretKey: made.SecretAccessKey, SessionToken: made.SessionToken, Account: id}, nil
		}
		return sigv4.Credential{}, sigv4.ErrUnknownKey
	}
}
