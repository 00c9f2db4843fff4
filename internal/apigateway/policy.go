package apigateway

import (
	"bytes"
	"encoding/json"
	"strings"

	policydoc "github.com/paddock-run/paddock/internal/policy"
)

// maxPolicy is how many bytes a resource policy may have.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
const maxPolicy = 8192

// checkPolicy takes a resource policy and returns it without white space; an
// empty one removes what was there. As at AWS, the document may also be escaped
// as a JSON string is, with quotation marks around it or without: that is how
// policyView shows it, and clients send back what they saw.
func checkPolicy(policy string) (string, error) {
	if policy == "" {
		return "", nil
	}
	var unescaped string
	if json.Unmarshal([]byte(policy), &unescaped) == nil || json.Unmarshal([]byte(`"`+policy+`"`), &unescaped) == nil {
		policy = unescaped
	}
	var compact bytes.Buffer
	if _, err := policydoc.Parse([]byte(policy), policydoc.Resource); err != nil || json.Compact(&compact, []byte(policy)) != nil {
		return "", badRequest("Invalid policy document. Please check the policy syntax and ensure that Principals are valid.")
	}
	if compact.Len() > maxPolicy {
		return "", badRequest("Policy is too large: it can have at most %d bytes", maxPolicy)
	}
	return compact.String(), nil
}

// policyView is a policy as AWS shows it: escaped as in a JSON string, slashes
// too, without the quotation marks around it. Clients (Terraform for one) count
// on that.
func policyView(policy string) string { return policyEscapes.Replace(policy) }

var policyEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `/`, `\/`)
