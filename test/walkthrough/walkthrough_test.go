// Package walkthrough runs the README's walkthrough as it stands, against a
// Paddock of the test's own.
package walkthrough

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/need"
)

// expected is what the walkthrough must print, in this order.
var expected = []string{
	`{"message": "Hello, Ada!"}`,
	"GET /hello\n",
	"GET /hello\n",
	"REPORT RequestId:",
	`"/aws/lambda/greet"`,
	"called with {'name': 'Ada'}",
}

func TestREADME(t *testing.T) {
	root, err := daemon.Root()
	if err != nil {
		t.Fatal(err)
	}
	python := filepath.Join(root, ".deps", "python", "bin")
	need.Program(t, filepath.Join(python, "aws"))
	need.Program(t, "zip")
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	d := daemon.Own(t)
	script := "set -eu\n" + strings.Join(blocks(t, string(readme)), "\n")
	port := d.Port(t)
	script = strings.ReplaceAll(strings.ReplaceAll(script, "127.0.0.1:4566", "127.0.0.1:"+port), "localhost:4566", "localhost:"+port)
	// A reader runs it in the checkout. The test leaves no files there, and only
	// builds the example's Go program from it.
	script = strings.ReplaceAll(script, "go build -o ", `go build -C "$CHECKOUT" -o "$PWD"/`)
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = t.TempDir()
	cmd.Env = d.Env("PATH="+python+":"+os.Getenv("PATH"), "CHECKOUT="+root)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the walkthrough fails: %v\n%s", err, out)
	}
	rest := string(out)
	for _, want := range expected {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("the walkthrough does not print %q where it should:\n%s", want, out)
		}
		rest = after
	}
}

// blocks are the README's shell blocks between the walkthrough's heading and the
// next one.
func blocks(t *testing.T, readme string) []string {
	_, rest, found := strings.Cut(readme, "\n## A walkthrough\n")
	if !found {
		t.Fatal("the README has no walkthrough")
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	var out []string
	for {
		_, after, found := strings.Cut(rest, "```sh\n")
		if !found {
			break
		}
		block, after, found := strings.Cut(after, "\n```")
		if !found {
			t.Fatal("a block of the walkthrough does not end")
		}
		out, rest = append(out, block), after
	}
	if len(out) < 5 {
		t.Fatalf("the walkthrough has %d blocks", len(out))
	}
	return out
}
