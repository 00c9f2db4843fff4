//go:build !linux

package main

func onHostOfCrun(f func() error) error { return f() }
