//go:build !linux

package process

// markerVariable is set for what the operator may look for; this system has no
// way, without cgo, to read another process's environment.
const markerVariable = "PADDOCK_SANDBOX"

// strays are not found on this system.
type strays struct{}

func (strays) stop(string, map[int]bool) error { return nil }
func (strays) resume() error                   { return nil }
func (strays) forget() error                   { return nil }

func killStrays(string) error            { return nil }
func killOrphans() error                 { return nil }
func residentPeak(string) (int64, error) { return 0, nil }
