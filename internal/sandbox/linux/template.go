//go:build linux && (amd64 || arm64)

package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The user that functions run as: that of AWS Lambda.
const (
	userID    = 993
	groupID   = 990
	userLines = "root:x:0:0:root:/root:/sbin/nologin\n" +
		"nobody:x:65534:65534:nobody:/:/sbin/nologin\n" +
		"sbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin\n"
	groupLines = "root:x:0:\nnogroup:x:65534:\nsbx_user1051:x:990:\n"
)

// systemFolders of the host stand inside, read-only, where they exist. Where they
// are symbolic links (to /usr), so they are inside.
var systemFolders = []string{"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"}

// etcFolders and etcFiles are what programs of the host need of /etc. Nothing
// that holds a secret is among them; /etc itself is not visible.
var (
	etcFolders = []string{
		"alternatives", "ca-certificates", "crypto-policies", "fonts", "java-*", "ld.so.conf.d",
		"perl", "pki/ca-trust", "pki/java", "pki/tls/certs", "ssl/certs",
	}
	etcFiles = []string{
		"gai.conf", "host.conf", "ld.so.cache", "ld.so.conf", "mime.types", "networks", "nsswitch.conf",
		"os-release", "protocols", "rpc", "services", "ssl/cert.pem", "ssl/openssl.cnf",
		"pki/tls/cert.pem", "pki/tls/openssl.cnf",
	}
)

// emptyFolders are the mount points of what differs between environments.
var emptyFolders = []string{
	"dev/shm", "opt", "proc", "run", "sys", "tmp", "var/lang", "var/rapid", "var/runtime", "var/task", "var/tmp",
}

// resolver is how environments find the addresses of other machines.
type resolver int

const (
	resolverNone  resolver = iota // not at all
	resolverHost                  // as the host does
	resolverRelay                 // from the relay, which asks whom the host asks
)

// resolverFiles follow the host's while environments run. They stand in
// ownFolder, and what is in /etc leads there: also in the root of an image.
var resolverFiles = []string{"hosts", "resolv.conf"}

// ownFolder is where the sandbox's own files are inside.
const ownFolder = "/var/rapid"

// template is a mount namespace with the file system that is the same for all
// environments. Each environment's is a copy of it, which is cheap.
type template struct {
	namespace int // descriptor
	root      int // descriptor of its root folder, writable
	resolver  resolver

	mu     sync.Mutex
	copied map[string]time.Time // resolver file → modification time of what was copied
}

// newTemplate builds the namespace on a thread of its own.
func newTemplate(program []byte, r resolver, rootless bool) (t *template, err error) {
	done := make(chan struct{})
	onOwnThread(func() {
		defer close(done)
		t, err = buildTemplate(program, r, rootless)
	})
	<-done
	return t, err
}

