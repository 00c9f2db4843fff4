// Package fault holds an error on its way to a client: what every protocol
// writes in a form of its own.
package fault

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"

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
	// MessageField is the index of Value's own message member, -1 where it has
	// none or it is absent.
	MessageField int
	// QueryCode is the code that a client of a query-compatible service wants
	// in x-amzn-query-error; it is Code for all but modelled errors that
	// declare another.
	QueryCode string
}

// Sender reports whether the client is at fault and need not try again.
func (f *Fault) Sender() bool { return f.Status < 500 }

// LooseMessage is the message that stands in no member of Value, "" where there
// is none: a codec that writes Value's members has to add it.
func (f *Fault) LooseMessage() string {
	if f.Value != nil && f.MessageField >= 0 {
		return ""
	}
	return f.Message
}

// QueryError is the value of x-amzn-query-error: the code and whose fault it is.
func (f *Fault) QueryError() string {
	return f.QueryCode + ";" + f.Blame()
}

// Blame is whose fault it is, in awsQuery's words.
func (f *Fault) Blame() string {
	if f.Sender() {
		return "Sender"
	}
	return "Receiver"
}

// Beside returns the fields of list but the message: XML protocols write that
// one themselves, with a capital letter whatever the model calls it.
func (f *Fault) Beside(list []int) []int {
	return slices.DeleteFunc(slices.Clone(list), func(i int) bool { return i == f.MessageField })
}

// HostID is what S3 calls the extended request ID: long, opaque and, here, of
// no meaning beyond the request's ID.
func HostID(requestID string) string {
	sum := sha256.Sum256([]byte(requestID))
	return base64.StdEncoding.EncodeToString(append(sum[:], sum[:]...)[:56])
}
