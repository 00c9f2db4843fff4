package soak

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// holdings is what a daemon holds of the system, each kind by its name.
type holdings map[string]int

// These grow with the environments that are kept ready, of which each has at most
// as many as the number says; how many are ready differs from one moment to the
// next. Beside those, networks and disks are kept.
var perEnvironment = holdings{
	"descriptors": 12, "threads": 3, "processes": 4, "networks": 1, "loop devices": 1, "cgroups": 8,
}

// spare is how many of a kind there may be more for what is kept ready apart from
// whole environments: it does not depend on how long the soak is.
const spare = 30

// readyMost is how many environments are at most kept ready, zygotes included.
const readyMost = 80

func (h holdings) String() string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(h)) {
		list = append(list, fmt.Sprintf("%s %d", name, h[name]))
	}
	return strings.Join(list, ", ")
}

// over says what is more than it was, though nothing runs; empty: nothing.
func (h holdings) over(before holdings) string {
	if h["environments"] > readyMost {
		return fmt.Sprintf("%d environments without functions", h["environments"])
	}
	more := max(0, h["environments"]-before["environments"])
	for _, name := range slices.Sorted(maps.Keys(perEnvironment)) {
		if most := before[name] + more*perEnvironment[name] + spare; h[name] > most {
			return fmt.Sprintf("%s: %d, before %d", name, h[name], before[name])
		}
	}
	if h["mounts"] > before["mounts"] { // in the daemon's own namespace: never any of functions'
		return fmt.Sprintf("mounts: %d, before %d", h["mounts"], before["mounts"])
	}
	return ""
}

// held counts what the process, a daemon with that data folder, holds.
func held(t *testing.T, pid int, data string) holdings {
	t.Helper()
	proc := fmt.Sprintf("/proc/%d", pid)
	h := holdings{
		"descriptors":  entries(t, proc+"/fd"),
		"threads":      entries(t, proc+"/task"),
		"processes":    descendants(pid),
		"loop devices": loops(t, data),
	}
	mounts, err := os.ReadFile(proc + "/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	h["mounts"] = strings.Count(string(mounts), "\n")
	networks := map[string]bool{}
	links, err := filepath.Glob(proc + "/task/*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil { // the thread may have ended
			networks[to] = true
		}
	}
	h["networks"] = len(networks)
	groups := cgroups(fmt.Sprintf(`^paddock-[0-9]+\.%d\.`, pid))
	h["cgroups"] = len(groups)
	seen := map[string]bool{}
	for _, group := range groups {
		if _, err := strconv.Atoi(filepath.Base(group)); err == nil {
			seen[filepath.Base(group)] = true
		}
	}
	h["environments"] = len(seen)
	h["memory (MB)"] = memory(t, pid)
	return h
}

func entries(t *testing.T, dir string) int {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// descendants counts the processes below one.
func descendants(pid int) (n int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is right
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for _, child := range strings.Fields(string(text)) {
			if id, err := strconv.Atoi(child); err == nil {
				n += 1 + descendants(id)
			}
		}
	}
	return n
}

// loops counts the loop devices of this machine that are of files in a folder,
// whether they have names or not.
func loops(t *testing.T, folder string) (n int) {
	t.Helper()
	files, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && strings.HasPrefix(string(text), folder+"/") {
			n++
		}
	}
	return n
}

// cgroups are those at and below a group whose name matches.
func cgroups(name string) (found []string) {
	matches := regexp.MustCompile(name)
	below := ""
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return nil // it has just gone
		}
		if below != "" && strings.HasPrefix(path, below) {
			found = append(found, path)
			return nil
		}
		if matches.MatchString(entry.Name()) {
			below = path + "/"
			found = append(found, path)
		}
		return nil
	})
	return found
}

// memory is what the process has of its own, in MB.
func memory(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var kb int
		if n, _ := fmt.Sscanf(line, "RssAnon: %d kB", &kb); n == 1 {
			return kb >> 10
		}
	}
	t.Fatal("no RssAnon in the status of the daemon")
	return 0
}
