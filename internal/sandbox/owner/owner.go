// Package owner names this process so that a later daemon can tell what a
// daemon that was killed has left behind (folders, cgroups, processes) from what
// belongs to one that is still running beside it.
package owner

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
)

// Self names this process. It contains only digits and dots, so that it can be
// part of a file name, and no later process of this boot has the same name.
var Self = sync.OnceValue(func() string {
	pid := os.Getpid()
	start, _ := startTime(pid) // 0 where the system does not tell
	return fmt.Sprintf("%d.%d.%d", pidNamespace(), pid, start)
})

// Alive reports whether the process that Self named in another run still lives.
// It says true for what it cannot judge (another PID namespace, a name of another
// form), because the caller removes what the dead have left.
func Alive(name string) bool {
	part := strings.Split(name, ".")
	if len(part) != 3 {
		return true
	}
	space, err1 := strconv.ParseUint(part[0], 10, 64)
	pid, err2 := strconv.Atoi(part[1])
	start, err3 := strconv.ParseUint(part[2], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil || pid <= 0 || space != pidNamespace() {
		return true
	}
	now, exists := startTime(pid)
	return exists && now == start
}
