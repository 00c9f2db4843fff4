package runtimes

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/sandbox"
)

// Command is the runtime process of an environment.
type Command struct {
	// Path is the program as seen inside. Where it is missing (*sandbox.ExecError
	// of fs.ErrNotExist), those of Fallback are tried in turn; when all are
	// missing, the init error is InvalidEntrypoint.
	Path     string
	Fallback []string
	Args     []string // with Args[0]
	// Dir is the working directory as seen inside; empty: the layout's Task.
	Dir string
	// Framed says that the program speaks frames over FramesDescriptor
	// (runtimeapi.Link), and waits to be booted with Runtime.Boot's document. The
	// others speak HTTP.
	Framed bool
	// Env is what the runtime itself needs. It goes below the function's own
	// variables, which may override all of it but reserved names, and beside the
	// AWS_* ones that the invoker sets.
	Env []string

	entry string // of an image: its entry point as it was given
}

const invalidEntrypoint = "Runtime.InvalidEntrypoint"

// InvalidEntrypoint is the errorType and errorMessage (without its
// "RequestId: … Error: ") that Lambda reports when there is no program to run.
func (c *Command) InvalidEntrypoint() (errorType, message string) {
	switch {
	case c.entry == c.Path && c.entry != "":
		return invalidEntrypoint, (&sandbox.ExecError{Path: c.Path, Err: syscall.ENOENT}).Error()
	case c.entry != "":
		return invalidEntrypoint, fmt.Sprintf("exec: %q: executable file not found in $PATH", c.entry)
	}
	return invalidEntrypoint, fmt.Sprintf("Couldn't find valid bootstrap(s): [%s]",
		strings.Join(append([]string{c.Path}, c.Fallback...), " "))
}

// wrapperVariable names a program of the function's that is started instead of
// a managed runtime, with the runtime's command line as its arguments:
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html#runtime-wrapper
const wrapperVariable = "AWS_LAMBDA_EXEC_WRAPPER"

// optVariable tells a program that is not booted over frames where the layers are;
// it takes it out of its environment.
const optVariable = "_PADDOCK_OPT"

// Command is how to start version v in a sandbox of that layout. It uses v's
// Handler, MemoryMB and, of its Environment, only AWS_LAMBDA_EXEC_WRAPPER. It
// reads no file.
//
// The variables are those of
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
// with the environment's own folders in the place of Lambda's.
func (r *Runtime) Command(layout sandbox.Layout, v *function.Version) *Command {
	if r.spec.lang == langImage {
		return imageCommand(layout, v)
	}
	c := &Command{Env: r.environment(layout, v)}
	if r.spec.lang == langProvided {
		c.Path = path.Join(layout.Task, "bootstrap")
		c.Fallback = []string{path.Join(layout.Opt, "bootstrap")}
		c.Args = []string{c.Path}
		return c
	}
	c.Path = r.Interpreter.inside(layout)
	switch r.spec.lang {
	case langPython:
		// UTF-8 whatever locales the host has.
		c.Args = []string{c.Path, "-X", "utf8", path.Join(layout.Runtime, pythonEntry)}
	case langNode:
		c.Args = append([]string{c.Path}, nodeFlags(v.MemoryMB)...)
		c.Args = append(c.Args, path.Join(layout.Runtime, nodeEntry))
	}
	if wrapper := v.Environment[wrapperVariable]; wrapper != "" {
		// It speaks HTTP: wrappers put proxies between the runtime and its API, insert
		// arguments before the last one, and close descriptors.
		c.Path = placed(wrapper, layout)
		c.Args = append([]string{c.Path}, c.Args...)
		c.Env = append(c.Env, optVariable+"="+layout.Opt)
		return c
	}
	c.Framed = true
	c.Args = append(c.Args, strconv.Itoa(FramesDescriptor))
	return c
}

// placed is where a file stands that is named by its place in Lambda.
func placed(file string, layout sandbox.Layout) string {
	for _, p := range [][2]string{{"/var/task", layout.Task}, {"/opt", layout.Opt}} {
		if rest, ok := strings.CutPrefix(file, p[0]+"/"); ok && p[1] != "" {
			return path.Join(p[1], rest)
		}
	}
	return file
}

// nodeFlags sizes V8's heap by the function's memory as Lambda does: 90 % for
// the old generation, 5 % for each half of the young one. Left alone, V8 takes a
// quarter of what the machine or cgroup has.
func nodeFlags(memoryMB int) []string {
	flags := []string{"--expose-gc", "--max-http-header-size=81920"}
	if memoryMB > 0 {
		flags = append(flags,
			fmt.Sprintf("--max-semi-space-size=%d", max(memoryMB*5/100, 1)),
			fmt.Sprintf("--max-old-space-size=%d", max(memoryMB*90/100, 1)))
	}
	return flags
}

func (r *Runtime) environment(layout sandbox.Layout, v *function.Version) []string {
	// The folders a Lambda environment names, where this one has them.
	lang := ""
	if r.Lang != "" {
		lang = layout.Lang
	}
	env := []string{
		"LANG=en_US.UTF-8",
		"TZ=:UTC",
		"PATH=" + r.searchPath(lang, layout.Opt),
		"LD_LIBRARY_PATH=" + join(under(lang, "lib"), "/lib64", "/usr/lib64",
			layout.Runtime, under(layout.Runtime, "lib"), layout.Task, under(layout.Task, "lib"), under(layout.Opt, "lib")),
		"LAMBDA_TASK_ROOT=" + layout.Task,
		"LAMBDA_RUNTIME_DIR=" + layout.Runtime,
		"_HANDLER=" + v.Handler,
	}
	if r.ExecutionEnv != "" {
		env = append(env, "AWS_EXECUTION_ENV="+r.ExecutionEnv)
	}
	// PYTHONPATH is left to the bootstrap, as Lambda does: where the function sets
	// it, the layers' folders stay out of sys.path.
	if r.spec.lang == langNode {
		env = append(env, "NODE_PATH="+join(
			under(layout.Opt, fmt.Sprintf("nodejs/node%d/node_modules", r.spec.version.Major)),
			under(layout.Opt, "nodejs/node_modules"),
			under(layout.Runtime, "node_modules"), layout.Runtime, layout.Task))
	}
	return env
}

// searchPath is Lambda's PATH, and on hosts that keep their programs elsewhere
// (Homebrew's) the interpreter's folder too.
func (r *Runtime) searchPath(lang, opt string) string {
	dirs := []string{"/usr/local/bin", "/usr/bin", "/bin", path.Join(opt, "bin")}
	if lang != "" {
		dirs = append([]string{path.Join(lang, "bin")}, dirs...)
	} else if r.Interpreter.Path != "" {
		if own := path.Dir(r.Interpreter.Path); !slices.Contains(dirs, own) {
			dirs = append([]string{own}, dirs...)
		}
	}
	return join(dirs...)
}

// under is dir/name, or nothing where there is no dir.
func under(dir, name string) string {
	if dir == "" {
		return ""
	}
	return path.Join(dir, name)
}

// join makes a colon-separated list of those that are not empty: an empty
// member would mean the current folder.
func join(dirs ...string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(dirs), func(d string) bool { return d == "" }), ":")
}
