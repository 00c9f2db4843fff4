package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/paddock-run/paddock/internal/sandbox"
	"github.com/paddock-run/paddock/internal/sandbox/linux"
	"github.com/paddock-run/paddock/internal/sandbox/process"
)

// chooseDriver makes the sandbox driver, and says why it is that one. "auto"
// takes the linux driver where this host can build its sandboxes, and otherwise
// the process driver with what was missing.
func chooseDriver(ctx context.Context, cfg *Config) (driver sandbox.Driver, why string, err error) {
	switch cfg.Sandbox {
	case "", "auto", "linux":
		// Beside the state, on the disk that the operator chose for it.
		scratch := filepath.Join(cfg.Data, "scratch")
		if err := os.MkdirAll(scratch, 0o700); err != nil {
			return nil, "", err
		}
		d, err := linux.New(linux.Options{Network: linux.Network(cfg.Network), Scratch: scratch})
		if err == nil {
			return d, "", nil
		}
		if cfg.Sandbox == "linux" {
			return nil, "", fmt.Errorf("--sandbox linux cannot be had here: %w", err)
		}
		why = err.Error()
	case "process":
		why = "--sandbox process"
	default:
		return nil, "", fmt.Errorf("--sandbox %s: choose auto, linux or process", cfg.Sandbox)
	}
	driver, err = process.New(process.Options{})
	return driver, why, err
}
