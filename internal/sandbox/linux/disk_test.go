//go:build linux && (amd64 || arm64)

package linux

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// attached counts the loop devices of files in a folder.
func attached(t *testing.T, dir string) (n int) {
	t.Helper()
	files, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && strings.HasPrefix(string(text), dir+"/") { // it may have gone
			n++
		}
	}
	return n
}

func TestDisks(t *testing.T) {
	needsRoot(t)
	if !hasDisks() {
		t.Skip("no loop devices, or no mkfs.ext4")
	}
	dir := t.TempDir()
	d, err := newDisks(dir, sizes{4, 4})
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{512, 16, 10240} {
		fd, err := d.take(size)
		if err != nil {
			t.Fatal(err)
		}
		var fs unix.Statfs_t
		var root unix.Stat_t
		if err := unix.Fstatfs(fd, &fs); err != nil {
			t.Fatal(err)
		}
		if err := unix.Fstat(fd, &root); err != nil {
			t.Fatal(err)
		}
		if free := int(fs.Bavail * uint64(fs.Bsize) >> 20); free < size-1 || free > size+size/100+1 {
			t.Errorf("a disk for %d MB has room for %d", size, free)
		}
		if root.Uid != userID || root.Gid != groupID || root.Mode&0o777 != 0o700 {
			t.Errorf("a disk for %d MB belongs to %d:%d with mode %o", size, root.Uid, root.Gid, root.Mode)
		}
		closeFD(fd)
	}
	if attached(t, dir) == 0 {
		t.Error("no loop device is in use, though there is a stock")
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); attached(t, dir) > 0; time.Sleep(time.Millisecond) { // the kernel clears them in the background
		if time.Now().After(deadline) {
			t.Fatalf("%d loop devices are left", attached(t, dir))
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("files are left: %v, %v", entries, err)
	}
	if _, err := newDisks(filepath.Join(dir, "missing"), sizes{4, 4}); err == nil {
		t.Error("a folder that is missing was accepted")
	}
}
