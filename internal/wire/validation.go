package wire

import (
	"github.com/paddock-run/paddock/internal/wire/schema"
	"github.com/paddock-run/paddock/internal/wire/validate"
)

// checkInput checks in against the constraints of the operation's input.
func checkInput(svc *schema.Service, op *schema.Operation, in any) error {
	if op.Input == schema.NoShape {
		return nil
	}
	return validate.Input(svc, op.Input, in)
}
