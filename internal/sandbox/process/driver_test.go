package process

import (
	"os"
	"runtime"
	"testing"

	"github.com/paddock-run/paddock/internal/sandbox"
	"github.com/paddock-run/paddock/internal/sandbox/sandboxtest"
)

var drivers = sandboxtest.Drivers{
	"process": func() (sandbox.Driver, error) { return New(Options{}) },
}

func TestMain(m *testing.M) { os.Exit(sandboxtest.Main(m, drivers)) }

func TestDriver(t *testing.T) {
	drivers.Run(t, "process", sandboxtest.Capabilities{OpenFiles: runtime.GOOS == "linux"})
}

func BenchmarkDriver(b *testing.B) { sandboxtest.Benchmark(b, drivers["process"]) }
