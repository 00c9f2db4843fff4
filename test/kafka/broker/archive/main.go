// Archive makes later starts of the tests' Kafka quicker: see broker.Archive.
package main

import (
	"fmt"
	"os"

	"github.com/paddock-run/paddock/test/kafka/broker"
)

func main() {
	if err := broker.Archive(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
