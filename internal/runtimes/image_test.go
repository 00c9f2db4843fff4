package runtimes

import (
	"slices"
	"testing"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/sandbox"
)

func TestImageCommand(t *testing.T) {
	layout := sandbox.Layout{Task: "/var/task", Opt: "/opt", Runtime: "/var/runtime", Tmp: "/tmp"}
	for name, test := range map[string]struct {
		image     function.Image
		variables map[string]string
		path, dir string
		fallback  []string
		args      []string
		missing   string
	}{
		"absolute": {
			image: function.Image{EntryPoint: []string{"/main", "-x"}, Command: []string{"handler"}, WorkingDir: "/app"},
			path:  "/main", dir: "/app", args: []string{"/main", "-x", "handler"}, missing: "fork/exec /main: no such file or directory",
		},
		"command alone": {
			image: function.Image{Command: []string{"./run"}, WorkingDir: "/app"},
			path:  "/app/run", dir: "/app", args: []string{"./run"}, missing: `exec: "./run": executable file not found in $PATH`,
		},
		"on the path": {
			image: function.Image{EntryPoint: []string{"python3"}, Env: []string{"PATH=/a:rel::/b"}},
			path:  "/a/python3", fallback: []string{"/b/python3"}, dir: "/", args: []string{"python3"}, missing: `exec: "python3": executable file not found in $PATH`,
		},
		"on the function's path": {
			image: function.Image{EntryPoint: []string{"python3"}, Env: []string{"PATH=/a"}}, variables: map[string]string{"PATH": "/mine"},
			path: "/mine/python3", dir: "/", args: []string{"python3"}, missing: `exec: "python3": executable file not found in $PATH`,
		},
		"nothing": {dir: "/", missing: "Couldn't find valid bootstrap(s): []"},
	} {
		t.Run(name, func(t *testing.T) {
			c := Image().Command(layout, &function.Version{Image: &test.image, Environment: test.variables})
			if c.Path != test.path || c.Dir != test.dir || !slices.Equal(c.Fallback, test.fallback) || !slices.Equal(c.Args, test.args) || c.Framed {
				t.Errorf("command %+v", c)
			}
			if kind, message := c.InvalidEntrypoint(); kind != "Runtime.InvalidEntrypoint" || message != test.missing {
				t.Errorf("when it is missing: %s: %s", kind, message)
			}
			if !slices.Contains(c.Env, "LAMBDA_TASK_ROOT=/var/task") || !slices.Contains(c.Env, "AWS_EXECUTION_ENV=AWS_Lambda_Image") {
				t.Errorf("variables %q", c.Env)
			}
		})
	}
	if kind := Image().Kind(&function.Version{}); kind != "" {
		t.Errorf("images have zygotes of the kind %q", kind)
	}
}
