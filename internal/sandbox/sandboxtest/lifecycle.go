package sandboxtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/paddock-run/paddock/internal/sandbox"
)

func testFreeze(t *testing.T, driver sandbox.Driver) {
	s := create(t, driver, sandbox.Spec{})
	_, direct := start(t, s, "tick")
	_, escaped := start(t, s, "daemon", "tick")
	outputs := []*os.File{direct, escaped}
	for _, out := range outputs {
		ticking(t, out, true)
	}
	for range 3 {
		for range 2 { // twice is the same as once
			if err := s.Freeze(); err != nil {
				t.Fatalf("Freeze: %v", err)
			}
		}
		for _, out := range outputs {
			drain(t, out)
			ticking(t, out, false)
		}
		_, err := s.Start(context.Background(), &sandbox.Command{Path: s.Layout().Task + "/" + program})
		if err == nil {
			t.Fatal("Start in a frozen environment succeeded")
		}
		for range 2 {
			if err := s.Thaw(); err != nil {
				t.Fatalf("Thaw: %v", err)
			}
		}
		for _, out := range outputs {
			ticking(t, out, true)
		}
	}
}

func testFreezeAtRest(t *testing.T, driver sandbox.Driver) {
	s := create(t, driver, sandbox.Spec{})
	if err := errors.Join(s.Freeze(), s.Thaw()); err != nil {
		t.Errorf("freeze and thaw an environment without processes: %v", err)
	}
	if out, exit := run(t, s, "exit", "0"); exit != (sandbox.Exit{}) {
		t.Errorf("after that: %+v, %q", exit, out)
	}
	if err := errors.Join(s.Freeze(), s.Thaw()); err != nil {
		t.Errorf("freeze and thaw an environment whose process has ended: %v", err)
	}
}

func testDestroy(t *testing.T, driver sandbox.Driver) {
	s := create(t, driver, sandbox.Spec{})
	direct, first := start(t, s, "tick")
	_, second := start(t, s, "child", "tick")
	_, third := start(t, s, "daemon", "tick")
	outputs := []*os.File{first, second, third}
	for _, out := range outputs {
		ticking(t, out, true)
	}
	if err := s.Destroy(); err != nil {
		t.Fatalf("Destroy: %v", err)
	}
	select {
	case <-direct.Done():
	default:
		t.Error("a process is not done after Destroy")
	}
	if want := (sandbox.Exit{Code: -1, Signal: syscall.SIGKILL}); direct.Exit() != want {
		t.Errorf("exit after Destroy: %+v, want %+v", direct.Exit(), want)
	}
	for _, out := range outputs {
		ended(t, out)
	}
	if tmp := s.Layout().Tmp; driver.Name() == "process" {
		if _, err := os.Stat(tmp); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", tmp, err)
		}
	}
}

func testDestroyFrozen(t *testing.T, driver sandbox.Driver) {
	s := create(t, driver, sandbox.Spec{})
	_, first := start(t, s, "tick")
	_, second := start(t, s, "daemon", "tick")
	ticking(t, second, true)
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := s.Destroy(); err != nil {
		t.Fatalf("Destroy: %v", err)
	}
	ended(t, first)
	ended(t, second)
}

func testDestroyTwice(t *testing.T, driver sandbox.Driver) {
	s := create(t, driver, sandbox.Spec{})
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			if err := s.Destroy(); err != nil {
				t.Errorf("Destroy: %v", err)
			}
		})
	}
	group.Wait()
	_, startErr := s.Start(context.Background(), &sandbox.Command{Path: "/bin/sh"})
	_, listenErr := s.Listen(0)
	_, usageErr := s.Usage()
	for name, err := range map[string]error{
		"Start": startErr, "Listen": listenErr, "Usage": usageErr, "Freeze": s.Freeze(), "Thaw": s.Thaw(),
	} {
		if !errors.Is(err, sandbox.ErrDestroyed) {
			t.Errorf("%s after Destroy: %v, want ErrDestroyed", name, err)
		}
	}
}

func testManyAtOnce(t *testing.T, driver sandbox.Driver) {
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			s, err := driver.New(context.Background(), &sandbox.Spec{ID: fmt.Sprintf("many-%d", i), Code: code(t)})
			if err != nil {
				t.Errorf("New: %v", err)
				return
			}
			defer func() {
				if err := s.Destroy(); err != nil {
					t.Errorf("Destroy: %v", err)
				}
			}()
			path := s.Layout().Task + "/" + program
			for code := range 4 {
				p, err := s.Start(context.Background(), &sandbox.Command{
					Path: path, Args: []string{program, "exit", fmt.Sprint(code)}, Dir: s.Layout().Tmp,
				})
				if err != nil {
					t.Errorf("Start: %v", err)
					return
				}
				<-p.Done()
				if got := p.Exit(); got != (sandbox.Exit{Code: code}) {
					t.Errorf("exit %+v, want code %d", got, code)
				}
				if err := errors.Join(s.Freeze(), s.Thaw()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

func testClose(t *testing.T, newDriver NewDriver) {
	driver, err := newDriver()
	if err != nil {
		t.Fatal(err)
	}
	s := create(t, driver, sandbox.Spec{})
	_, out := start(t, s, "daemon", "tick")
	ticking(t, out, true)
	for range 2 {
		if err := driver.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	ended(t, out)
	if _, err := driver.New(context.Background(), &sandbox.Spec{ID: "late"}); !errors.Is(err, sandbox.ErrDestroyed) {
		t.Errorf("New after Close: %v, want ErrDestroyed", err)
	}
}
