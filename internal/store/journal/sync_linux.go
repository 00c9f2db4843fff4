package journal

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncData makes a file's content durable.
func syncData(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// allocate makes a file that much longer, with zeros.
func allocate(f *os.File, from, length int64) error {
	return unix.Fallocate(int(f.Fd()), 0, from, length)
}
