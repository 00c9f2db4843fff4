// Package fault holds an error on its way to a client: what every protocol
// writes in a form of its own.
package fault

import (
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// Fault is an error as a client is to see it.
type Fault struct {
	Status int    // HTTP status
	Code   string // the code on the wire, without a namespace
	// Message may be empty, where a modelled error has none.
	Message   string
	RequestID string
	// Shape and Value are the modelled exception; Value is nil where the error
	// is not of the model.
	Shape schema.ShapeID
	Value any
	// QueryCode is the code that a client of a query-compatible service wants
	// in x-amzn-query-error; it is Code for all but modelled errors that
	// declare another.
	QueryCode string
}

// Sender reports whether the client is at fault and need not try again.
func (f *Fault) Sender() bool { return f.Status < 500 }
