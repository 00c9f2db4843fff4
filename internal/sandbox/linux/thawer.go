//go:build linux && (amd64 || arm64)

package linux

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// thawScript waits until nobody holds the other end of its standard input any
// more, and thaws all groups in a folder. What ends the daemon by name or by its
// terminal does not end it.
const thawScript = `trap '' HUP INT TERM
while read -r _; do :; done
for state in "$1"/*/freezer.state; do
	[ -e "$state" ] && echo THAWED >"$state"
done
exit 0`

// thawer is a shell that outlives the daemon by a moment. When the daemon is
// killed, the kernel sends SIGKILL to each environment's process 1; version 1 of
// cgroups keeps the signal from those that are frozen until they are thawed, for
// which there would be nobody.
type thawer struct {
	cmd  *exec.Cmd
	life *os.File // its other end is closed when this process ends, however it does
}

// newThawer starts one for the groups in a folder.
func newThawer(folder string) (*thawer, error) {
	input, life, err := os.Pipe() // close-on-exec: no function holds it
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/bin/sh", "-c", thawScript, "paddock-thaw", folder)
	cmd.Stdin = input
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	err = errors.Join(err, input.Close())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start what thaws environments when this process is killed: %w", err), life.Close())
	}
	return &thawer{cmd, life}, nil
}

// close ends it.
func (t *thawer) close() error {
	return errors.Join(t.life.Close(), t.cmd.Wait())
}
