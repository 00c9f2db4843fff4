//go:build !linux || !(amd64 || arm64)

package linux

import (
	"fmt"
	"runtime"

	"github.com/paddock-run/paddock/internal/sandbox"
)

// New fails: this system has no such driver.
func New(Options) (sandbox.Driver, error) {
	return nil, fmt.Errorf("the linux sandbox driver needs Linux on amd64 or arm64; this is %s on %s", runtime.GOOS, runtime.GOARCH)
}

// Rootless does nothing: what it is for is said by New.
func Rootless(Options) error { return nil }

// Examine says that this system has no such driver.
func Examine(Options) (findings []Finding, usable bool) {
	return []Finding{{
		Name: "sandbox", Lacking: true,
		Found:  fmt.Sprintf("functions cannot be isolated on %s/%s: they run as this user", runtime.GOOS, runtime.GOARCH),
		Remedy: "run Paddock in a Linux virtual machine (amd64 or arm64) to isolate functions",
	}}, false
}
