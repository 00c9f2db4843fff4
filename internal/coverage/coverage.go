// Package coverage is how a service says what it does with the settings that
// its API takes. cmd/ generates docs/coverage.md from the tables of all
// services, and from which operations of the generated Handler a service
// implements.
package coverage

// Status says what becomes of a setting.
type Status string

const (
	// Works: the setting has the effect that AWS documents, but for what the
	// note says.
	Works Status = "works"
	// StoredOnly: the setting is checked, kept and returned, and has no effect.
	StoredOnly Status = "stored only"
	// Refused: a request that uses the setting is answered with an error.
	Refused Status = "refused"
)

// Setting is one row: a setting of an operation, named as AWS names it.
type Setting struct {
	// Operation is the operation's name; several are separated by ", ". Empty:
	// the row is about the service as a whole.
	Operation string
	// Setting is the member, with its path where it is nested
	// ("LoggingConfig.LogGroup"). Empty: the row is about the operation.
	Setting string
	Status  Status
	// Note is one or two plain sentences for users. Required unless Status is Works.
	Note string
}
