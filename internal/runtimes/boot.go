package runtimes

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/sandbox"
)

// FramesDescriptor is the descriptor at which the programs of managed runtimes
// find their socket to the daemon.
const FramesDescriptor = 4

// aheadArgument tells a bootstrap that its function is not known yet.
const aheadArgument = "ahead"

// boot is what a bootstrap is told about the function that it is to be.
type boot struct {
	// Env is the whole environment; nil: the process was started with it.
	Env map[string]string `json:"env,omitempty"`
	Dir string            `json:"dir"` // to work in
	Opt string            `json:"opt"` // the folder of the layers
}

// Boot is the document for runtimeapi.Link.Boot. env is the whole environment of
// the function for a program that was started by Ahead, and nil for one that was
// started with it.
func (r *Runtime) Boot(layout sandbox.Layout, env []string) ([]byte, error) {
	b := boot{Dir: layout.Task, Opt: layout.Opt}
	if env != nil {
		b.Env = make(map[string]string, len(env))
		for _, entry := range env {
			name, value, _ := strings.Cut(entry, "=")
			b.Env[name] = value
		}
	}
	doc, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("runtimes: %w", err)
	}
	return doc, nil
}

// Kind names the programs that can be started before their function is known
// (Ahead) and then become v: those of one interpreter and memory. It is empty
// where v wants a program of its own, because it has variables that interpreters
// or the dynamic linker read when they start, or because there is nothing to boot
// (provided.*).
func (r *Runtime) Kind(v *function.Version) string {
	if r.spec.lang == langProvided || r.spec.lang == langImage {
		return ""
	}
	for name := range v.Environment {
		if readAtStart(name) {
			return ""
		}
	}
	kind := r.Interpreter.Path + " " + r.Bootstrap
	if r.spec.lang == langNode {
		kind += " " + strings.Join(nodeFlags(v.MemoryMB), " ")
	}
	return kind
}

// readAtStart says whether a variable has its effect when a process starts, so
// that setting it later would not do.
func readAtStart(name string) bool {
	switch name {
	case wrapperVariable, "TZ", "TZDIR", "LANG", "LANGUAGE", "LOCPATH", "GLIBC_TUNABLES", "GCONV_PATH", "V8_FLAGS",
		"OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE":
		return true
	case "NODE_ENV", "NODE_PATH", "PYTHON_ENV": // nothing but names that functions use; NODE_PATH is read again
		return false
	}
	for _, prefix := range []string{"LD_", "DYLD_", "LC_", "MALLOC_", "PYTHON", "NODE_", "UV_", "ICU_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// Ahead is how to start a program of v's Kind before the function is known, in a
// sandbox that has the runtime's Lang and Bootstrap but no code yet. Of v it uses
// the MemoryMB.
func (r *Runtime) Ahead(layout sandbox.Layout, v *function.Version) *Command {
	c := r.Command(layout, &function.Version{MemoryMB: v.MemoryMB})
	c.Args = append(c.Args, aheadArgument)
	c.Env = slices.DeleteFunc(c.Env, func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return name != "PATH" && !readAtStart(name)
	})
	return c
}

// Libraries tells whether v's code or layers have shared libraries where the
// dynamic linker looks for them (LD_LIBRARY_PATH). A program that was started
// ahead would not find them: the linker remembers which of its folders were
// missing when it first looked.
func Libraries(v *function.Version) (bool, error) {
	for _, dir := range append([]string{v.CodeDir}, v.LayerDirs...) {
		if _, err := os.Stat(filepath.Join(dir, "lib")); err == nil {
			return true, nil
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return false, fmt.Errorf("runtimes: %w", err)
		}
		for _, entry := range entries {
			if ext := path.Ext(entry.Name()); ext == ".so" || ext == ".dylib" || strings.Contains(entry.Name(), ".so.") {
				return true, nil
			}
		}
	}
	return false, nil
}
