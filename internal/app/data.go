package app

import (
	"os"
	"path/filepath"
)

// DefaultData is where the state is unless --data says otherwise: in the user's
// own folder for such things, else below the working directory.
func DefaultData() string {
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "paddock")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ".paddock"
	}
	return filepath.Join(home, ".local", "share", "paddock")
}
