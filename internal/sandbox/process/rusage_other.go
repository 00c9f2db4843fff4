//go:build !linux && !darwin

package process

const maxrssUnit = 1024 // ru_maxrss is in KiB
