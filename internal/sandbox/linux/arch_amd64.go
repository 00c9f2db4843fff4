//go:build linux

package linux

import (
	"debug/elf"
	_ "embed"

	"golang.org/x/sys/unix"
)

//go:embed initcode/amd64.bin
var initCode []byte

const (
	initMachine = elf.EM_X86_64
	auditArch   = unix.AUDIT_ARCH_X86_64
)

// deniedHere are the denied system calls that only this architecture has.
var deniedHere = []uint32{
	unix.SYS_CREATE_MODULE, unix.SYS_GET_KERNEL_SYMS, unix.SYS_QUERY_MODULE,
	unix.SYS_IOPERM, unix.SYS_IOPL, unix.SYS_MODIFY_LDT,
	unix.SYS_USELIB, unix.SYS_USTAT, unix.SYS_SYSFS, unix.SYS__SYSCTL,
}
