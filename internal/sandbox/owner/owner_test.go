package owner

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

func TestSelfIsAlive(t *testing.T) {
	if !Alive(Self()) {
		t.Fatalf("Alive(%q) = false for the running process", Self())
	}
}

func TestEndedProcessIsNotAlive(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	start, exists := startTime(cmd.Process.Pid)
	if !exists {
		t.Fatal("a running child does not exist")
	}
	name := fmt.Sprintf("%d.%d.%d", pidNamespace(), cmd.Process.Pid, start)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if Alive(name) {
		t.Fatalf("Alive(%q) = true for an ended process", name)
	}
}

func TestReusedPIDIsNotAlive(t *testing.T) {
	start, _ := startTime(os.Getpid())
	if start == 0 {
		t.Skip("this system does not tell when a process began")
	}
	if name := fmt.Sprintf("%d.%d.%d", pidNamespace(), os.Getpid(), start+1); Alive(name) {
		t.Fatalf("Alive(%q) = true, though the process began at another time", name)
	}
}

func TestUnknownNamesAreLeftAlone(t *testing.T) {
	for _, name := range []string{"", "a.b.c", "1.2", fmt.Sprintf("%d.1.1", pidNamespace()+1)} {
		if !Alive(name) {
			t.Errorf("Alive(%q) = false: the caller would remove what is not ours", name)
		}
	}
}
