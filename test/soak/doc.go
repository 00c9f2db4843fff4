// Package soak lets a Paddock run functions for minutes that crash, hang, use up
// their memory, leave processes behind and change under way, and looks at what
// the daemon holds on to. make soak DURATION=10m.
package soak
