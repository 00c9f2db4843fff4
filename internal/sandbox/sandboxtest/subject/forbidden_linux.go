package main

import (
	"encoding/json"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forbidden tries what no function has a use for, and prints what came of it: a
// map of names to errors, empty where it worked.
func forbidden() {
	runtime.LockOSThread()
	result := map[string]string{}
	try := func(name string, err error) {
		result[name] = ""
		if err != nil {
			result[name] = err.Error()
		}
	}
	system := func(number uintptr, a, b, c uintptr) error {
		if _, _, errno := unix.Syscall(number, a, b, c); errno != 0 {
			return errno
		}
		return nil
	}
	socket := func(family, kind, protocol int) error {
		fd, err := unix.Socket(family, kind, protocol)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	}
	name := append([]byte("x"), 0)
	flags := [11]uint64{unix.CLONE_NEWUSER}

	try("mount", unix.Mount("none", "/tmp", "tmpfs", 0, ""))
	try("remount", unix.Mount("none", "/", "", unix.MS_REMOUNT|unix.MS_BIND, ""))
	try("umount", unix.Unmount("/tmp", unix.MNT_DETACH))
	try("chroot", unix.Chroot("/tmp"))
	try("pivot_root", unix.PivotRoot("/tmp", "/tmp"))
	try("unshare user", unix.Unshare(unix.CLONE_NEWUSER))
	try("unshare net", unix.Unshare(unix.CLONE_NEWNET))
	try("clone user", system(unix.SYS_CLONE, unix.CLONE_NEWUSER|uintptr(unix.SIGCHLD), 0, 0))
	try("clone3 user", system(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&flags)), unsafe.Sizeof(flags), 0))
	try("setns", unix.Setns(0, 0))
	try("mknod", unix.Mknod("/tmp/disk", unix.S_IFBLK|0o600, int(unix.Mkdev(254, 0))))
	try("ptrace parent", unix.PtraceAttach(os.Getppid()))
	try("ptrace 1", unix.PtraceAttach(1))
	try("read memory of 1", system(unix.SYS_PROCESS_VM_READV, 1, 0, 0))
	try("become root", unix.Setuid(0))
	try("keyctl", system(unix.SYS_KEYCTL, 0, 0, 0))
	try("bpf", system(unix.SYS_BPF, 0, 0, 0))
	try("perf", system(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0))
	try("io_uring", system(unix.SYS_IO_URING_SETUP, 1, 0, 0))
	try("userfaultfd", system(unix.SYS_USERFAULTFD, 0, 0, 0))
	try("init_module", system(unix.SYS_INIT_MODULE, 0, 0, uintptr(unsafe.Pointer(&name[0]))))
	try("kexec", system(unix.SYS_KEXEC_LOAD, 0, 0, 0))
	try("reboot", system(unix.SYS_REBOOT, 0, 0, 0))
	try("set host name", unix.Sethostname([]byte("x")))
	try("set clock", unix.ClockSettime(unix.CLOCK_REALTIME, &unix.Timespec{Sec: 1}))
	try("packet socket", socket(unix.AF_PACKET, unix.SOCK_RAW, 0))
	try("raw socket", socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP))
	try("alg socket", socket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0))
	try("vsock socket", socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0))
	fail(json.NewEncoder(os.Stdout).Encode(result))
}
