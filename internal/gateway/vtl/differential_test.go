package vtl_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/gateway/vtl"
	"github.com/paddock-run/paddock/test/need"
)

var (
	seed  = flag.Uint64("vtl.seed", 0, "seed of the random templates; 0: another one each run")
	count = flag.Int("vtl.count", 3000, "number of random templates by each of the rules")
)

// javaVelocity is stock Velocity in a process of its own.
type javaVelocity struct {
	in  io.Writer
	out *bufio.Reader
}

func startVelocity(t *testing.T, mode vtl.Mode) *javaVelocity {
	t.Helper()
	javac, java := need.Program(t, "javac"), need.Program(t, "java")
	var jars []string
	for _, jar := range []string{"velocity", "commons-collections3", "commons-lang"} {
		path := "/usr/share/java/" + jar + ".jar"
		if _, err := os.Stat(path); err != nil {
			need.Missing(t, "%s (make deps installs Debian's package velocity)", path)
		}
		jars = append(jars, path)
	}
	classes := t.TempDir()
	cp := strings.Join(jars, ":")
	if out, err := exec.Command(javac, "-nowarn", "-cp", cp, "-d", classes, filepath.Join("testdata", "Differential.java")).CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	rules := "velocity"
	if mode == vtl.APIGateway {
		rules = "gateway"
	}
	cmd := exec.Command(java, "-XX:TieredStopAtLevel=1", "-cp", classes+":"+cp, "Differential", rules)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("java: %v", err)
		}
	})
	return &javaVelocity{in: in, out: bufio.NewReader(out)}
}

// send asks for a template to be rendered, by an engine of its own where fresh.
func (j *javaVelocity) send(template string, fresh bool) error {
	how := "shared"
	if fresh {
		how = "fresh"
	}
	_, err := fmt.Fprintf(j.in, "%s %s\n", how, base64.StdEncoding.EncodeToString([]byte(template)))
	return err
}

func (j *javaVelocity) receive(t *testing.T) (text string, ok bool) {
	t.Helper()
	line, err := j.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	status, data, _ := strings.Cut(strings.TrimSpace(line), " ")
	b, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), status == "ok"
}

// variables are those that the Java program has too.
func variables() vtl.Variables {
	m := vtl.NewMap(4)
	m.Put("a", int32(1))
	m.Put("b", "two")
	m.Put("c", vtl.NewList(int32(1), int32(2)))
	m.Put("none", nil)
	rows := vtl.NewList()
	for i := range int32(3) {
		row := vtl.NewMap(2)
		row.Put("id", i)
		row.Put("name", fmt.Sprint("row", i))
		rows.Append(row)
	}
	return vtl.Variables{
		"s": "hello", "empty": "", "n": int32(7), "big": int64(3000000000), "d": 2.5, "yes": true, "no": false,
		"u": "ä€z😀", "q": `it's a "q"`,
		"list": vtl.NewList("a", "b", "c"), "nums": vtl.NewList(int32(3), int32(1), int32(2)),
		"m": m, "rows": rows, "holes": vtl.NewList("x", nil, "y"),
	}
}

func render(t *testing.T, source string, mode vtl.Mode) (string, error) {
	t.Helper()
	tmpl, err := vtl.CompileMode(source, mode)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	err = tmpl.Execute(t.Context(), &b, variables())
	return b.String(), err
}

var longDouble = regexp.MustCompile(`\d+\.\d{10,}(E-?\d+)?`)

// doubles shortens numbers: before Java 19, Double.toString has a digit too many of
// some (JDK-4511638).
func doubles(s string) string {
	return longDouble.ReplaceAllStringFunc(s, func(n string) string {
		f, err := strconv.ParseFloat(n, 64)
		if err != nil {
			return n
		}
		return strconv.FormatFloat(f, 'g', -1, 64)
	})
}

// compare renders a template here, and holds it against what Velocity made of it.
func compare(t *testing.T, source string, mode vtl.Mode, want string, wantOK bool) bool {
	t.Helper()
	got, err := render(t, source, mode)
	switch {
	case !wantOK && strings.Contains(want, "StackOverflowError"):
		// Of lists and maps within themselves: here they print to some depth.
		return true
	case wantOK && err != nil:
		t.Errorf("template %q\nVelocity %q\nours     error: %v", source, want, err)
	case !wantOK && err == nil:
		t.Errorf("template %q\nVelocity error: %s\nours     %q", source, want, got)
	case wantOK && got != want && doubles(got) != doubles(want):
		t.Errorf("template %q\nVelocity %q\nours     %q", source, want, got)
	default:
		return true
	}
	return false
}

// TestTrickyTemplatesMatchVelocity renders each template of testdata/tricky.txt,
// which a line of four dashes separates, by stock Velocity and here.
func TestTrickyTemplatesMatchVelocity(t *testing.T) {
	data, err := os.ReadFile("testdata/tricky.txt")
	if err != nil {
		t.Fatal(err)
	}
	templates := strings.Split(string(data), "\n----\n")
	if len(templates) < 100 {
		t.Fatalf("only %d templates", len(templates))
	}
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			j := startVelocity(t, mode)
			for _, source := range templates {
				// Macros would still be there for the templates after it.
				if err := j.send(source, strings.Contains(source, "macro")); err != nil {
					t.Fatal(err)
				}
				want, ok := j.receive(t)
				compare(t, source, mode, want, ok)
			}
		})
	}
}

// modes are stock Velocity, and Velocity with an event handler that has undefined
// references be empty, as API Gateway does.
var modes = map[string]vtl.Mode{"velocity": vtl.Velocity, "gateway": vtl.APIGateway}

// TestRandomTemplatesMatchVelocity renders random templates by stock Velocity and
// here. The seed is in the log; -vtl.seed repeats a run.
func TestRandomTemplatesMatchVelocity(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) { compareRandom(t, mode) })
	}
}

func compareRandom(t *testing.T, mode vtl.Mode) {
	j := startVelocity(t, mode)
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("-vtl.seed=%d -vtl.count=%d", s, *count)
	sources := make([]string, *count)
	for i := range sources {
		g := &generator{Rand: rand.New(rand.NewPCG(s, uint64(i))), id: i}
		sources[i] = g.template()
	}
	sent := make(chan error, 1)
	go func() {
		for _, source := range sources {
			if err := j.send(source, false); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	rendered, failed := 0, 0
	for _, source := range sources {
		want, ok := j.receive(t)
		if ok {
			rendered++
		}
		if !compare(t, source, mode, want, ok) {
			if failed++; failed == 10 {
				t.Fatal("too many differences")
			}
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d templates rendered, the others are errors on both sides", rendered, len(sources))
	if rendered < len(sources)/2 {
		t.Errorf("only %d of %d templates are valid: the generator makes too many that are not", rendered, len(sources))
	}
}
