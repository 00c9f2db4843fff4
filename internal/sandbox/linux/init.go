//go:build linux && (amd64 || arm64)

package linux

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

//go:generate sh initcode/generate.sh

// initPath is where the program of initcode stands inside an environment. It has
// three modes, told apart by the number of its arguments:
//
//   - "init" alone is process 1: it mounts /proc, ignores SIGCHLD so that orphans
//     leave no zombies, lets nobody look into it, drops its capabilities, writes a 4-byte errno (0: ready)
//     to descriptor 3 and sleeps until it is killed. As process 1 a function
//     itself would ignore SIGTERM, could not abort() and would collect zombies.
//   - "init probe" exits with 0.
//   - "init gate" is what every process of the environment comes from; see gate.go.
const initPath = "/var/rapid/init"

const (
	initAddress = 0x400000
)

// initProgram wraps code, the output of the assembler, and the filter that the
// gate installs, into an ELF program.
func initProgram(machine elf.Machine, code []byte, filter []unix.SockFilter) ([]byte, error) {
	const headers = 64 + 2*56
	var body bytes.Buffer
	body.Write(code)
	for _, part := range []any{uint64(len(filter)), filter} {
		if err := binary.Write(&body, binary.LittleEndian, part); err != nil {
			return nil, fmt.Errorf("append the seccomp filter to init: %w", err)
		}
	}
	size := uint64(headers + body.Len())
	header := elf.Header64{
		Ident:     [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:      uint16(elf.ET_EXEC),
		Machine:   uint16(machine),
		Version:   uint32(elf.EV_CURRENT),
		Entry:     initAddress + headers,
		Phoff:     64,
		Ehsize:    64,
		Phentsize: 56,
		Phnum:     2,
		Shentsize: 64,
	}
	segments := []elf.Prog64{
		{
			Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X),
			Vaddr: initAddress, Paddr: initAddress, Filesz: size, Memsz: size,
			Align: 0x10000, // arm64 kernels may have pages of 64 KiB
		},
		{Type: uint32(elf.PT_GNU_STACK), Flags: uint32(elf.PF_R | elf.PF_W), Align: 16},
	}
	var program bytes.Buffer
	for _, part := range []any{header, segments, body.Bytes()} {
		if err := binary.Write(&program, binary.LittleEndian, part); err != nil {
			return nil, fmt.Errorf("write the ELF header of init: %w", err)
		}
	}
	return program.Bytes(), nil
}
