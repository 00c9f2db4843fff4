package sandboxtest

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/sandbox"
)

// Benchmark measures, for a static Go program that writes one byte: "start" is New
// and Start until the byte is read, "destroy" is Destroy of that, "cycle" is
// Freeze and Thaw. The same for an image of ten layers. The extra metrics are percentiles in milliseconds. A driver that
// is a Settler has settled before each start.
func Benchmark(b *testing.B, newDriver NewDriver) {
	driver, err := newDriver()
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := driver.Close(); err != nil {
			b.Error(err)
		}
	}()
	// Listening is part of what every environment needs.
	begin := func(spec sandbox.Spec, path string) (sandbox.Sandbox, *os.File) {
		spec.ID, spec.MemoryMB = "bench", 512
		s, err := driver.New(context.Background(), &spec)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Listen(9001); err != nil {
			b.Fatal(err)
		}
		_, out := startCommand(b, s, &sandbox.Command{Path: path, Args: []string{program, "byte"}, Dir: "/"})
		if _, err := out.Read(make([]byte, 1)); err != nil {
			b.Fatal(err)
		}
		return s, out
	}
	finish := func(s sandbox.Sandbox, out *os.File) {
		if err := s.Destroy(); err != nil {
			b.Fatal(err)
		}
		if err := out.Close(); err != nil {
			b.Fatal(err)
		}
	}
	code(b)
	measure := func(b *testing.B, spec sandbox.Spec, path string) {
		var starts, destroys []time.Duration
		for b.Loop() {
			if settler, ok := driver.(Settler); ok {
				settler.Settle()
			}
			t0 := time.Now()
			s, out := begin(spec, path)
			t1 := time.Now()
			finish(s, out)
			starts, destroys = append(starts, t1.Sub(t0)), append(destroys, time.Since(t1))
		}
		percentiles(b, "start", starts)
		percentiles(b, "destroy", destroys)
	}
	b.Run("start and destroy", func(b *testing.B) { measure(b, sandbox.Spec{Code: code(b)}, "") })
	b.Run("start and destroy an image", func(b *testing.B) {
		if driver.Name() != "linux" {
			b.Skip("the driver runs none")
		}
		layers := []string{code(b)}
		for range 9 {
			layers = append(layers, folder(b, map[string]string{"file": "text"}))
		}
		measure(b, sandbox.Spec{Root: layers}, "/"+program)
	})
	b.Run("freeze and thaw", func(b *testing.B) {
		s := create(b, driver, sandbox.Spec{})
		start(b, s, "sleep")
		var freezes, thaws []time.Duration
		for b.Loop() {
			t0 := time.Now()
			if err := s.Freeze(); err != nil {
				b.Fatal(err)
			}
			t1 := time.Now()
			if err := s.Thaw(); err != nil {
				b.Fatal(err)
			}
			freezes, thaws = append(freezes, t1.Sub(t0)), append(thaws, time.Since(t1))
		}
		percentiles(b, "freeze", freezes)
		percentiles(b, "thaw", thaws)
	})
}

func percentiles(b *testing.B, name string, all []time.Duration) {
	slices.Sort(all)
	at := func(p float64) float64 {
		return float64(all[int(p*float64(len(all)-1)+0.5)]) / float64(time.Millisecond)
	}
	b.ReportMetric(at(0.5), name+"-p50-ms")
	b.ReportMetric(at(0.99), name+"-p99-ms")
}
