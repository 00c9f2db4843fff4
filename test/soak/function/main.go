// Function is the Go function of the soak: it does what its event says.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct {
	Do string
	N  int
}

// chunk is how much memory is touched at a time, in bytes.
const chunk = 16 << 20

func handle(e event) (int, error) {
	switch e.Do {
	case "crash":
		os.Exit(3)
	case "sleep":
		time.Sleep(500 * time.Millisecond)
	case "hang":
		time.Sleep(time.Hour)
	case "fill":
		for held := [][]byte{}; ; held = append(held, make([]byte, chunk)) {
			for _, part := range held {
				for at := 0; at < len(part); at += 4096 {
					part[at] = 1
				}
			}
		}
	case "leave":
		// A process that outlives the invocation, in a session of its own.
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), "SOAK_LEFT=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			return 0, err
		}
	case "write":
		if err := os.WriteFile(fmt.Sprintf("/tmp/file-%d", e.N%4), make([]byte, chunk), 0o600); err != nil {
			return 0, err
		}
	}
	return e.N, nil
}

func main() {
	if os.Getenv("SOAK_LEFT") != "" {
		time.Sleep(time.Hour)
	}
	lambda.Start(handle)
}
