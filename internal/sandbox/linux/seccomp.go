//go:build linux && (amd64 || arm64)

package linux

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// denied are the system calls that a function has no use for and that have been
// ways out of containers. Most need a capability anyway, which no process of an
// environment has: the filter keeps their code out of reach as well.
var denied = append([]uint32{
	// Other processes of the environment: extensions need not trust the function.
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV,
	unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
	// Namespaces and mounts.
	unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_MOUNT, unix.SYS_UMOUNT2,
	unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT,
	unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK,
	unix.SYS_MOUNT_SETATTR, unix.SYS_OPEN_TREE_ATTR, unix.SYS_SWAPON, unix.SYS_SWAPOFF,
	unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_FANOTIFY_INIT,
	unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_OPEN_BY_HANDLE_AT,
	// Kernel interfaces with a long record of faults.
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_MOVE_PAGES, unix.SYS_MIGRATE_PAGES, unix.SYS_VHANGUP,
	// The machine.
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
	unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_REBOOT, unix.SYS_SYSLOG,
	unix.SYS_ACCT, unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME,
	unix.SYS_ADJTIMEX, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
	unix.SYS_LOOKUP_DCOOKIE, unix.SYS_NFSSERVCTL, unix.SYS_PERSONALITY,
}, deniedHere...)

// lastKnown is the last system call that was looked at for denied. Later ones
// fail with ENOSYS, as on an older kernel, so that programs use what went before.
const lastKnown = unix.SYS_OPEN_TREE_ATTR

// newNamespaces are the flags of clone that make namespaces.
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWTIME

// Families of sockets that reach the kernel's cryptography, the host's network
// devices and the host of a virtual machine. AF_NETLINK stays: getifaddrs uses it.
var deniedFamilies = []uint32{unix.AF_ALG, unix.AF_PACKET, unix.AF_VSOCK, unix.AF_BLUETOOTH, unix.AF_XDP}

const (
	retKill  = unix.SECCOMP_RET_KILL_PROCESS
	retAllow = unix.SECCOMP_RET_ALLOW
	retEPERM = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	// ENOSYS makes a C library fall back from clone3, whose flags stand in memory
	// that a filter cannot read, to clone.
	retENOSYS = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// Offsets in struct seccomp_data; the low half of an argument comes first.
const (
	dataNumber = 0
	dataArch   = 4
	dataArg0   = 16
)

func statement(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }

func load(offset uint32) unix.SockFilter {
	return statement(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, offset)
}

func ret(action uint32) unix.SockFilter { return statement(unix.BPF_RET|unix.BPF_K, action) }

// span is a run of system call numbers that share a program, from first on.
type span struct {
	first uint32
	code  []unix.SockFilter
}

// seccompFilter is a binary search over spans of numbers: the kernel runs a
// filter once for every number when it is installed, and a tree takes it a
// quarter of the time that a list takes.
func seccompFilter() ([]unix.SockFilter, error) {
	tree, err := searchTree(spans())
	if err != nil {
		return nil, err
	}
	return append([]unix.SockFilter{
		load(dataArch),
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: auditArch, Jt: 1},
		ret(retKill), // a 32-bit call: other numbers, other ways
		load(dataNumber),
	}, tree...), nil
}

// spans are the numbers in order with what happens to them.
func spans() []span {
	programs := map[uint32][]unix.SockFilter{
		unix.SYS_CLONE3: {ret(retENOSYS)},
		unix.SYS_CLONE: {
			load(dataArg0),
			{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: newNamespaces, Jf: 1},
			ret(retEPERM),
			ret(retAllow),
		},
		unix.SYS_SOCKET: socketProgram(),
	}
	for _, number := range denied {
		programs[number] = []unix.SockFilter{ret(retEPERM)}
	}
	allow := []unix.SockFilter{ret(retAllow)}
	var all []span
	for number := uint32(0); number <= lastKnown; number++ {
		code, special := programs[number]
		if !special {
			code = allow
		}
		if len(all) == 0 || !slices.Equal(all[len(all)-1].code, code) {
			all = append(all, span{first: number, code: code})
		}
	}
	// The numbers of the x32 interface of amd64 are far above, and end here too.
	return append(all, span{first: lastKnown + 1, code: []unix.SockFilter{ret(retENOSYS)}})
}

func socketProgram() []unix.SockFilter {
	code := []unix.SockFilter{load(dataArg0)}
	for i, family := range deniedFamilies {
		// To the return of EPERM, which stands behind the one of ALLOW.
		code = append(code, unix.SockFilter{
			Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: family, Jt: uint8(len(deniedFamilies) - i),
		})
	}
	return append(code, ret(retAllow), ret(retEPERM))
}

func searchTree(all []span) ([]unix.SockFilter, error) {
	if len(all) == 1 {
		return all[0].code, nil
	}
	middle := len(all) / 2
	low, err := searchTree(all[:middle])
	if err != nil {
		return nil, err
	}
	high, err := searchTree(all[middle:])
	if err != nil {
		return nil, err
	}
	if len(low) > 255 {
		return nil, fmt.Errorf("seccomp filter: a jump over %d instructions is too far", len(low))
	}
	jump := unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: all[middle].first, Jt: uint8(len(low))}
	return slices.Concat([]unix.SockFilter{jump}, low, high), nil
}
