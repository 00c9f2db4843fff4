//go:build !linux && !darwin

package codestore

import "errors"

func bootID() (string, error) { return "", errors.ErrUnsupported }
