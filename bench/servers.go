package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// server is a process that was started and answers.
type server struct {
	cmd   *exec.Cmd
	url   string
	ready time.Duration // from its start to its first answer
	log   bytes.Buffer
}

// startServer starts a command and waits until url answers at all.
func startServer(cmd *exec.Cmd, url string) (*server, error) {
	s := &server{cmd: cmd, url: url}
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	client := &http.Client{Timeout: time.Second}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	for time.Since(began) < 20*time.Second {
		res, err := client.Get(url)
		if err == nil {
			res.Body.Close()
			s.ready = time.Since(began)
			return s, nil
		}
		time.Sleep(500 * time.Microsecond)
	}
	s.stop()
	return nil, fmt.Errorf("%s does not answer:\n%s", cmd.Path, s.log.String())
}

// stop ends the server and what it started.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() { _ = s.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		<-done
	}
}

// startPaddock starts Paddock on a free port with a data folder.
func (b *bench) startPaddock(data string, more ...string) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	cmd := exec.Command(b.paddock, append([]string{"serve", "--data", data, "--listen", address, "--sandbox", b.sandbox}, more...)...)
	s, err := startServer(cmd, "http://"+address+"/_paddock/health")
	if err != nil {
		return nil, err
	}
	s.url = "http://" + address
	return s, nil
}

var errNoRIE = errors.New("the AWS Lambda Runtime Interface Emulator is not installed")

// startRIE starts the emulator around a function. Python and Node.js need AWS's
// runtime interface clients: $RIC_PYTHON is a Python that has awslambdaric,
// $RIC_NODE the program aws-lambda-ric of npm.
func (b *bench) startRIE(e echoing) (*server, error) {
	path := os.Getenv("RIE")
	if path == "" {
		var err error
		if path, err = exec.LookPath("aws-lambda-rie"); err != nil {
			return nil, errNoRIE
		}
	}
	dir, err := e.place(b.dir)
	if err != nil {
		return nil, err
	}
	var program []string
	switch e.name {
	case "Python":
		program = []string{os.Getenv("RIC_PYTHON"), "-m", "awslambdaric", e.handler}
	case "Node.js":
		program = []string{os.Getenv("RIC_NODE"), e.handler}
	default:
		program = []string{filepath.Join(dir, e.handler)}
	}
	if program[0] == "" {
		return nil, errNoRIE
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	api, err := freePort()
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	args := []string{"--log-level", "error", "--runtime-interface-emulator-address", address, "--runtime-api-address", fmt.Sprintf("127.0.0.1:%d", api)}
	cmd := exec.Command(path, append(args, program...)...)
	cmd.Dir = dir
	s, err := startServer(cmd, "http://"+address+"/")
	if err != nil {
		return nil, err
	}
	s.url = "http://" + address
	return s, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// memory is a process's proportional set size in bytes.
func memory(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var kb int64
		if n, _ := fmt.Sscanf(line, "Pss: %d kB", &kb); n == 1 {
			return kb << 10, nil
		}
	}
	return 0, errors.New("no Pss in smaps_rollup")
}
