package linux

// Finding is a part of what this driver needs of a host, and what it found.
type Finding struct {
	Name  string // "cgroups"
	Found string // for people
	// Lacking is set where functions are less isolated, or less limited, than on
	// a host that has everything, or the driver does not work at all.
	Lacking bool
	Remedy  string // how to get what is lacking; may be empty
}
