package app

import (
	"errors"
	"testing"
)

func TestMemoryBudget(t *testing.T) {
	machine := func() (uint64, error) { return 10 << 30, nil }
	for text, want := range map[string]int{
		"80%": 8192, "100%": 10240, "0.5%": 51, "0": 0, "0GiB": 0, "16GiB": 16384, "1.5GiB": 1536, "512MiB": 512, "0.1MiB": 1,
		"": -1, "80": -1, "0%": -1, "101%": -1, "-1GiB": -1, "NaN%": -1, "NaNGiB": -1, "1e300GiB": -1, "16GB": -1, "%": -1,
	} {
		got, err := memoryBudget(text, machine)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %d, want %d (%v)", text, got, want, err)
		}
	}
	if _, err := memoryBudget("80%", func() (uint64, error) { return 0, errors.New("no") }); err == nil {
		t.Error("a machine that does not say what it has")
	}
}
