package invoke

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"github.com/paddock-run/paddock/internal/sandbox"
)

func TestExited(t *testing.T) {
	for want, x := range map[string]sandbox.Exit{
		"Runtime.ExitError: Runtime exited without providing a reason":                           {},
		"Runtime.ExitError: Runtime exited with error: exit status 2":                            {Code: 2},
		"Runtime.ExitError: Runtime exited with error: signal: killed":                           {Code: -1, Signal: syscall.SIGKILL},
		"Runtime.OutOfMemory: Runtime exited with error: signal: killed":                         {Code: -1, Signal: syscall.SIGKILL, OOM: true},
		"Runtime.ExitError: Runtime exited with error: signal: " + syscall.SIGSEGV.String() + "": {Code: -1, Signal: syscall.SIGSEGV},
	} {
		if f := exited(x); f.errorType+": "+f.message != want || f.status() != statusError {
			t.Errorf("%s: %s, want %s", f.errorType, f.message, want)
		}
	}
}

func TestNotStarted(t *testing.T) {
	layout := sandbox.Layout{Task: "/data/code/1", Opt: "/data/opt"}
	entry := func() (string, string) { return "Runtime.InvalidEntrypoint", "not in [/data/code/1/b /data/opt/b]" }
	for want, err := range map[string]error{
		"not in [/var/task/b /opt/b]":                       &sandbox.ExecError{Path: "/data/opt/b", Err: fs.ErrNotExist},
		"fork/exec /var/task/b: " + syscall.ENOEXEC.Error(): &sandbox.ExecError{Path: "/data/code/1/b", Err: syscall.ENOEXEC},
	} {
		if f := notStarted(err, layout, entry); f.message != want || f.err != nil || f.errorType != "Runtime.InvalidEntrypoint" {
			t.Errorf("%+v, want %s", f, want)
		}
	}
	host := errors.New("no memory")
	if f := notStarted(host, layout, entry); !errors.Is(f.err, host) {
		t.Errorf("%+v", f)
	}
}
