// Package runtimes knows Lambda's managed runtimes: which interpreter of this
// host runs a runtime identifier, and which bootstrap (small files of ours,
// embedded) turns it into a Runtime API client.
package runtimes

// Launch is how to start a runtime in an environment. Paths that begin with
// {task}, {lang}, {runtime} are resolved by the sandbox's Layout.
type Launch struct {
	Lang      string   // host folder for /var/lang; empty: none
	Bootstrap string   // host folder for /var/runtime; empty: none
	Path      string   // the program
	Args      []string // with Args[0]
	Env       []string // what the runtime itself needs: LD_LIBRARY_PATH, PYTHONPATH, NODE_PATH, …
	// Notice is a line for the function's log where the interpreter is not the
	// very version that was asked for; empty otherwise.
	Notice string
	// Env AWS_EXECUTION_ENV, e.g. "AWS_Lambda_python3.13"; empty for provided.*.
	ExecutionEnv string
}
