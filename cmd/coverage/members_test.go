package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNoMemberIsIgnored holds the services to the first rule of all: nothing
// that a request may say is accepted silently. Every member of the input of
// every implemented operation, however deep, is read somewhere in the service's
// code, or stands in its Settings.
//
// That it is read does not prove that it is honoured; but what came new with a
// model, or was forgotten, is read nowhere.
func TestNoMemberIsIgnored(t *testing.T) {
	for _, s := range services {
		if s.folder == "" {
			continue
		}
		t.Run(s.schema.ID, func(t *testing.T) {
			pkg, read := typeCheck(t, filepath.Join("../..", s.folder))
			done, err := implemented(filepath.Join("../..", s.folder))
			if err != nil {
				t.Fatal(err)
			}
			methods := types.NewMethodSet(types.NewPointer(pkg.Scope().Lookup("Service").Type()))
			for i := range s.schema.Operations {
				op := s.schema.Operations[i].Name
				if !done[op] {
					continue
				}
				input := methods.Lookup(pkg, op).Type().(*types.Signature).Params().At(1).Type()
				for _, m := range members(input, "", nil) {
					if read[m.field] || s.lists(op, m.path) {
						continue
					}
					t.Errorf("%s takes %s and nothing looks at it: honour it, refuse it, or put it into the Settings of %s", op, m.path, s.folder)
				}
			}
		})
	}
}

// lists says whether a row of the service's settings is about a member of an
// operation, or about what it is part of.
func (s service) lists(op, path string) bool {
	for _, row := range s.settings {
		if !slices.Contains(strings.Split(row.Operation, ", "), op) {
			continue
		}
		for name := range strings.SplitSeq(row.Setting, ", ") {
			if rest, ok := strings.CutPrefix(strings.ToLower(path), strings.ToLower(name)); name != "" && ok && (rest == "" || rest[0] == '.') {
				return true
			}
		}
	}
	return false
}

// member is a member of an input.
type member struct {
	field *types.Var
	path  string // "RoutingConfig.AdditionalVersionWeights"
}

// members are those of the structure that is in t, and of the structures in it.
func members(t types.Type, path string, above []types.Type) []member {
	var out []member
	switch t := t.(type) {
	case *types.Pointer:
		return members(t.Elem(), path, above)
	case *types.Slice:
		return members(t.Elem(), path, above)
	case *types.Map:
		return members(t.Elem(), path, above)
	case *types.Named:
		structure, ok := t.Underlying().(*types.Struct)
		if !ok || slices.Contains(above, types.Type(t)) || t.Obj().Pkg().Path() == "time" {
			return nil
		}
		for field := range structure.Fields() {
			m := member{field, strings.TrimPrefix(path+"."+field.Name(), ".")}
			out = append(out, m)
			out = append(out, members(field.Type(), m.path, append(above, t))...)
		}
	}
	return out
}

// typeCheck loads the package in a folder, without its tests, and returns the
// fields that its code reads.
func typeCheck(t *testing.T, folder string) (*types.Package, map[*types.Var]bool) {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", "./"+filepath.ToSlash(folder))
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	compiled := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		compiled[path] = file
	}
	fset := token.NewFileSet()
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		data, err := os.ReadFile(compiled[path])
		if err != nil {
			return nil, fmt.Errorf("%s is not compiled: %w", path, err)
		}
		return io.NopCloser(bytes.NewReader(data)), nil
	})}
	info := &types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}}
	pkg, err := config.Check(folder, fset, files, info)
	if err != nil {
		t.Fatal(err)
	}
	written := map[ast.Expr]bool{} // answers share structures with requests
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			if a, ok := n.(*ast.AssignStmt); ok && a.Tok == token.ASSIGN {
				for _, left := range a.Lhs {
					written[left] = true
				}
			}
			return true
		})
	}
	read := map[*types.Var]bool{}
	for expr, s := range info.Selections {
		if field, ok := s.Obj().(*types.Var); ok && !written[expr] {
			read[field] = true
		}
	}
	return pkg, read
}
