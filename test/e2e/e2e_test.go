// Package e2e tests the built Paddock through the AWS SDK for Go v2, with real
// functions. -target-url runs what needs no Paddock of its own against another
// endpoint.
package e2e

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/sdk"
)

func TestMain(m *testing.M) { daemon.Main(m) }

// echo returns its event.
const echo = `
def handler(event, context):
    return event
`

// open are clients of the Paddock that the tests share.
func open(t *testing.T) (context.Context, *sdk.Clients) {
	t.Helper()
	return sdk.Context(t), sdk.For(t, daemon.Shared(t))
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}
