//go:build linux && (amd64 || arm64)

package linux

import (
	"os"
	"testing"

	"github.com/paddock-run/paddock/internal/sandbox"
	"github.com/paddock-run/paddock/internal/sandbox/sandboxtest"
)

func with(network Network) func() (sandbox.Driver, error) {
	return func() (sandbox.Driver, error) { return New(Options{Network: network}) }
}

func TestMain(m *testing.M) { os.Exit(sandboxtest.Main(m, with(NetworkHost))) }

// needsRoot skips what cannot be tried as another user. What root lacks is a
// failure.
func needsRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("the driver needs root")
	}
}

func TestDriver(t *testing.T) {
	needsRoot(t)
	h, why := findHierarchy()
	if why != nil {
		t.Logf("cgroups: %v", why)
	}
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
	for _, network := range []Network{NetworkHost, NetworkNone} {
		t.Run(string(network), func(t *testing.T) {
			sandboxtest.Run(t, with(network), sandboxtest.Capabilities{
				FileSystem: true,
				Processes:  true,
				Privileges: true,
				Memory:     h.has(memoryController),
				Forks:      h.has(pidsController),
				OpenFiles:  true,
				Network:    network == NetworkNone,
			})
		})
	}
}

func BenchmarkDriver(b *testing.B) {
	needsRoot(b)
	for _, network := range []Network{NetworkHost, NetworkNone} {
		b.Run(string(network), func(b *testing.B) { sandboxtest.Benchmark(b, with(network)) })
	}
}
