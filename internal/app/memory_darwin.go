package app

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// machineMemory is how much memory the machine has.
func machineMemory(fs.FS) (bytes uint64, err error) { return unix.SysctlUint64("hw.memsize") }
