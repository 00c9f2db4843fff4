package runtimes

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/paddock-run/paddock/internal/sandbox"
)

// Interpreter is a language installation of this host.
type Interpreter struct {
	Language string  // "python" or "nodejs"
	Version  Version // e.g. 3.11.2
	Path     string  // the program itself, no link to it: "/usr/bin/python3.11"
	Prefix   string  // the folder of the installation: "/usr", "/root/.pyenv/versions/3.12.1"
}

// Name is how the language's own tools name that release: "python3.11",
// "node20".
func (i Interpreter) Name() string {
	if i.Language == string(langNode) {
		return fmt.Sprintf("node%d", i.Version.Major)
	}
	return fmt.Sprintf("python%d.%d", i.Version.Major, i.Version.Minor)
}

// lang is the folder that has to be brought into a sandbox for the interpreter
// to run there; empty for what stands under /usr, which every sandbox has.
func (i Interpreter) lang() string {
	if i.Prefix == "/" || within("/usr", i.Prefix) || !within(i.Prefix, i.Path) {
		return ""
	}
	return i.Prefix
}

// inside is the program's path in a sandbox of that layout.
func (i Interpreter) inside(layout sandbox.Layout) string {
	if i.lang() == "" {
		return i.Path
	}
	return path.Join(layout.Lang, strings.TrimPrefix(i.Path, i.Prefix))
}

// within says whether p is dir or below it.
func within(dir, p string) bool {
	return p == dir || strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/")
}

// host is what the search looks at; tests give one of their own.
type host struct {
	root string // "" or a folder that stands in for /
	path []string
	home string
	env  func(string) string
}

func thisHost() host {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "" // a daemon without one: nothing to look through there
	}
	return host{path: filepath.SplitList(os.Getenv("PATH")), home: home, env: os.Getenv}
}

var (
	pythonName = regexp.MustCompile(`^python3(\.\d+)?$`)
	nodeName   = regexp.MustCompile(`^node(js)?$`)
)

// candidates are the programs of this host that look like interpreters of lang,
// links resolved, each once: those in PATH first, in its order, then the
// system's, then Homebrew's, then the version managers' (newest first).
func (h host) candidates(lang language) []string {
	name := pythonName
	if lang == langNode {
		name = nodeName
	}
	var all []string
	for _, dir := range h.folders(lang) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // most of the folders exist on few hosts
		}
		// Backwards, so that python3.12 goes before python3.
		for _, e := range slices.Backward(entries) {
			if !name.MatchString(e.Name()) {
				continue
			}
			real, err := filepath.EvalSymlinks(filepath.Join(dir, e.Name()))
			if err != nil {
				continue // a dangling link
			}
			st, err := os.Stat(real)
			if err != nil || !st.Mode().IsRegular() || st.Mode()&0o111 == 0 || slices.Contains(all, real) {
				continue
			}
			all = append(all, real)
		}
	}
	return all
}

// folders are the bin folders to look in.
func (h host) folders(lang language) []string {
	var dirs []string
	for _, dir := range h.path {
		// The shims of pyenv, asdf and mise are scripts that choose among the
		// installations below by the current folder and settings that may change
		// any time: those are looked at themselves.
		if filepath.IsAbs(dir) && filepath.Base(dir) != "shims" {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range []string{"/usr/local/bin", "/usr/bin", "/opt/homebrew/bin", "/home/linuxbrew/.linuxbrew/bin"} {
		dirs = append(dirs, h.root+dir)
	}
	data := h.setting("XDG_DATA_HOME", ".local/share")
	mise, asdf := h.setting("MISE_DATA_DIR", ".local/share/mise"), h.setting("ASDF_DATA_DIR", ".asdf")
	var globs []string
	if lang == langPython {
		globs = []string{
			h.root + "/opt/homebrew/opt/python@3.*/bin",
			h.root + "/usr/local/opt/python@3.*/bin",
			h.setting("PYENV_ROOT", ".pyenv") + "/versions/*/bin",
			h.setting("UV_PYTHON_INSTALL_DIR", ".local/share/uv/python") + "/*/bin",
			mise + "/installs/python/*/bin",
			asdf + "/installs/python/*/bin",
		}
	} else {
		globs = []string{
			h.root + "/opt/homebrew/opt/node@*/bin",
			h.root + "/usr/local/opt/node@*/bin",
			h.setting("NVM_DIR", ".nvm") + "/versions/node/*/bin",
			h.setting("FNM_DIR", ".local/share/fnm") + "/node-versions/*/installation/bin",
			data + "/fnm/node-versions/*/installation/bin",
			h.setting("VOLTA_HOME", ".volta") + "/tools/image/node/*/bin",
			mise + "/installs/node/*/bin",
			asdf + "/installs/nodejs/*/bin",
		}
	}
	for _, g := range globs {
		if !filepath.IsAbs(g) {
			continue // no home folder
		}
		found, err := filepath.Glob(g)
		if err != nil {
			continue // a home folder whose name is a malformed pattern
		}
		slices.Reverse(found)
		dirs = append(dirs, found...)
	}
	return dirs
}

// setting is the folder that a version manager's variable names, else its usual
// one below the home folder.
func (h host) setting(variable, usual string) string {
	if dir := h.env(variable); dir != "" {
		return dir
	}
	if h.home == "" {
		return ""
	}
	return filepath.Join(h.home, usual)
}

// find is every interpreter of lang on this host, the newest first; of one
// version they stay in the order of candidates.
func (r *Runtimes) find(ctx context.Context, lang language) []Interpreter {
	paths := r.host.candidates(lang)
	probed := make([]probe, len(paths))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 4)
	for n, p := range paths {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			probed[n] = r.probed.get(ctx, lang, p)
		})
	}
	wg.Wait()
	r.probed.save()

	var found []Interpreter
	for _, p := range probed {
		i := p.Interpreter
		if i.Path == "" || i.Version.compare(oldest[lang]) < 0 ||
			slices.ContainsFunc(found, func(o Interpreter) bool { return o.Path == i.Path }) {
			continue
		}
		found = append(found, i)
	}
	slices.SortStableFunc(found, func(a, b Interpreter) int {
		return b.Version.release(lang).compare(a.Version.release(lang))
	})
	return found
}
