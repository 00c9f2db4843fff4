// Package rest drives REST APIs through real clients.
package rest

import (
	"testing"

	"github.com/paddock-run/paddock/test/daemon"
)

func TestMain(m *testing.M) { daemon.Main(m) }
