//go:build !linux

package main

import "errors"

func forbidden() { fail(errors.New("there is no driver with privileges to drop on this system")) }
