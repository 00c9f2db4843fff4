package process

import (
	"os"
	"runtime"
	"testing"

	"github.com/paddock-run/paddock/internal/sandbox"
	"github.com/paddock-run/paddock/internal/sandbox/sandboxtest"
)

func newDriver() (sandbox.Driver, error) { return New(Options{}) }

func TestMain(m *testing.M) { os.Exit(sandboxtest.Main(m, newDriver)) }

func TestDriver(t *testing.T) {
	sandboxtest.Run(t, newDriver, sandboxtest.Capabilities{OpenFiles: runtime.GOOS == "linux"})
}

func BenchmarkDriver(b *testing.B) { sandboxtest.Benchmark(b, newDriver) }
