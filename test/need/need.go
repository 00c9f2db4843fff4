// Package need says what becomes of a test whose component is missing: it is
// skipped, with the reason; where CI=true it fails, for there make deps has
// installed everything.
package need

import (
	"os"
	"os/exec"
	"testing"
)

// Missing ends the test because what format says is not there.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("missing: "+format, args...)
	}
	t.Skipf("missing: "+format, args...)
}

// Program returns the path of a program, or ends the test.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, "%s (make deps installs it)", name)
	}
	return path
}
