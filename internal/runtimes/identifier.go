package runtimes

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/paddock-run/paddock/internal/function"
)

// language is the family of a runtime identifier. Its text is how the
// identifier begins.
type language string

const (
	langPython   language = "python"
	langNode     language = "nodejs"
	langProvided language = "provided"
)

// Version is an interpreter's version.
type Version struct{ Major, Minor, Patch int }

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// release is what a runtime identifier tells of a version: 3.13 of Python
// 3.13.2, 22 of Node.js 22.4.1.
func (v Version) release(lang language) Version {
	if lang == langNode {
		return Version{Major: v.Major}
	}
	return Version{Major: v.Major, Minor: v.Minor}
}

func (v Version) compare(o Version) int {
	return slices.Compare([]int{v.Major, v.Minor, v.Patch}, []int{o.Major, o.Minor, o.Patch})
}

// spec is a parsed runtime identifier.
type spec struct {
	id      string
	lang    language
	version Version // a release; zero for provided.*
}

// oldest is the first release of each language that our bootstrap runs on.
var oldest = map[language]Version{
	langPython: {Major: 3, Minor: 8},
	langNode:   {Major: 16},
}

var (
	pythonID = regexp.MustCompile(`^python(\d)\.(\d{1,2})$`)
	nodeID   = regexp.MustCompile(`^nodejs(\d{1,2})\.x$`)
	// otherID are Lambda's runtimes that Paddock has no bootstrap for.
	otherID = regexp.MustCompile(`^(java|ruby|dotnet|go1\.x)`)
)

// parse reads a runtime identifier as the Lambda API writes them:
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
func parse(id string) (spec, error) {
	s := spec{id: id}
	switch {
	case id == "provided.al2" || id == "provided.al2023":
		s.lang = langProvided
		return s, nil
	case pythonID.MatchString(id):
		m := pythonID.FindStringSubmatch(id)
		s.lang = langPython
		s.version = Version{Major: digits(m[1]), Minor: digits(m[2])}
	case nodeID.MatchString(id):
		s.lang = langNode
		s.version = Version{Major: digits(nodeID.FindStringSubmatch(id)[1])}
	case otherID.MatchString(id):
		return s, fmt.Errorf("%w: Paddock cannot run %s yet: it runs python3.8 and newer, nodejs16.x and newer, "+
			"provided.al2 and provided.al2023; compiled code runs there as an executable named bootstrap", function.ErrNoRuntime, id)
	default:
		return s, fmt.Errorf("%w: %q is no runtime that Paddock knows", function.ErrNoRuntime, id)
	}
	if s.version.compare(oldest[s.lang]) < 0 {
		return s, fmt.Errorf("%w: %s is older than the oldest that Paddock runs, %s",
			function.ErrNoRuntime, id, identifier(s.lang, oldest[s.lang]))
	}
	return s, nil
}

// digits reads a number that a pattern has found to be one or two digits.
func digits(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic("runtimes: not digits: " + s)
	}
	return n
}

// identifier is parse turned round.
func identifier(lang language, release Version) string {
	if lang == langNode {
		return fmt.Sprintf("nodejs%d.x", release.Major)
	}
	return fmt.Sprintf("python%d.%d", release.Major, release.Minor)
}

// choose takes the interpreter for want out of found: of the very release, else
// (unless exact) of the next newer one, else of the next older one. Of several
// of one release it takes the first in found.
func choose(found []Interpreter, want spec, exact bool) (Interpreter, bool) {
	best, bestRank := Interpreter{}, -1
	for _, i := range found {
		if i.Version.compare(oldest[want.lang]) < 0 {
			continue
		}
		rank := distance(i.Version.release(want.lang), want.version)
		if exact && rank != 0 {
			continue
		}
		if bestRank < 0 || rank < bestRank {
			best, bestRank = i, rank
		}
	}
	return best, bestRank >= 0
}

// distance is 0 for the same release, and grows first over the newer ones, then
// over the older ones.
func distance(have, want Version) int {
	steps := (have.Major-want.Major)*100 + have.Minor - want.Minor
	if steps >= 0 {
		return steps
	}
	return 100_000 - steps
}

// noInterpreter says what was looked for, what there is, and what to install.
func (r *Runtimes) noInterpreter(want spec, found []Interpreter) error {
	var b strings.Builder
	name := "Node.js " + strconv.Itoa(want.version.Major)
	if want.lang == langPython {
		name = fmt.Sprintf("Python %d.%d", want.version.Major, want.version.Minor)
	}
	fmt.Fprintf(&b, "runtime %s needs %s", want.id, name)
	if r.match == MatchExact {
		b.WriteString(" exactly (--runtime-match=exact)")
	} else {
		fmt.Fprintf(&b, " or another release from %s on", identifier(want.lang, oldest[want.lang]))
	}
	if len(found) == 0 {
		b.WriteString(", and this machine has none")
	} else {
		b.WriteString(", and this machine has only")
		for n, i := range found {
			if n > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, " %s (%s)", i.Name(), i.Path)
		}
	}
	b.WriteString("; looked in PATH and in the folders of ")
	if want.lang == langPython {
		fmt.Fprintf(&b, "Homebrew, pyenv, uv, mise and asdf. Install it with your system's packages, or: "+
			"uv python install %[1]d.%[2]d, or: pyenv install %[1]d.%[2]d", want.version.Major, want.version.Minor)
	} else {
		fmt.Fprintf(&b, "Homebrew, nvm, fnm, Volta, mise and asdf. Install it with your system's packages, or: "+
			"nvm install %d", want.version.Major)
	}
	return fmt.Errorf("%w: %s", function.ErrNoRuntime, b.String())
}
