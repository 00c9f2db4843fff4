package runtimes

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/sandbox"
)

var echoes = []struct {
	runtime, file, text string
}{
	{"python3.11", "app.py", "def handler(event, context): return event"},
	{"nodejs20.x", "app.js", "exports.handler = async (event) => event"},
	{"nodejs20.x", "app.mjs", "export const handler = async (event) => event"},
	{"nodejs24.x", "app.mjs", "export const handler = async (event) => event"},
}

// BenchmarkWarm is from handing out an invocation to its result.
func BenchmarkWarm(b *testing.B) {
	for _, f := range echoes {
		b.Run(f.runtime+" "+f.file, func(b *testing.B) {
			e := start(b, f.runtime, map[string]string{f.file: f.text}, options{})
			e.invoke("{}")
			for b.Loop() {
				e.invoke(`{"key":"value"}`)
			}
			b.StopTimer()
			e.stop()
		})
	}
}

// BenchmarkStart is from starting the process to its first next.
func BenchmarkStart(b *testing.B) {
	for _, f := range echoes {
		b.Run(f.runtime+" "+f.file, func(b *testing.B) {
			rt, err := hostRuntimes(b).Resolve(f.runtime)
			if err != nil {
				b.Skip(err)
			}
			task := b.TempDir()
			write(b, task, map[string]string{f.file: f.text})
			layout := sandbox.Layout{Task: task, Opt: b.TempDir(), Lang: rt.Lang, Runtime: rt.Bootstrap}
			c := rt.Command(layout, &function.Version{Handler: "app.handler", MemoryMB: 128})
			api := newRuntimeAPI(b)
			env := append(c.Env, "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(api.server.URL, "http://"))
			for b.Loop() {
				cmd := &exec.Cmd{Path: c.Path, Args: c.Args, Dir: task, Env: env}
				if err := cmd.Start(); err != nil {
					b.Fatal(err)
				}
				<-api.asked
				cmd.Process.Kill()
				cmd.Wait()
			}
		})
	}
}
