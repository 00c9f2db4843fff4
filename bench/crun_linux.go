package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// onHostOfCrun runs f on a thread that does not see cgroups version 2 beside
// version 1, with which crun refuses to work.
func onHostOfCrun(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- func() error {
			if _, err := os.Stat("/sys/fs/cgroup/unified"); err != nil {
				return f()
			}
			if err := syscall.Unshare(syscall.CLONE_NEWNS | syscall.CLONE_FS); err != nil {
				return fmt.Errorf("unshare the mount namespace: %w", err)
			}
			if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
				return fmt.Errorf("make mounts private: %w", err)
			}
			if err := syscall.Unmount("/sys/fs/cgroup/unified", syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) {
				return fmt.Errorf("hide cgroups version 2: %w", err)
			}
			return f()
		}()
	}()
	return <-done
}
