package runtimes

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed all:bootstraps
var bootstraps embed.FS

// What the interpreters are started with, in the bootstrap's folder.
const (
	pythonEntry = "bootstrap.py"
	nodeEntry   = "bootstrap.cjs"
)

// unpack writes a language's bootstrap below the folder of this package, under
// a name made of its content, and returns that folder. Files that are there are
// compared, and written anew if a crash has left them short.
func (r *Runtimes) unpack(lang language) (string, error) {
	files, err := fs.Sub(bootstraps, "bootstraps/"+string(lang))
	if err != nil {
		return "", fmt.Errorf("runtimes: %w", err)
	}
	sum := sha256.New()
	contents := make(map[string][]byte)
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		contents[name] = data
		sum.Write(fmt.Appendf(nil, "%s %d\n", name, len(data)))
		sum.Write(data)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("runtimes: %w", err)
	}
	dir := filepath.Join(r.dir, string(lang)+"-"+hex.EncodeToString(sum.Sum(nil))[:16])
	for name, data := range contents {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if have, err := os.ReadFile(file); err == nil && bytes.Equal(have, data) {
			continue
		}
		if err := writeFile(file, data); err != nil {
			return "", fmt.Errorf("runtimes: unpack the bootstrap: %w", err)
		}
	}
	return dir, nil
}

// compile has Python write the bootstrap's byte code beside it. Inside, the
// folder is read-only, and every start would compile it again, which takes
// longer than all the rest the bootstrap does. Without it things only start
// slower.
func (r *Runtimes) compile(ctx context.Context, python Interpreter, dir string) {
	if compiled(python, dir) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, python.Path, "-I", "-m", "compileall", "-q", dir)
	cmd.Env = []string{}
	if out, err := cmd.CombinedOutput(); err != nil {
		r.log.Warn("cannot compile the Python bootstrap", slog.String("python", python.Path),
			slog.String("dir", dir), slog.Any("err", err), slog.String("output", string(out)))
	}
}

// compiled says whether every module has byte code for that Python which is no
// older than the module.
func compiled(python Interpreter, dir string) bool {
	sources, err := filepath.Glob(filepath.Join(dir, "*", "*.py"))
	if err != nil {
		return false
	}
	for _, source := range sources {
		folder, name := filepath.Split(source)
		code := fmt.Sprintf("%s.cpython-%d%d.pyc", strings.TrimSuffix(name, ".py"), python.Version.Major, python.Version.Minor)
		of, err := os.Stat(source)
		if err != nil {
			return false
		}
		is, err := os.Stat(filepath.Join(folder, "__pycache__", code))
		if err != nil || is.ModTime().Before(of.ModTime()) {
			return false
		}
	}
	return len(sources) > 0
}

// writeFile makes a file appear whole or not at all, readable to the functions'
// users, its folders too.
func writeFile(file string, data []byte) error {
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Chmod(0o644)
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	return err
}
