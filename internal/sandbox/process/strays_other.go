//go:build !linux

package process

import "syscall"

// markerVariable is set for what the operator may look for; this system has no
// way, without cgo, to read another process's environment.
const markerVariable = "PADDOCK_SANDBOX"

func killStrays(string) error                   { return nil }
func killOrphans() error                        { return nil }
func signalStrays(string, syscall.Signal) error { return nil }
func residentPeak(string) (int64, error)        { return 0, nil }
