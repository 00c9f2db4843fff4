package app

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

const megabyte = 1 << 20

// memoryBudget reads --memory: a share of this machine's memory ("80%"), a size
// ("16GiB", "512MiB"), or 0 for no limit. The result is in MB, at least 1 unless
// there is no limit.
func memoryBudget(text string, machine func() (bytes uint64, err error)) (mb int, err error) {
	wrong := fmt.Errorf("--memory %s: it is a share of the machine's memory such as 80%%, a size such as 16GiB or 512MiB, or 0 for no limit", text)
	if share, ok := strings.CutSuffix(text, "%"); ok {
		percent, err := strconv.ParseFloat(share, 64)
		if err != nil || !(percent > 0 && percent <= 100) {
			return 0, wrong
		}
		bytes, err := machine()
		if err != nil {
			return 0, fmt.Errorf("--memory %s: this machine does not say how much memory it has; give a size such as 16GiB, or 0 for no limit: %w", text, err)
		}
		return max(1, int(float64(bytes)*percent/100/megabyte)), nil
	}
	number, unit := text, 0.0
	for _, u := range []struct {
		name string
		mb   float64
	}{{"GiB", 1024}, {"MiB", 1}} {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			number, unit = rest, u.mb
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil || n < 0 || math.IsNaN(n) || n*unit > math.MaxInt32:
		return 0, wrong
	case n == 0:
		return 0, nil
	case unit == 0:
		return 0, wrong
	}
	return max(1, int(n*unit)), nil
}
