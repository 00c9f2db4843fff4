package runtimes

import (
	"slices"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/sandbox"
)

var lambdaLayout = sandbox.Layout{Task: "/var/task", Opt: "/opt", Lang: "/var/lang", Runtime: "/var/runtime", Tmp: "/tmp"}

func runtimeOf(t *testing.T, id string, i Interpreter) *Runtime {
	t.Helper()
	s, err := parse(id)
	if err != nil {
		t.Fatal(err)
	}
	rt := &Runtime{ID: id, Interpreter: i, Lang: i.lang(), spec: s}
	if s.lang != langProvided {
		rt.ExecutionEnv = "AWS_Lambda_" + id
	}
	return rt
}

func TestCommand(t *testing.T) {
	system := Interpreter{Language: "python", Version: Version{3, 11, 2}, Path: "/usr/bin/python3.11", Prefix: "/usr"}
	pyenv := Interpreter{Language: "python", Version: Version{3, 12, 1}, Path: "/root/.pyenv/versions/3.12.1/bin/python3.12", Prefix: "/root/.pyenv/versions/3.12.1"}
	nvm := Interpreter{Language: "nodejs", Version: Version{20, 1, 0}, Path: "/home/u/.nvm/versions/node/v20.1.0/bin/node", Prefix: "/home/u/.nvm/versions/node/v20.1.0"}
	brew := Interpreter{Language: "nodejs", Version: Version{22, 1, 0}, Path: "/opt/homebrew/Cellar/node/22.1.0/bin/node", Prefix: "/opt/elsewhere"}
	ofProcess := sandbox.Layout{Task: "/data/code/1", Opt: "/data/opt/1", Lang: pyenv.Prefix, Runtime: "/data/runtimes/python-1", Tmp: "/data/tmp/1"}
	const libs = ":/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
	const nodePath = "NODE_PATH=/opt/nodejs/node22/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task"
	for _, tt := range []struct {
		name   string
		rt     *Runtime
		layout sandbox.Layout
		v      function.Version
		want   Command
		env    []string // some of it
		not    []string // beginnings of what is not in it
	}{
		{
			name: "system's Python", rt: runtimeOf(t, "python3.11", system), layout: lambdaLayout, v: function.Version{Handler: "app.handler"},
			want: Command{Path: "/usr/bin/python3.11", Args: []string{"/usr/bin/python3.11", "-X", "utf8", "/var/runtime/bootstrap.py", "4"}},
			env: []string{"PATH=/usr/local/bin:/usr/bin:/bin:/opt/bin", "LD_LIBRARY_PATH=" + libs[1:], "_HANDLER=app.handler",
				"LAMBDA_TASK_ROOT=/var/task", "LAMBDA_RUNTIME_DIR=/var/runtime", "LANG=en_US.UTF-8", "TZ=:UTC", "AWS_EXECUTION_ENV=AWS_Lambda_python3.11"},
			not: []string{"PYTHONPATH=", "NODE_PATH="},
		},
		{
			name: "pyenv's Python", rt: runtimeOf(t, "python3.13", pyenv), layout: lambdaLayout,
			want: Command{Path: "/var/lang/bin/python3.12", Args: []string{"/var/lang/bin/python3.12", "-X", "utf8", "/var/runtime/bootstrap.py", "4"}},
			env:  []string{"PATH=/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin", "LD_LIBRARY_PATH=/var/lang/lib" + libs, "AWS_EXECUTION_ENV=AWS_Lambda_python3.13"},
		},
		{
			name: "pyenv's Python as a plain process", rt: runtimeOf(t, "python3.12", pyenv), layout: ofProcess,
			want: Command{Path: pyenv.Path, Args: []string{pyenv.Path, "-X", "utf8", "/data/runtimes/python-1/bootstrap.py", "4"}},
			env:  []string{"PATH=/root/.pyenv/versions/3.12.1/bin:/usr/local/bin:/usr/bin:/bin:/data/opt/1/bin", "LAMBDA_TASK_ROOT=/data/code/1"},
		},
		{
			name: "nvm's Node.js", rt: runtimeOf(t, "nodejs22.x", nvm), layout: lambdaLayout, v: function.Version{MemoryMB: 128},
			want: Command{Path: "/var/lang/bin/node", Args: []string{"/var/lang/bin/node", "--expose-gc", "--max-http-header-size=81920",
				"--max-semi-space-size=6", "--max-old-space-size=115", "/var/runtime/bootstrap.cjs", "4"}},
			env: []string{nodePath},
		},
		{
			name: "a program outside its prefix", rt: runtimeOf(t, "nodejs22.x", brew), layout: lambdaLayout,
			want: Command{Path: brew.Path, Args: []string{brew.Path, "--expose-gc", "--max-http-header-size=81920", "/var/runtime/bootstrap.cjs", "4"}},
			env:  []string{"PATH=/opt/homebrew/Cellar/node/22.1.0/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin"},
		},
		{
			name: "wrapper", rt: runtimeOf(t, "python3.11", system), layout: lambdaLayout, v: function.Version{Environment: map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"}},
			want: Command{Path: "/opt/wrap", Args: []string{"/opt/wrap", "/usr/bin/python3.11", "-X", "utf8", "/var/runtime/bootstrap.py"}},
		},
		{
			name: "provided", rt: runtimeOf(t, "provided.al2023", Interpreter{}), layout: lambdaLayout,
			v:    function.Version{Handler: "anything", Environment: map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"}},
			want: Command{Path: "/var/task/bootstrap", Fallback: []string{"/opt/bootstrap"}, Args: []string{"/var/task/bootstrap"}},
			env:  []string{"_HANDLER=anything", "PATH=/usr/local/bin:/usr/bin:/bin:/opt/bin"},
			not:  []string{"AWS_EXECUTION_ENV="},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.rt.Command(tt.layout, &tt.v)
			if got.Path != tt.want.Path || !slices.Equal(got.Args, tt.want.Args) || !slices.Equal(got.Fallback, tt.want.Fallback) {
				t.Errorf("%s %q or %q", got.Path, got.Args, got.Fallback)
			}
			for _, e := range tt.env {
				if !slices.Contains(got.Env, e) {
					t.Errorf("%s is not in %q", e, got.Env)
				}
			}
			for _, e := range tt.not {
				if slices.ContainsFunc(got.Env, func(have string) bool { return strings.HasPrefix(have, e) }) {
					t.Errorf("%s is in %q", e, got.Env)
				}
			}
		})
	}
	kind, message := runtimeOf(t, "provided.al2", Interpreter{}).Command(lambdaLayout, &function.Version{}).InvalidEntrypoint()
	if kind != "Runtime.InvalidEntrypoint" || message != "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]" {
		t.Errorf("%s: %s", kind, message)
	}
}
