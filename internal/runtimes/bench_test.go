package runtimes

import (
	"os"
	"os/exec"
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
			v := &function.Version{Handler: "app.handler", MemoryMB: 128}
			c := rt.Command(layout, v)
			doc, err := rt.Boot(layout, nil)
			if err != nil {
				b.Fatal(err)
			}
			api := newRuntimeAPI(b)
			for b.Loop() {
				nc, theirs := socketPair(b)
				cmd := &exec.Cmd{Path: c.Path, Args: c.Args, Dir: task, Env: c.Env, ExtraFiles: []*os.File{theirs, theirs}}
				if err := cmd.Start(); err != nil {
					b.Fatal(err)
				}
				theirs.Close()
				boot := make(chan []byte, 1)
				boot <- doc
				go api.frames(nc, boot)
				<-api.asked
				cmd.Process.Kill()
				cmd.Wait()
			}
		})
	}
}
