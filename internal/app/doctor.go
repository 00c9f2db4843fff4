package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/paddock-run/paddock/internal/runtimes"
	"github.com/paddock-run/paddock/internal/sandbox/linux"
	"github.com/paddock-run/paddock/internal/sandbox/process"
)

// ErrLacking is returned by Doctor where this machine lacks something.
var ErrLacking = errors.New("this machine does not do all that Paddock could")

// Doctor says on cfg.Out, line by line, what this machine can do for a daemon
// with that configuration, and how to get the rest. It returns ErrLacking where
// functions would be less isolated or limited than they could be, where one of
// the languages has no interpreter, or where a daemon could not start at all.
// Beside a running daemon it changes nothing of that one's, but finds its port
// taken.
func Doctor(ctx context.Context, cfg Config) error {
	findings, usable, err := examineSandbox(&cfg)
	if err != nil {
		return err
	}
	findings = append(findings, chosenDriver(&cfg, usable))
	languages, err := examineInterpreters(ctx)
	if err != nil {
		return err
	}
	findings = append(findings, languages...)
	findings = append(findings, examineData(cfg.Data), examinePort(cfg.Listen))

	var b strings.Builder
	fmt.Fprintf(&b, "Paddock %s: what this machine can do\n\n", cfg.Version)
	lacking := 0
	for _, f := range findings {
		mark := "ok"
		if f.Lacking {
			mark = "LACKING"
			lacking++
		}
		fmt.Fprintf(&b, "  %-8s %-12s %s\n", mark, f.Name, f.Found)
		if f.Lacking && f.Remedy != "" {
			fmt.Fprintf(&b, "  %-8s %-12s → %s\n", "", "", f.Remedy)
		}
	}
	if lacking == 0 {
		b.WriteString("\nEverything is here: functions are isolated and limited as on AWS Lambda.\n")
	} else {
		fmt.Fprintf(&b, "\n%d of %d are lacking. Paddock says at each start what that means for functions.\n", lacking, len(findings))
	}
	if _, err := io.WriteString(cfg.Out, b.String()); err != nil {
		return err
	}
	if lacking > 0 {
		return ErrLacking
	}
	return nil
}

func examineSandbox(cfg *Config) (findings []linux.Finding, usable bool, err error) {
	switch cfg.Sandbox {
	case "", "auto", "linux":
		findings, usable = linux.Examine(linux.Options{Network: linux.Network(cfg.Network)})
		return findings, usable, nil
	case "process":
		return []linux.Finding{{
			Name: "sandbox", Lacking: true, Found: "functions are not isolated, because of --sandbox process",
			Remedy: "use --sandbox auto",
		}}, false, nil
	}
	return nil, false, fmt.Errorf("--sandbox %s: choose auto, linux or process", cfg.Sandbox)
}

// chosenDriver says which driver serve would take.
func chosenDriver(cfg *Config, usable bool) linux.Finding {
	f := linux.Finding{Name: "driver", Found: "linux"}
	switch {
	case usable:
	case cfg.Sandbox == "linux":
		f.Found, f.Lacking = "none: --sandbox linux does not work here, and Paddock would not start", true
		f.Remedy = "mend what is lacking above, or use --sandbox auto"
	default:
		f.Found, f.Lacking = "process", true
		driver, err := process.New(process.Options{})
		if err != nil {
			f.Found = "none: " + err.Error()
			return f
		}
		f.Found = driver.Isolation()
		if err := driver.Close(); err != nil {
			f.Found += "; " + err.Error()
		}
	}
	return f
}

// examineInterpreters looks through this machine's interpreters as a daemon does,
// and keeps nothing of it.
func examineInterpreters(ctx context.Context) ([]linux.Finding, error) {
	dir, err := os.MkdirTemp("", "paddock-doctor-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	found, err := runtimes.New(runtimes.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	return languages(found.List(ctx)), nil
}

func languages(all []runtimes.Interpreter) []linux.Finding {
	var findings []linux.Finding
	for _, language := range []struct{ id, name, remedy string }{
		{"python", "Python", "install Python 3 (apt install python3, or pyenv for several versions)"},
		{"nodejs", "Node.js", "install Node.js (apt install nodejs, or nvm for several versions)"},
	} {
		var names []string
		for _, i := range all {
			if i.Language == language.id {
				names = append(names, fmt.Sprintf("%s (%s)", i.Version, i.Path))
			}
		}
		f := linux.Finding{Name: language.name, Found: strings.Join(slices.Compact(names), ", ")}
		if len(names) == 0 {
			f.Found, f.Lacking, f.Remedy = "none is installed: its runtimes cannot run", true, language.remedy
		}
		findings = append(findings, f)
	}
	return findings
}

// examineData tries to write into the folder of the state, or says whether it
// could be made. It leaves nothing behind.
func examineData(dir string) linux.Finding {
	f := linux.Finding{Name: "data", Found: dir, Remedy: "choose a folder that this user may write to with --data"}
	at, err := filepath.Abs(dir)
	if err != nil {
		f.Found, f.Lacking = err.Error(), true
		return f
	}
	f.Found = at
	for {
		info, err := os.Stat(at)
		if errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at) {
			at = filepath.Dir(at)
			continue
		}
		if err == nil && !info.IsDir() {
			err = &os.PathError{Op: "write to", Path: at, Err: syscall.ENOTDIR}
		}
		if err == nil {
			err = tryWrite(at)
		}
		switch {
		case err != nil:
			f.Found, f.Lacking = fmt.Sprintf("%s cannot be used: %v", f.Found, err), true
		case at != f.Found:
			f.Found += " can be made"
		default:
			f.Found += " can be written to"
		}
		return f
	}
}

func tryWrite(dir string) error {
	file, err := os.CreateTemp(dir, ".paddock-doctor-")
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

func examinePort(address string) linux.Finding {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return linux.Finding{
			Name: "port", Found: fmt.Sprintf("%s cannot be listened on: %v", address, errors.Unwrap(err)), Lacking: true,
			Remedy: "stop what listens there (another Paddock or LocalStack?), or choose another with --listen",
		}
	}
	if err := l.Close(); err != nil {
		return linux.Finding{Name: "port", Found: err.Error(), Lacking: true}
	}
	return linux.Finding{Name: "port", Found: address + " is free"}
}
