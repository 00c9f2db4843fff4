package broker

import (
	"os/exec"
	"syscall"
)

// endWithParent makes a broker end with a test that is killed: it would stay
// behind for good.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
