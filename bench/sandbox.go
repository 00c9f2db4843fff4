package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/paddock-run/paddock/internal/sandbox"
	"github.com/paddock-run/paddock/internal/sandbox/linux"
)

// firstByte is the smallest program that tells that it runs.
const firstByte = `#include <unistd.h>
int main(void) { return write(1, "x", 1) != 1; }
`

// sandboxes measures from the request for a sandbox to the first instruction of a
// static C program in it: from what the driver keeps ready, from nothing, and with
// crun, in turn. Each has a memory limit, and a network of its own; crun's leads
// nowhere, has no seccomp filter, and no disk for /tmp.
func (b *bench) sandboxes() (err error) {
	root := filepath.Join(b.dir, "sandbox", "rootfs")
	for _, folder := range []string{"proc", "dev", "tmp", "sys"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			return err
		}
	}
	if err := compile(firstByte, filepath.Join(root, "first")); err != nil {
		return err
	}
	crun, lacking := exec.LookPath("crun")
	if err := bundle(filepath.Dir(root)); err != nil {
		return err
	}

	scratch := filepath.Join(b.dir, "sandbox", "scratch")
	if err := os.Mkdir(scratch, 0o700); err != nil {
		return err
	}
	runs := []struct {
		name string
		once func(n int) (start, whole time.Duration, err error)
		took []time.Duration
		all  []time.Duration
	}{{name: "kept ready"}, {name: "from nothing (network and disk kept ready)"}, {name: "crun run"}}
	for i, spare := range []int{0, -1} {
		driver, err := linux.New(linux.Options{Scratch: scratch, Spare: spare})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, driver.Close()) }()
		runs[i].once = func(n int) (time.Duration, time.Duration, error) { return inDriver(driver, root, n) }
	}
	runs[2].once = func(n int) (start, whole time.Duration, err error) {
		err = onHostOfCrun(func() (err error) {
			start, whole, err = inCrun(crun, filepath.Dir(root), n)
			return err
		})
		return start, whole, err
	}
	if lacking != nil {
		runs = runs[:2]
	}
	for n := range 20*b.rounds + 1 {
		for i := range runs {
			start, whole, err := runs[i].once(n)
			if err != nil {
				return fmt.Errorf("%s: %w", runs[i].name, err)
			}
			if n > 0 { // the first finds caches cold
				runs[i].took, runs[i].all = append(runs[i].took, start), append(runs[i].all, whole)
			}
		}
	}
	fmt.Printf("\n| sandbox to the first instruction of a static C program, %d runs | p50 | p99 | with its end, p50 |\n|---|---|---|---|\n", len(runs[0].took))
	for _, run := range runs {
		s := slices.Sorted(slices.Values(run.took))
		fmt.Printf("| %s | %s | %s | %s |\n", run.name, ms(median(run.took)), ms(s[len(s)*99/100]), ms(median(run.all)))
	}
	return b.idle()
}

// inDriver starts the program as the daemon starts a function.
func inDriver(driver sandbox.Driver, code string, n int) (start, whole time.Duration, err error) {
	driver.(interface{ Settle() }).Settle()
	read, write, err := os.Pipe()
	if err != nil {
		return 0, 0, err
	}
	defer read.Close()
	defer write.Close()
	ctx := context.Background()
	began := time.Now()
	box, err := driver.New(ctx, &sandbox.Spec{ID: fmt.Sprint("bench-", n), Code: code, MemoryMB: 512})
	if err != nil {
		return 0, 0, err
	}
	defer func() {
		err = errors.Join(err, box.Destroy())
		whole = time.Since(began)
	}()
	if _, err := box.Listen(9001); err != nil {
		return 0, 0, err
	}
	p, err := box.Start(ctx, &sandbox.Command{Path: "/var/task/first", Args: []string{"first"}, Dir: "/var/task", Stdout: write})
	if err != nil {
		return 0, 0, err
	}
	_, err = read.Read(make([]byte, 1))
	start = time.Since(began)
	<-p.Done()
	return start, 0, err
}

func inCrun(crun, bundle string, n int) (start, whole time.Duration, err error) {
	cmd := exec.Command(crun, "--cgroup-manager=cgroupfs", "run", "--bundle", bundle, fmt.Sprintf("paddock-bench-%d-%d", os.Getpid(), n))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	_, err = out.Read(make([]byte, 1))
	start = time.Since(began)
	err = errors.Join(err, cmd.Wait())
	return start, time.Since(began), err
}

// bundle writes the settings of an OCI container into dir.
func bundle(dir string) error {
	type object = map[string]any
	mount := func(kind, at string, options ...string) object {
		return object{"destination": at, "type": kind, "source": kind, "options": append(options, "nosuid")}
	}
	var namespaces []object
	for _, kind := range []string{"pid", "network", "ipc", "uts", "mount"} {
		namespaces = append(namespaces, object{"type": kind})
	}
	config, err := json.Marshal(object{
		"ociVersion": "1.0.2",
		"root":       object{"path": "rootfs", "readonly": true},
		"hostname":   "bench",
		"process": object{
			"user": object{"uid": 993, "gid": 990}, "args": []string{"/first"}, "cwd": "/", "noNewPrivileges": true,
			"env": []string{"PATH=/bin"}, "capabilities": object{},
		},
		"mounts": []object{mount("proc", "/proc"), mount("tmpfs", "/dev", "mode=755"), mount("tmpfs", "/tmp", "size=512m")},
		"linux":  object{"namespaces": namespaces, "resources": object{"memory": object{"limit": 512 << 20}, "pids": object{"limit": 1024}}},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), config, 0o644)
}
