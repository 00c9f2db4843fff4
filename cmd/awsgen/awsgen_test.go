package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/awsmodel"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

var update = flag.Bool("update", false, "rewrite testdata/tiny from testdata/tiny.json")

// TestGeneratedCodeIsCurrent generates internal/api in memory and compares.
func TestGeneratedCodeIsCurrent(t *testing.T) {
	models := filepath.Join("..", "..", ".deps", "models", "botocore-"+botocoreVersion, "data")
	if _, err := os.Stat(models); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the models are not there: run scripts/fetch-models.sh (%v)", err)
		}
		t.Skipf("the models are not there: run scripts/fetch-models.sh (%v)", err)
	}
	if err := run(models, filepath.Join("..", "..", "internal", "api"), true); err != nil {
		t.Fatal(err)
	}
}

func TestFetchScriptPinsTheSameVersion(t *testing.T) {
	script, err := os.ReadFile(filepath.Join("..", "..", "scripts", "fetch-models.sh"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "\nversion=" + botocoreVersion + "\n"; !strings.Contains(string(script), want) {
		t.Errorf("scripts/fetch-models.sh does not say %q", want)
	}
}

// TestTablesAreStatic finds that no package of internal/api runs anything at
// program start. The compiler puts that into a function called init, which is
// a bare return where there is nothing: 1 to 4 bytes.
func TestTablesAreStatic(t *testing.T) {
	if testing.Short() {
		t.Skip("builds every package")
	}
	size := map[string]int{}
	out, err := exec.Command("go", "list", "-export", "-f", "{{.ImportPath}} {{.Export}}", "net/http", "../../internal/api/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		pkg, archive, _ := strings.Cut(strings.TrimSpace(line), " ")
		symbols, err := exec.Command("go", "tool", "nm", "-size", archive).Output()
		if err != nil {
			t.Fatalf("%s: %v", pkg, err)
		}
		size[pkg] = 0
		for symbol := range strings.Lines(string(symbols)) {
			// address, size, type, name
			if f := strings.Fields(symbol); len(f) == 4 && f[2] == "T" && f[3] == pkg+".init" {
				if size[pkg], err = strconv.Atoi(f[1]); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	const bareReturn = 4
	if size["net/http"] <= bareReturn {
		t.Fatal("net/http has an init, and this test does not see it")
	}
	delete(size, "net/http")
	if len(size) < 10 {
		t.Fatalf("only %d packages under internal/api", len(size))
	}
	for pkg, n := range size {
		if n > bareReturn {
			t.Errorf("%s does something at program start: its init has %d bytes", pkg, n)
		}
	}
}

func tiny(t *testing.T) *schema.Service {
	t.Helper()
	f, err := os.Open("testdata/tiny.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := awsmodel.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	svc, err := awsmodel.Build("tiny", m, awsmodel.Overlay{
		Operations:     []string{"Put", "Ping", "Listen"},
		ValidationCode: "BadThing",
		QueryNames:     map[string]string{"Handler.Colours": "Colour"},
		XMLNames:       map[string]string{"PutResponse": "Put"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return svc
}

// TestGolden compares what a small model with every kind of shape becomes with
// testdata/tiny, and that with what the compiler takes.
func TestGolden(t *testing.T) {
	files := map[string][]byte{}
	if err := generateService(files, "tiny", tiny(t)); err != nil {
		t.Fatal(err)
	}
	stale, err := staleFiles("testdata", files)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		for _, name := range stale {
			if err := os.MkdirAll(filepath.Join("testdata", filepath.Dir(name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join("testdata", name), files[name], 0o644); err != nil {
				t.Fatal(err)
			}
		}
	} else if len(stale) > 0 {
		t.Errorf("differ from what is generated; look, then go test -update: %s", strings.Join(stale, ", "))
	}
	if out, err := exec.Command("go", "vet", "./testdata/tiny").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestStaleFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("a/same.go", "same")
	write("a/changed.go", "old")
	write("a/gone.go", generatedBy+"1.2.3; DO NOT EDIT.\n")
	write("a/ours.go", "package a\n")
	stale, err := staleFiles(dir, map[string][]byte{"a/same.go": []byte("same"), "a/changed.go": []byte("new"), "b/missing.go": nil, "b/added.go": []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(stale, " "), "a/changed.go a/gone.go b/added.go b/missing.go"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
