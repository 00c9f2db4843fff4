package app

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/runtimes"
)

func TestDoctorSaysWhatIsLacking(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cfg := Config{Data: file, Listen: taken.Addr().String(), Version: "test", Sandbox: "process", Network: "private", Out: &out}
	if err := Doctor(t.Context(), cfg); !errors.Is(err, ErrLacking) {
		t.Errorf("Doctor: %v", err)
	}
	for _, want := range []string{
		"LACKING  sandbox", "use --sandbox auto", "LACKING  driver       process: no isolation",
		"LACKING  data         " + file + " cannot be used", "with --data",
		"LACKING  port         " + cfg.Listen + " cannot be listened on", "with --listen", " are lacking",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("not said: %q in\n%s", want, out.String())
		}
	}
	cfg.Sandbox = "magic"
	if err := Doctor(t.Context(), cfg); err == nil || errors.Is(err, ErrLacking) {
		t.Errorf("an unknown sandbox: %v", err)
	}
}

func TestDoctorOnLanguages(t *testing.T) {
	python := runtimes.Interpreter{Language: "python", Version: runtimes.Version{Major: 3, Minor: 13, Patch: 1}, Path: "/usr/bin/python3.13"}
	for _, f := range languages([]runtimes.Interpreter{python}) {
		switch f.Name {
		case "Python":
			if f.Lacking || f.Found != "3.13.1 (/usr/bin/python3.13)" {
				t.Errorf("%+v", f)
			}
		case "Node.js":
			if !f.Lacking || f.Remedy == "" {
				t.Errorf("%+v", f)
			}
		default:
			t.Errorf("%+v", f)
		}
	}
}

func TestDoctorOnTheDataFolder(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{dir: "can be written to", filepath.Join(dir, "a", "b"): "can be made"} {
		if f := examineData(path); f.Lacking || f.Found != path+" "+want {
			t.Errorf("%+v", f)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("the doctor has left %v, %v", entries, err)
	}
}
