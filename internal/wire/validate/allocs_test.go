//go:build !race

package validate_test

import (
	"testing"

	"github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/wire/validate"
)

// The race detector makes sync.Pool drop what it holds, so this runs without.
func TestNoAllocations(t *testing.T) {
	for name, in := range rightInputs() {
		id := inputOf(t, &lambda.Service, name)
		if err := validate.Input(&lambda.Service, id, in); err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { _ = validate.Input(&lambda.Service, id, in) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
