package app

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"

	"github.com/paddock-run/paddock/internal/invoke"
	"github.com/paddock-run/paddock/internal/wire/sigv4"
)

// accessKeys are the keys that requests may be signed with: the operator's, and
// one for each execution environment, as long as that lives.
type accessKeys struct {
	operator map[string]string // ID to secret; empty: signatures are not checked

	mu           sync.Mutex
	environments map[string]sigv4.Credential // by access key ID
}

func newAccessKeys(operator map[string]string) *accessKeys {
	return &accessKeys{operator: operator, environments: map[string]sigv4.Credential{}}
}

// admit makes what an environment of an account signs its requests with: they
// look like the temporary credentials of a role, and have a session token as
// every function on Lambda has.
func (k *accessKeys) admit(account string) invoke.Credentials {
	// rand.Text is base32 without padding, 26 characters of it.
	made := invoke.Credentials{AccessKeyID: "ASIA" + rand.Text()[:16], SecretAccessKey: rand.Text() + rand.Text()[:14], SessionToken: strings.ToLower(rand.Text() + rand.Text())}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.environments[made.AccessKeyID] = sigv4.Credential{SecretKey: made.SecretAccessKey, SessionToken: made.SessionToken, Account: account}
	return made
}

// expel makes an environment's credentials void.
func (k *accessKeys) expel(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.environments, id)
}

// lookup finds the secret of a key; it is nil where signatures are not checked.
// The key of an environment is good for what comes from that environment alone,
// so that nobody else can borrow it.
func (k *accessKeys) lookup() func(context.Context, string) (sigv4.Credential, error) {
	if len(k.operator) == 0 {
		return nil
	}
	return func(ctx context.Context, id string) (sigv4.Credential, error) {
		if secret, ok := k.operator[id]; ok {
			return sigv4.Credential{SecretKey: secret}, nil
		}
		if from, ok := ctx.Value(environmentKey{}).(string); !ok || from != id {
			return sigv4.Credential{}, sigv4.ErrUnknownKey
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		if found, ok := k.environments[id]; ok {
			return found, nil
		}
		return sigv4.Credential{}, sigv4.ErrUnknownKey
	}
}
