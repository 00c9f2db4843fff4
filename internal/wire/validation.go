package wire

import "github.com/paddock-run/paddock/internal/wire/schema"

// checkInput checks in against the constraints of the operation's input.
func checkInput(svc *schema.Service, op *schema.Operation, in any) error {
	return nil
}
