package authorizer

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/paddock-run/paddock/internal/gateway/rest"
	"github.com/paddock-run/paddock/internal/restapi"
)

// Tested is what an authorizer said to TestInvokeAuthorizer.
type Tested struct {
	// ClientStatus is the status of the answer that a caller would have got; 0: the
	// authorizer succeeded.
	ClientStatus  int
	PrincipalID   string
	Policy        string              // JSON; empty: none
	Authorization map[string][]string // the context that a Lambda authorizer returned
	Claims        map[string]string
	UsageKey      string
}

// Test asks an authorizer about a request, past its cache, and writes to the
// request's log. Whether the policy that comes back allows the request is for the
// reader to see: it succeeds all the same.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_TestInvokeAuthorizer.html
func (a *Authorizers) Test(ctx context.Context, def *restapi.Authorizer, r *rest.Request) (*Tested, error) {
	if def == nil {
		return nil, errors.New("authorizer: there is none to be tested")
	}
	z, err := a.compile(def)
	if err != nil {
		r.Log("Execution failed due to configuration error: %v", err)
		return &Tested{ClientStatus: http.StatusInternalServerError}, nil
	}
	d, policy, f := z.test(ctx, r)
	if f != nil {
		r.Log("%s", f.Error())
		return &Tested{ClientStatus: f.StatusCode()}, nil
	}
	out := &Tested{PrincipalID: d.PrincipalID, Policy: policy, Claims: d.Claims, UsageKey: d.UsageKey}
	if len(d.Context) > 0 {
		out.Authorization = make(map[string][]string, len(d.Context))
		for name, value := range d.Context {
			text, ok := value.(string)
			if !ok { // a number or a boolean
				raw, err := json.Marshal(value)
				if err != nil {
					return nil, err
				}
				text = string(raw)
			}
			out.Authorization[name] = []string{text}
		}
	}
	return out, nil
}
