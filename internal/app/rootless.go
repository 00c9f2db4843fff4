package app

import "github.com/paddock-run/paddock/internal/sandbox/linux"

// Rootless is for a process of an ordinary user, and is to be called before Run
// and Doctor: where the linux driver works in a user namespace, and sandbox
// allows for it, this process goes on in one, and Rootless does not return here.
// The error says why not; Run then takes the process driver, or fails where
// sandbox is "linux". The arguments are Config's.
func Rootless(sandbox, network string) error {
	if sandbox == "process" {
		return nil
	}
	return linux.Rootless(linux.Options{Network: linux.Network(network)})
}