func buildTemplate(program []byte, r resolver, rootless bool) (_ *template, err error) {
	t := &template{namespace: -1, root: -1, resolver: r, copied: map[string]time.Time{}}
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	// From here on this thread has mounts of its own, which nobody sees.
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return nil, fmt.Errorf("unshare the mount namespace: %w", err)
	}
	unix.Umask(0o022)
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &unix.MountAttr{Propagation: unix.MS_PRIVATE}); err != nil {
		return nil, fmt.Errorf("make all mounts private (Linux 5.12 or later?): %w", err)
	}
	// Opened now: the host's paths are gone after pivot_root.
	self, err := unix.Open("/proc/thread-self/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the mount namespace: %w", err)
	}
	t.namespace = self

	// Any folder will do, since only this thread sees what is mounted on it.
	dir := os.TempDir()
	skeleton, err := newMount("tmpfs", unix.MOUNT_ATTR_NOSUID, "mode", "0755", "size", "32m")
	if err != nil {
		return nil, err
	}
	system, err := bindAll("/", systemFolders)
	if err != nil {
		return nil, err
	}
	etc, err := bindAll("/etc", etcFolders)
	if err != nil {
		return nil, err
	}
	var bound []source
	if rootless {
		if bound, err = bindRootless(); err != nil {
			return nil, err
		}
	}
	if err := attach(skeleton, dir); err != nil {
		return nil, err
	}
	// A second mount of the same file system stays writable for refresh.
	if t.root, err = unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC); err != nil {
		return nil, fmt.Errorf("keep the skeleton writable: %w", err)
	}
	for _, folder := range emptyFolders {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			return nil, err
		}
	}
	if err := writeEtc(filepath.Join(dir, "etc")); err != nil {
		return nil, err
	}
	if err := linkResolver(dir); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{"hosts": "127.0.0.1 localhost\n::1 localhost\n" + sandboxHost, "resolv.conf": ""} {
		if err := os.WriteFile(filepath.Join(dir, ownFolder, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	if err := makeDevices(filepath.Join(dir, "dev"), bound); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, initPath), program, 0o555); err != nil {
		return nil, err
	}
	for _, s := range slices.Concat(system, etc, bound) {
		if err := s.place(dir); err != nil {
			return nil, err
		}
	}
	if err := t.refresh(); err != nil {
		return nil, err
	}
	// Busy while a process forked at the wrong moment by another part of the
	// daemon holds a descriptor that wrote a file, until its own exec.
	err = until(func() (bool, error) {
		err := unix.MountSetattr(unix.AT_FDCWD, dir, 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
		if errors.Is(err, unix.EBUSY) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return nil, fmt.Errorf("make the skeleton read-only: %w", err)
	}
	return t, pivot(dir)
}

// source is a folder, file or symbolic link of the host.
type source struct {
	path string // below the new root
	file bool
	link string // of a symbolic link
	fd   int
}

// bindAll opens those of names, patterns below dir, that exist.
func bindAll(dir string, names []string) ([]source, error) {
	var all []source
	for _, name := range names {
		paths, err := filepath.Glob(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			s := source{path: path, fd: -1}
			if link, err := os.Readlink(path); err == nil && dir == "/" {
				s.link = link
			} else if s.fd, err = bind(path, true); err != nil {
				return nil, err
			}
			all = append(all, s)
		}
	}
	return all, nil
}

func (s source) place(root string) error {
	path := filepath.Join(root, s.path)
	if s.link != "" {
		return os.Symlink(s.link, path)
	}
	var err error
	if s.file {
		err = os.WriteFile(path, nil, 0o644)
	} else {
		err = os.MkdirAll(path, 0o755)
	}
	if err != nil {
		return err
	}
	return attach(s.fd, path)
}

// sandboxHost is the line of /etc/hosts by which extensions know where to listen.
// https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api.html
const sandboxHost = "127.0.0.1 sandbox.localdomain sandbox\n"

// writeEtc writes the files of /etc into dir.
func writeEtc(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files := map[string]string{
		"passwd": userLines, "group": groupLines,
	}
	for _, name := range etcFiles {
		text, err := os.ReadFile(filepath.Join("/etc", name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		files[name] = string(text)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	// The clock of a function shows UTC, whatever the host's.
	return os.Symlink("/usr/share/zoneinfo/UTC", filepath.Join(dir, "localtime"))
}

// linkResolver makes the links in the /etc below root to the resolver's files.
func linkResolver(root string) error {
	for _, name := range resolverFiles {
		if err := os.Symlink(filepath.Join(ownFolder, name), filepath.Join(root, "etc", name)); err != nil {
			return err
		}
	}
	return nil
}

// devices are those that are safe to share.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// bindRootless opens what root makes anew: the devices, and the host's /proc,
// which the kernel wants to be there where process 1 mounts another.
func bindRootless() ([]source, error) {
	all := []source{{path: "proc"}}
	var err error
	if all[0].fd, err = unix.OpenTree(unix.AT_FDCWD, "/proc", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE); err != nil {
		return nil, &os.PathError{Op: "open_tree", Path: "/proc", Err: err}
	}
	for _, name := range devices {
		s := source{path: "dev/" + name, file: true}
		if s.fd, err = unix.OpenTree(unix.AT_FDCWD, "/dev/"+name, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC); err != nil {
			return nil, &os.PathError{Op: "open_tree", Path: "/dev/" + name, Err: err}
		}
		all = append(all, s)
	}
	return all, nil
}

// makeDevices makes the devices that are not among those bound, and the links.
func makeDevices(dir string, bound []source) error {
	for _, name := range devices {
		if slices.ContainsFunc(bound, func(s source) bool { return s.path == "dev/"+name }) {
			continue
		}
		var host unix.Stat_t
		if err := unix.Stat("/dev/"+name, &host); err != nil {
			return &os.PathError{Op: "stat", Path: "/dev/" + name, Err: err}
		}
		path := filepath.Join(dir, name)
		if err := unix.Mknod(path, unix.S_IFCHR|0o666, int(host.Rdev)); err != nil {
			return &os.PathError{Op: "mknod", Path: path, Err: err}
		}
		if err := os.Chmod(path, 0o666); err != nil {
			return err
		}
	}
	for name, target := range map[string]string{"fd": "fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"} {
		if err := os.Symlink("/proc/self/"+target, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// pivot makes dir the root of the calling thread's namespace, and the host's
// file system leave it.
func pivot(dir string) error {
	if err := unix.Chdir(dir); err != nil {
		return &os.PathError{Op: "chdir", Path: dir, Err: err}
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return &os.PathError{Op: "pivot_root", Path: dir, Err: err}
	}
	// Both roots stand at "/": this takes the one on top, the host's.
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount the host's file system: %w", err)
	}
	return unix.Chdir("/")
}

// refresh copies those of the resolver's files that have changed on the host.
func (t *template) refresh() error {
	if t.resolver == resolverNone {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, name := range resolverFiles {
		info, err := os.Stat("/etc/" + name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if t.copied[name].Equal(info.ModTime()) {
			continue
		}
		text, err := os.ReadFile("/etc/" + name)
		if err != nil {
			return err
		}
		if name == "hosts" {
			text = append(append(text, '\n'), sandboxHost...)
		}
		if name == "resolv.conf" && t.resolver == resolverRelay {
			text = viaRelay(text)
		}
		if err := t.replace(ownFolder[1:]+"/"+name, text); err != nil {
			return err
		}
		t.copied[name] = info.ModTime()
	}
	return nil
}

// replace puts a file in the place of another at once: functions read them.
func (t *template) replace(name string, text []byte) error {
	next := name + ".next"
	fd, err := unix.Openat(t.root, next, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return &os.PathError{Op: "openat", Path: next, Err: err}
	}
	f := os.NewFile(uintptr(fd), next)
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := unix.Renameat(t.root, next, t.root, name); err != nil {
		return &os.PathError{Op: "renameat", Path: name, Err: err}
	}
	return nil
}

// close lets the namespace go; those made from it live on.
func (t *template) close() {
	for _, fd := range []int{t.namespace, t.root} {
		if fd >= 0 {
			closeFD(fd)
		}
	}
}

// safeName reports whether an environment's ID can be part of a path.
func safeName(id string) bool {
	return id != "" && len(id) <= 128 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
}
