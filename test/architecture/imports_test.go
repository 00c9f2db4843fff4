// Package architecture holds the rules about who may import whom, as tests.
// docs/architecture.md gives the reasons.
package architecture

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/paddock-run/paddock"

// leaves import nothing of ours but other leaves.
var leaves = []string{
	"internal/archive", "internal/arn", "internal/awserr", "internal/coverage", "internal/eventsource",
	"internal/function", "internal/httpapi", "internal/identity", "internal/metrics", "internal/policy", "internal/rawhead", "internal/restapi", "internal/wire/schema",
}

// services implement one AWS service each over their generated API.
var services = []string{"internal/apigateway", "internal/apigatewayv2", "internal/cloudwatch", "internal/ecr", "internal/lambda", "internal/logs", "internal/sqs"}

// A rule says what the packages under a folder may import of ours: these
// folders and everything below them ("=" before one: that package alone), and
// what of the standard library they may not.
type rule struct {
	folder string
	may    []string
	never  []string
}

func rules() []rule {
	rs := []rule{
		{folder: "internal/awsmodel", may: []string{"internal/wire/schema"}},
		{folder: "internal/wire", may: append([]string{"internal/wire", "internal/awsmodel"}, leaves...)},
		{folder: "internal/api", may: []string{"=internal/wire/schema"}, never: []string{"net/http"}},
		{folder: "internal/store", may: append([]string{"internal/store"}, leaves...)},
		{folder: "internal/sandbox", may: append([]string{"internal/sandbox"}, leaves...)},
		{folder: "internal/codestore", may: append([]string{"=internal/store"}, leaves...)},
		{folder: "internal/image", may: append([]string{"=internal/store"}, leaves...)},
		{folder: "internal/runtimes", may: append([]string{"=internal/sandbox"}, leaves...)},
		{folder: "internal/runtimeapi", may: leaves},
		{folder: "internal/invoke", may: append([]string{"internal/runtimeapi", "=internal/runtimes", "=internal/sandbox", "=internal/store"}, leaves...)},
		{folder: "internal/gateway", may: append([]string{"internal/gateway"}, leaves...)},
		{folder: "internal/gateway/authorizer", may: append([]string{"internal/gateway", "internal/wire/sigv4"}, leaves...)},
		{folder: "internal/gateway/limits", may: append([]string{"internal/gateway/rest", "=internal/store", "internal/store/snapshot"}, leaves...)},
		{folder: "internal/eventsource/kafka", may: leaves},
		{folder: "internal/eventsource/sqs", may: leaves},
		{folder: "internal/ecr/registry", may: append([]string{"=internal/ecr", "=internal/api/ecr", "=internal/wire/schema", "=internal/store"}, leaves...)},
		{folder: "internal/edge", may: append([]string{"internal/wire/sigv4"}, leaves...)},
		{folder: "cmd/paddock", may: []string{"internal/app"}},
		{folder: "cmd/coverage", may: []string{"internal"}},
		{folder: "cmd/awsgen", may: []string{"internal/awsmodel", "internal/wire/schema"}},
	}
	for _, l := range leaves {
		rs = append(rs, rule{folder: l, may: leaves, never: []string{"net/http"}})
	}
	for _, s := range services {
		own := "internal/api/" + strings.TrimPrefix(s, "internal/")
		rs = append(rs, rule{folder: s, may: slices.Concat(leaves, []string{"=internal/store", "internal/store/snapshot", own, s}),
			never: []string{"net/http", module + "/internal/eventsource/kafka", module + "/internal/eventsource/sqs"}})
	}
	return rs
}

func TestImportsFollowTheArchitecture(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for pkg, imports := range packages(t, root) {
		r, ok := ruleOf(pkg)
		if !ok {
			if strings.HasPrefix(pkg, "internal/") && pkg != "internal/app" && !strings.HasPrefix(pkg, "internal/app/") {
				t.Errorf("%s has no import rule: add one to %s", pkg, "test/architecture/imports_test.go")
			}
			continue
		}
		seen++
		for _, imp := range imports {
			if slices.Contains(r.never, imp) {
				t.Errorf("%s must not import %s", pkg, imp)
			}
			ours, isOurs := strings.CutPrefix(imp, module+"/")
			if isOurs && ours != pkg && !allowed(r, ours) {
				t.Errorf("%s must not import %s", pkg, ours)
			}
		}
	}
	if seen < 10 {
		t.Fatalf("only %d packages under the rules: the walk is broken", seen)
	}
}

// ruleOf finds the rule with the longest folder that holds pkg.
func ruleOf(pkg string) (rule, bool) {
	var best rule
	for _, r := range rules() {
		if within(pkg, r.folder) && len(r.folder) > len(best.folder) {
			best = r
		}
	}
	return best, best.folder != ""
}

func allowed(r rule, pkg string) bool {
	for _, m := range r.may {
		if exact, ok := strings.CutPrefix(m, "="); ok {
			if pkg == exact {
				return true
			}
		} else if within(pkg, m) {
			return true
		}
	}
	return false
}

func within(pkg, folder string) bool {
	return pkg == folder || strings.HasPrefix(pkg, folder+"/")
}

// packages returns what each package of the tree imports outside its tests,
// under every build tag.
func packages(t *testing.T, root string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, top := range []string{"internal", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && d.Name() == "testdata" {
				return filepath.SkipDir
			}
			if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			src, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ImportsOnly)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				return err
			}
			for _, imp := range f.Imports {
				p, err := strconv.Unquote(imp.Path.Value)
				if err != nil {
					return err
				}
				if !slices.Contains(out[rel], p) {
					out[rel] = append(out[rel], p)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}
