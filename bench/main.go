// Bench measures Paddock side by side with what else is installed, and prints
// the tables of docs/performance.md: make bench.
//
// Both sides of a comparison run in the same minutes, in turn, with the same
// client and the same function binary; the figures are medians over rounds. The
// AWS Lambda Runtime Interface Emulator is taken from $RIE or from the path
// (go install github.com/aws/aws-lambda-runtime-interface-emulator/cmd/aws-lambda-rie@latest);
// without it its rows are left out.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

func main() {
	paddock := flag.String("paddock", "bin/paddock", "the binary to measure")
	rounds := flag.Int("rounds", 5, "rounds of each comparison")
	length := flag.Duration("length", 3*time.Second, "of one measurement under load")
	sandbox := flag.String("sandbox", "auto", "Paddock's --sandbox")
	only := flag.String("only", "", "measure only this: start, warm, throughput, thaw, cold, burst, layers, sandbox, rest, sqs or control")
	role := flag.String("role", "", "be the upstream or the reverse-proxy of rest (bench starts it itself)")
	at := flag.String("at", "", "the address of that server")
	to := flag.String("to", "", "where the reverse-proxy leads")
	floor := flag.String("floor", "", "be the server of the floor at this address (bench starts it itself)")
	floorFunction := flag.String("floor-function", "", "the program that the floor's server runs")
	floorProcesses := flag.Int("floor-processes", 1, "how many of it")
	flag.Parse()
	if *role != "" {
		serve := func() error { return serveUpstream(*at) }
		if *role == "reverse-proxy" {
			serve = func() error { return serveReverseProxy(*at, *to) }
		}
		fmt.Fprintln(os.Stderr, "bench:", serve())
		os.Exit(1)
	}
	if *floor != "" {
		if err := serveFloor(*floor, *floorFunction, *floorProcesses); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(*paddock, *sandbox, *only, *rounds, *length); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(paddock, sandbox, only string, rounds int, length time.Duration) error {
	dir, err := os.MkdirTemp("", "paddock-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// Functions run as another user, who has to reach their code.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	function := filepath.Join(dir, "bootstrap")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-tags", "lambda.norpc", "-o", function, "./bench/function")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("the function does not build: %w\n%s", err, out)
	}
	b := &bench{paddock: paddock, sandbox: sandbox, dir: dir, function: function, rounds: rounds, length: length}
	measured := false
	for _, m := range []struct {
		name string
		run  func() error
	}{{"start", b.start}, {"warm", b.warm}, {"throughput", b.throughput}, {"thaw", b.thaw}, {"cold", b.cold}, {"burst", b.burst}, {"layers", b.layers}, {"sandbox", b.sandboxes}, {"rest", b.rest}, {"sqs", b.sqs}, {"control", b.control}} {
		if only != "" && only != m.name {
			continue
		}
		measured = true
		if err := m.run(); err != nil {
			return err
		}
	}
	if !measured {
		return fmt.Errorf("-only %s: there is start, warm, throughput, thaw, cold, burst, layers, sandbox, rest, sqs and control", only)
	}
	return nil
}

type bench struct {
	paddock, sandbox string
	dir, function    string
	rounds           int
	length           time.Duration
}
