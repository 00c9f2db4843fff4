// Package linux is the sandbox driver that isolates: it builds each environment
// from namespaces, cgroups, a seccomp filter and a read-only file system with a
// handful of system calls, without a container engine.
//
// It needs Linux 5.12 or later, on amd64 or arm64, and root, or with less a user
// namespace: see Rootless.
package linux

// Network is what an environment's processes can reach.
type Network string

const (
	// NetworkPrivate gives each environment a network of its own, from which it
	// reaches other machines as on AWS, by TCP and UDP over IPv4: not the host,
	// not other environments, not 169.254.0.0/16. Where the host cannot route
	// for environments, they reach nothing, and Isolation says why.
	NetworkPrivate Network = "private"
	// NetworkHost shares the host's network: functions reach what the host
	// reaches, its loopback services and abstract Unix sockets included.
	NetworkHost Network = "host"
	// NetworkNone gives each environment a loopback interface of its own and
	// nothing else.
	NetworkNone Network = "none"
)

// Options are the settings of a driver; the zero value is usable.
type Options struct {
	// Network is NetworkPrivate when empty.
	Network Network
	// Scratch is an existing folder on the disk that is to hold what functions
	// write to /tmp, in files without names; empty: the system's temporary folder.
	Scratch string
	// Spare is how many environments, and their networks and disks, are kept ready
	// in the background for functions to come; 0: 16, and up to 64 where more have
	// started at once of late. Negative: no environments, but networks and disks as
	// with 0. Each takes the kernel about 1 MB.
	Spare int
}
