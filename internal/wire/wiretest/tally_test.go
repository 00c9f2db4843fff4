package wiretest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// deps is where scripts/fetch-protocol-tests.sh puts the tests.
const deps = "../../../.deps/protocol-tests"

// read reads a file of the published tests. Where they have not been fetched
// the test is skipped, but fails under CI.
func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(deps, name))
	if err == nil {
		return b
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%v: run scripts/fetch-protocol-tests.sh", err)
	}
	t.Skipf("%v: run scripts/fetch-protocol-tests.sh", err)
	return nil
}

// tally counts vectors per protocol and kind, and holds the list of known
// failures to account: a vector on it must fail, any other must pass.
type tally struct {
	t     *testing.T
	known map[string]string // "kind/ID" → reason
	seen  map[string]bool
	count map[[2]string][2]int // protocol, kind → passed, all
}

func newTally(t *testing.T, known map[string]string) *tally {
	return &tally{t: t, known: known, seen: map[string]bool{}, count: map[[2]string][2]int{}}
}

func (y *tally) add(protocol, kind, id string, err error) {
	y.t.Helper()
	key := kind + "/" + id
	y.seen[key] = true
	c := y.count[[2]string{protocol, kind}]
	c[1]++
	reason, known := y.known[key]
	switch {
	case err == nil && known:
		y.t.Errorf("%s passes: take it off the list of known failures (%s)", key, reason)
	case err != nil && !known:
		y.t.Errorf("%s %s: %v", protocol, key, err)
	}
	if err == nil {
		c[0]++
	}
	y.count[[2]string{protocol, kind}] = c
}

// report prints one line a protocol, and fails on known failures that no vector
// has the name of.
func (y *tally) report() {
	y.t.Helper()
	for key := range y.known {
		if !y.seen[key] {
			y.t.Errorf("known failure %s: there is no such vector", key)
		}
	}
	lines := map[string][]string{}
	for k, c := range y.count {
		lines[k[0]] = append(lines[k[0]], fmt.Sprintf("%s %d/%d", k[1], c[0], c[1]))
	}
	for protocol, parts := range lines {
		slices.Sort(parts)
		y.t.Logf("%s: %s", protocol, strings.Join(parts, ", "))
	}
	y.t.Logf("known failures: %d", len(y.known))
}
