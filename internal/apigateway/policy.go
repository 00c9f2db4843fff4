package apigateway

import (
	"bytes"
	"encoding/json"
)

// maxPolicy is how many bytes a resource policy may have.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
const maxPolicy = 8192

// checkPolicy takes a resource policy and returns it without white space; an
// empty one removes what was there.
func checkPolicy(policy string) (string, error) {
	if policy == "" {
		return "", nil
	}
	var doc struct {
		Statement json.RawMessage
	}
	var compact bytes.Buffer
	if json.Unmarshal([]byte(policy), &doc) != nil || doc.Statement == nil || json.Compact(&compact, []byte(policy)) != nil {
		return "", badRequest("Invalid policy document. Please check the policy syntax and ensure that Principals are valid.")
	}
	if compact.Len() > maxPolicy {
		return "", badRequest("Policy is too large: it can have at most %d bytes", maxPolicy)
	}
	return compact.String(), nil
}
