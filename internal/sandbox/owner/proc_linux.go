package owner

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// pidNamespace is the inode of this process's PID namespace: a process ID means
// nothing outside of its own.
func pidNamespace() uint64 {
	var st syscall.Stat_t
	if err := syscall.Stat("/proc/self/ns/pid", &st); err != nil {
		return 0
	}
	return st.Ino
}

// startTime is when the process began, in clock ticks since boot.
func startTime(pid int) (ticks uint64, exists bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	// The name in field 2 may hold spaces and parentheses: count from its end.
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, false
	}
	field := bytes.Fields(stat[end+1:]) // field[0] is field 3, the state
	if len(field) < 20 {
		return 0, false
	}
	ticks, err = strconv.ParseUint(string(field[19]), 10, 64) // field 22
	return ticks, err == nil && field[0][0] != 'Z'
}
