package app

import (
	"context"
	"errors"
	"testing"

	"github.com/paddock-run/paddock/internal/wire/sigv4"
)

func TestKeysOfEnvironments(t *testing.T) {
	if newAccessKeys(nil).lookup() != nil {
		t.Error("signatures are checked without an operator's key")
	}
	keys := newAccessKeys(map[string]string{"AKIAOPERATOR": "secret"})
	lookup := keys.lookup()
	one, two := keys.admit("111111111111"), keys.admit("222222222222")
	if one.AccessKeyID == two.AccessKeyID || one.SecretAccessKey == two.SecretAccessKey || one.SessionToken == two.SessionToken {
		t.Errorf("two environments share credentials: %+v, %+v", one, two)
	}
	from := func(id string) context.Context { return context.WithValue(t.Context(), environmentKey{}, id) }
	for _, c := range []struct {
		name  string
		ctx   context.Context
		id    string
		want  sigv4.Credential
		known bool
	}{
		{"the operator's", t.Context(), "AKIAOPERATOR", sigv4.Credential{SecretKey: "secret"}, true},
		{"the operator's in a function", from(one.AccessKeyID), "AKIAOPERATOR", sigv4.Credential{SecretKey: "secret"}, true},
		{"its own", from(one.AccessKeyID), one.AccessKeyID,
			sigv4.Credential{SecretKey: one.SecretAccessKey, SessionToken: one.SessionToken, Account: "111111111111"}, true},
		{"another's", from(two.AccessKeyID), one.AccessKeyID, sigv4.Credential{}, false},
		{"a function's outside", t.Context(), one.AccessKeyID, sigv4.Credential{}, false},
		{"nobody's", from(one.AccessKeyID), "ASIANOBODY", sigv4.Credential{}, false},
	} {
		got, err := lookup(c.ctx, c.id)
		if c.known != (err == nil) || got != c.want || err != nil && !errors.Is(err, sigv4.ErrUnknownKey) {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	keys.expel(one.AccessKeyID)
	if _, err := lookup(from(one.AccessKeyID), one.AccessKeyID); !errors.Is(err, sigv4.ErrUnknownKey) {
		t.Errorf("the key of an environment that has ended: %v", err)
	}
}
