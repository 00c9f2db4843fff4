// Command awsgen writes the packages under internal/api: for each service of
// services.json the Go types, errors, handler interface and schema of its
// botocore model.
//
//	go run ./cmd/awsgen -models .deps/models -out internal/api
//
// With -check it writes nothing and fails, naming the files, where what it
// would write differs from what is there. scripts/fetch-models.sh fetches the
// models.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	models := flag.String("models", ".deps/models", "the `folder` that scripts/fetch-models.sh fills, or botocore's data folder")
	out := flag.String("out", "internal/api", "the `folder` that holds a folder per service")
	check := flag.Bool("check", false, "compare with what is there instead of writing")
	flag.Parse()
	if err := run(*models, *out, *check); err != nil {
		fmt.Fprintln(os.Stderr, "awsgen:", err)
		os.Exit(1)
	}
}

func run(models, out string, check bool) error {
	if fetched := filepath.Join(models, "botocore-"+botocoreVersion, "data"); isFolder(fetched) {
		models = fetched
	}
	files, err := generate(os.DirFS(models))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w (scripts/fetch-models.sh fetches the models)", err)
		}
		return err
	}
	stale, err := staleFiles(out, files)
	if err != nil {
		return err
	}
	if check {
		if len(stale) > 0 {
			return fmt.Errorf("not what the models and the generator give; run make generate:\n  %s", strings.Join(stale, "\n  "))
		}
		return nil
	}
	for _, name := range stale {
		path := filepath.Join(out, name)
		src, ok := files[name]
		if !ok {
			if err := os.Remove(path); err != nil {
				return err
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, src, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// staleFiles lists, sorted, the generated files under out that are missing,
// different, or there without being generated any more. Files without the
// generated header are not ours and are left alone.
func staleFiles(out string, files map[string][]byte) ([]string, error) {
	var stale []string
	for name, src := range files {
		old, err := os.ReadFile(filepath.Join(out, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err != nil || !bytes.Equal(old, src) {
			stale = append(stale, name)
		}
	}
	have, err := filepath.Glob(filepath.Join(out, "*", "*.go"))
	if err != nil {
		return nil, err
	}
	for _, path := range have {
		name, err := filepath.Rel(out, path)
		if err != nil {
			return nil, err
		}
		if _, ok := files[filepath.ToSlash(name)]; ok {
			continue
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if bytes.HasPrefix(src, []byte(generatedBy)) {
			stale = append(stale, filepath.ToSlash(name))
		}
	}
	slices.Sort(stale)
	return stale, nil
}
