//go:build linux && (amd64 || arm64)

package linux

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// spareDisks are how many file systems of the usual size are kept ready.
var spareDisks = sizes{32, 128}

// loopTries bounds how often a free loop device is looked for: another program
// may be faster.
const loopTries = 100

// disks makes the file systems of /tmp: ext4 in a sparse file on a loop device,
// so that files neither count as memory nor take more of the disk than they are,
// and the limit is that of a full disk. The files have no names: whatever ends
// the daemon, they go with the last mount.
type disks struct {
	dir   string      // where the files are
	stock *stock[int] // of the usual size

	mu        sync.Mutex
	templates map[int]*os.File // by size in MB: an empty file system each
}

// newDisks tries whether this host can do it.
func newDisks(dir string, spare sizes) (*disks, error) {
	d := &disks{dir: dir, templates: map[int]*os.File{}}
	first, err := d.make(defaultEphemeralMB)
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	closeFD(first)
	d.stock = newStock("a /tmp", spare, func() (int, error) { return d.make(defaultEphemeralMB) }, closeFD)
	return d, nil
}

// take returns a detached mount, for the caller to attach or close.
func (d *disks) take(megabytes int) (fd int, err error) {
	if megabytes == defaultEphemeralMB {
		fd, err = d.stock.take()
	} else {
		fd, err = d.make(megabytes)
	}
	if err != nil {
		return -1, fmt.Errorf("make /tmp: %w", err)
	}
	return fd, nil
}

func (d *disks) close() error {
	if d.stock != nil {
		d.stock.close()
	}
	var errs []error
	for _, template := range d.templates {
		errs = append(errs, template.Close())
	}
	return errors.Join(errs...)
}

// make makes a detached mount of an empty file system.
func (d *disks) make(megabytes int) (int, error) {
	template, err := d.template(megabytes)
	if err != nil {
		return -1, err
	}
	file, err := d.unnamed()
	if err != nil {
		return -1, err
	}
	defer file.Close() // the loop device keeps it
	if err := copySparse(file, template); err != nil {
		return -1, fmt.Errorf("copy an empty file system: %w", err)
	}
	return mountLoop(file)
}

// template returns a file with an empty file system that files of so many MB fit
// into.
func (d *disks) template(megabytes int) (_ *os.File, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if found := d.templates[megabytes]; found != nil {
		return found, nil
	}
	file, err := d.unnamed()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close())
		}
	}()
	// A 64th is for the inodes, some more for its maps, and the file system keeps
	// up to a 50th.
	files := int64(megabytes) << 20
	size := files + files/64 + files/2048 + min(files/50, 16<<20)
	if err := file.Truncate(size &^ (1<<16 - 1)); err != nil {
		return nil, err
	}
	format := exec.Command("mkfs.ext4", "-q", "-F", "-b", "4096", "-i", "16384", "-I", "256", "-m", "0",
		"-O", "^has_journal,^resize_inode", // what ends with an environment needs neither
		"-E", fmt.Sprintf("lazy_itable_init=1,nodiscard,root_owner=%d:%d", userID, groupID), "/proc/self/fd/3")
	format.Env = []string{"PATH=/usr/sbin:/sbin:/usr/bin:/bin"}
	format.Path, err = findProgram("mkfs.ext4", "/usr/sbin", "/sbin", "/usr/bin", "/bin")
	if err != nil {
		return nil, err
	}
	format.Err = nil // of a PATH without sbin
	format.ExtraFiles = []*os.File{file}
	if out, err := format.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("mkfs.ext4: %w: %s", err, strings.TrimSpace(string(out)))
	}
	root, err := mountLoop(file)
	if err != nil {
		return nil, err
	}
	defer closeFD(root)
	if err := unix.Unlinkat(root, "lost+found", unix.AT_REMOVEDIR); err != nil {
		return nil, fmt.Errorf("empty the file system: %w", err)
	}
	if err := unix.Fchmodat(root, ".", 0o700, 0); err != nil {
		return nil, fmt.Errorf("set the mode of /tmp: %w", err)
	}
	d.templates[megabytes] = file
	return file, nil
}

func findProgram(name string, folders ...string) (string, error) {
	for _, folder := range folders {
		if info, err := os.Stat(folder + "/" + name); err == nil && info.Mode()&0o111 != 0 {
			return folder + "/" + name, nil
		}
	}
	return "", fmt.Errorf("%s is not installed", name)
}

// unnamed makes a file that is gone when nobody holds it any more.
func (d *disks) unnamed() (*os.File, error) {
	fd, err := unix.Open(d.dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), d.dir+"/unnamed"), nil
	}
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR) {
		return nil, &os.PathError{Op: "make a file in", Path: d.dir, Err: err}
	}
	file, err := os.CreateTemp(d.dir, "paddock-disk-") // a file system without such files
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// copySparse copies what is not a hole.
func copySparse(to, from *os.File) error {
	info, err := from.Stat()
	if err != nil {
		return err
	}
	if err := to.Truncate(info.Size()); err != nil {
		return err
	}
	// Not by the offset of the file: several copy at a time. SEEK_DATA moves it,
	// but nobody relies on where it is.
	for at := int64(0); ; {
		data, err := unix.Seek(int(from.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil
		}
		if err != nil {
			return err
		}
		hole, err := unix.Seek(int(from.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.NewOffsetWriter(to, data), io.NewSectionReader(from, data, hole-data)); err != nil {
			return err
		}
		at = hole
	}
}

// mountLoop makes a detached mount of the file system in a file.
func mountLoop(file *os.File) (int, error) {
	loop, path, err := attachLoop(file)
	if err != nil {
		return -1, err
	}
	defer closeFD(loop) // from now on the mount holds it, and it is cleared with the mount
	return newMount("ext4", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV,
		"source", path, "noinit_itable", "", "nobarrier", "", "discard", "")
}

// attachLoop makes a free loop device that of a file, until its last user is gone.
func attachLoop(file *os.File) (fd int, path string, err error) {
	control, err := unix.Open("/dev/loop-control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, "", &os.PathError{Op: "open", Path: "/dev/loop-control", Err: err}
	}
	defer closeFD(control)
	for range loopTries {
		number, err := unix.IoctlRetInt(control, unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return -1, "", fmt.Errorf("find a free loop device: %w", err)
		}
		path = fmt.Sprintf("/dev/loop%d", number)
		if fd, err = unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
			return -1, "", &os.PathError{Op: "open", Path: path, Err: err}
		}
		config := unix.LoopConfig{Fd: uint32(file.Fd())}
		config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
		err = unix.IoctlLoopConfigure(fd, &config)
		if err == nil {
			return fd, path, nil
		}
		closeFD(fd)
		if !errors.Is(err, unix.EBUSY) {
			return -1, "", fmt.Errorf("set up %s: %w", path, err)
		}
	}
	return -1, "", errors.New("no loop device stays free")
}
