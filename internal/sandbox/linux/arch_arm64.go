//go:build linux

package linux

import (
	"debug/elf"
	_ "embed"

	"golang.org/x/sys/unix"
)

//go:embed initcode/arm64.bin
var initCode []byte

const (
	initMachine = elf.EM_AARCH64
	auditArch   = unix.AUDIT_ARCH_AARCH64
)

// deniedHere are the denied system calls that only this architecture has.
var deniedHere []uint32
