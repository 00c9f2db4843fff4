//go:build !linux

package journal

import "os"

// syncData makes a file's content durable.
func syncData(f *os.File) error { return f.Sync() }

// allocate does nothing here: files grow as they are written.
func allocate(*os.File, int64, int64) error { return nil }
