package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/sandbox"
	"github.com/paddock-run/paddock/internal/sandbox/linux"
)

// answers is a small function: it answers every byte on descriptor 3.
const answers = `#include <unistd.h>
int main(void) { char c; while (read(3, &c, 1) == 1) if (write(1, &c, 1) != 1) return 1; return 0; }
`

// idle measures what frozen environments cost, and whether all still answer.
func (b *bench) idle() (err error) {
	const count = 500
	dir := filepath.Join(b.dir, "idle")
	code, scratch := filepath.Join(dir, "code"), filepath.Join(dir, "scratch")
	if err := errors.Join(os.MkdirAll(code, 0o755), os.MkdirAll(scratch, 0o700)); err != nil {
		return err
	}
	if err := compile(answers, filepath.Join(code, "echo")); err != nil {
		return err
	}
	driver, err := linux.New(linux.Options{Scratch: scratch})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, driver.Close()) }()
	settle := driver.(interface{ Settle() }).Settle
	settle()
	before, err := used()
	if err != nil {
		return err
	}

	environments := make([]idler, count)
	began := time.Now()
	if err := each(environments, 4, func(n int, e *idler) error { return e.start(driver, code, n) }); err != nil {
		return err
	}
	took := time.Since(began)
	settle()
	after, err := used()
	if err != nil {
		return err
	}
	thaws := make([]time.Duration, count)
	err = each(environments, 1, func(n int, e *idler) error {
		began := time.Now()
		if err := e.box.Thaw(); err != nil {
			return err
		}
		thaws[n] = time.Since(began)
		return e.ask()
	})
	if err != nil {
		return err
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	began = time.Now()
	if err := each(environments, 4, func(_ int, e *idler) error { return e.box.Destroy() }); err != nil {
		return err
	}
	fmt.Printf("\n| %d frozen environments of a small static program | |\n|---|---|\n", count)
	fmt.Printf("| memory of the machine, each | %.2f MB |\n", float64(after-before)/count/(1<<20))
	fmt.Printf("| threads and descriptors of the daemon, each | %.1f and %.1f |\n", float64(len(threads))/count, float64(len(files))/count)
	fmt.Printf("| to make all, four at a time | %s |\n| to thaw one, p50 | %.3f ms |\n| to end all | %s |\n",
		ms(took), float64(median(thaws).Nanoseconds())/1e6, ms(time.Since(began)))
	return nil
}

// idler is a frozen environment.
type idler struct {
	box  sandbox.Sandbox
	ends [2]*os.File // to and from the program
}

func (e *idler) start(driver sandbox.Driver, code string, n int) error {
	in, to, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	from, out, err := os.Pipe()
	if err != nil {
		return err
	}
	defer out.Close()
	e.ends = [2]*os.File{to, from}
	ctx := context.Background()
	if e.box, err = driver.New(ctx, &sandbox.Spec{ID: fmt.Sprint("idle-", n), Code: code, MemoryMB: 128}); err != nil {
		return err
	}
	if _, err := e.box.Listen(9001); err != nil {
		return err
	}
	_, err = e.box.Start(ctx, &sandbox.Command{Path: "/var/task/echo", Dir: "/var/task", Stdout: out, Extra: []*os.File{in}})
	if err != nil {
		return err
	}
	return errors.Join(e.ask(), e.box.Freeze())
}

// ask returns when the program has answered.
func (e *idler) ask() error {
	if _, err := e.ends[0].Write([]byte{1}); err != nil {
		return err
	}
	if err := e.ends[1].SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	_, err := e.ends[1].Read(make([]byte, 1))
	return err
}

// each calls f for all, some at a time.
func each(all []idler, atOnce int, f func(n int, e *idler) error) error {
	failed := make([]error, len(all))
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for n := range all {
		slots <- struct{}{}
		wg.Go(func() {
			failed[n] = f(n, &all[n])
			<-slots
		})
	}
	wg.Wait()
	return errors.Join(failed...)
}

// used is how many bytes of the machine's memory are not available.
func used() (int64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	var total, available int64
	for line := range strings.Lines(string(text)) {
		var name string
		var kb int64
		if n, err := fmt.Sscanf(line, "%s %d", &name, &kb); n != 2 || err != nil {
			continue
		}
		switch name {
		case "MemTotal:":
			total = kb << 10
		case "MemAvailable:":
			available = kb << 10
		}
	}
	return total - available, nil
}

// compile makes a static program of C.
func compile(source, path string) error {
	gcc := exec.Command("gcc", "-static", "-O2", "-x", "c", "-o", path, "-")
	gcc.Stdin = strings.NewReader(source)
	if out, err := gcc.CombinedOutput(); err != nil {
		return fmt.Errorf("%s does not build: %w: %s", filepath.Base(path), err, out)
	}
	return nil
}
