package codestore

import "syscall"

// bootID names the host's present boot.
func bootID() (string, error) { return syscall.Sysctl("kern.bootsessionuuid") }
