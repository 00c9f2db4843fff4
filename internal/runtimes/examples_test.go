package runtimes

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestExamples runs examples/hello, the Go one on provided.al2023.
func TestExamples(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ runtime, folder, file, handler string }{
		{"python3.13", "python", "app.py", "app.handler"},
		{"nodejs22.x", "node", "index.mjs", "index.handler"},
		{"provided.al2023", "go", "bootstrap", "bootstrap"},
	} {
		t.Run(tt.folder, func(t *testing.T) {
			t.Parallel()
			folder, err := filepath.Abs(filepath.Join("../../examples/hello", tt.folder))
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(folder, tt.file)
			if tt.folder == "go" {
				if testing.Short() {
					t.Skip("builds a program")
				}
				file = filepath.Join(t.TempDir(), "bootstrap")
				build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", file, ".")
				build.Dir = folder
				build.Env = append(os.Environ(), "CGO_ENABLED=0")
				if out, err := build.CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			e := start(t, tt.runtime, map[string]string{tt.file: string(text)}, options{handler: tt.handler, frames: tt.folder != "go"})
			for event, want := range map[string]string{
				`{}`:             "Hello, world!",
				`{"name":"Ada"}`: "Hello, Ada!",
				`{"version":"2.0","requestContext":{"http":{"method":"GET"}}}`:                                       "Hello, world!",
				`{"version":"2.0","requestContext":{"http":{"method":"GET"}},"queryStringParameters":{"name":"Bo"}}`: "Hello, Bo!",
			} {
				r := e.invoke(event)
				var direct struct {
					Message, From, Body string
					StatusCode          int
					Headers             map[string]string
				}
				if err := json.Unmarshal([]byte(r.body), &direct); err != nil {
					t.Fatalf("%s: %s", event, r.body)
				}
				if len(event) > 20 {
					if direct.StatusCode != 200 || direct.Headers["content-type"] != "application/json" {
						t.Errorf("%s: %s", event, r.body)
					}
					if err := json.Unmarshal([]byte(direct.Body), &direct); err != nil {
						t.Fatalf("%s: %s", event, r.body)
					}
				}
				if direct.Message != want || direct.From != "f" {
					t.Errorf("%s: %s, want %s", event, r.body, want)
				}
			}
		})
	}
}
