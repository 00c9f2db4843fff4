package rest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// variable is the value of a $context variable, as text; ok is false where it
// has none. Some mean something in access logs only.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
func (c *call) variable(name string) (value string, ok bool) {
	if rest, found := strings.CutPrefix(name, "identity."); found {
		return c.identityVariable(rest)
	}
	if rest, found := strings.CutPrefix(name, "authorizer."); found {
		return c.authorizerVariable(rest)
	}
	switch name {
	case "accountId":
		return c.API.Account, true
	case "apiId":
		return c.API.ID, true
	case "deploymentId":
		return c.deploymentID(), true
	case "domainName":
		return c.DomainName(), true
	case "domainPrefix":
		return domainPrefix(c.DomainName()), true
	case "extendedRequestId":
		return c.ExtendedID, true
	case "httpMethod":
		return c.HTTPMethod, true
	case "isCanaryRequest":
		return strconv.FormatBool(c.Canary), true
	case "path":
		return c.contextPath(), true
	case "protocol":
		return "HTTP/1.1", true // what AWS says of HTTP/2 too
	case "requestId":
		return c.ID, true
	case "requestTime":
		return c.start.UTC().Format(clfTime), true
	case "requestTimeEpoch":
		return strconv.FormatInt(c.start.UnixMilli(), 10), true
	case "stage":
		return c.Stage.Name, true
	case "xrayTraceId":
		root, _, _ := strings.Cut(strings.TrimPrefix(c.TraceID, "Root="), ";")
		return root, true
	case "customDomain.basePathMatched":
		return c.BasePath, c.Domain != ""
	}
	if c.method != nil {
		switch name {
		case "resourceId":
			return c.Resource.ID, true
		case "resourcePath":
			return c.Resource.Path, true
		case "operationName":
			return c.Method.OperationName, c.Method.OperationName != ""
		}
	}
	return c.outcome(name)
}

const clfTime = "02/Jan/2006:15:04:05 +0000"

// contextPath is the path with the stage, or with the base path that led to it.
func (c *call) contextPath() string {
	if c.Domain == "" {
		return "/" + c.Stage.Name + c.path
	}
	if c.BasePath == "" {
		return c.path
	}
	return "/" + c.BasePath + c.path
}

func (c *call) deploymentID() string {
	if c.Canary {
		return c.Stage.Canary.DeploymentID
	}
	return c.Stage.DeploymentID
}

func (c *call) identityVariable(name string) (string, bool) {
	if part, ok := strings.CutPrefix(name, "clientCert."); ok {
		return c.clientCertificate().variable(part)
	}
	switch name {
	case "sourceIp":
		return c.SourceIP(), true
	case "userAgent":
		ua := c.HTTP.Header.Get("User-Agent")
		return ua, ua != ""
	case "apiKey":
		if c.key != nil {
			return c.key.Value, true
		}
	case "apiKeyId":
		if c.key != nil {
			return c.key.ID, true
		}
	}
	if c.decision == nil || c.decision.Caller == nil {
		return "", false
	}
	who := c.decision.Caller
	value := map[string]string{
		"accountId": who.AccountID, "accessKey": who.AccessKey, "caller": who.Caller, "user": who.User, "userArn": who.UserARN,
		"principalOrgId": who.PrincipalOrgID, "cognitoIdentityId": who.CognitoIdentityID, "cognitoIdentityPoolId": who.CognitoIdentityPoolID,
		"cognitoAuthenticationType": who.CognitoAuthenticationType, "cognitoAuthenticationProvider": who.CognitoAuthenticationProvider,
	}[name]
	return value, value != ""
}

func (c *call) authorizerVariable(name string) (string, bool) {
	d := c.decision
	if d == nil {
		return "", false
	}
	switch name {
	case "principalId":
		return d.PrincipalID, d.PrincipalID != ""
	case "latency", "integrationLatency":
		return strconv.FormatInt(d.LatencyMS, 10), true
	case "status", "integrationStatus":
		return strconv.Itoa(d.Status), d.Status != 0
	case "requestId":
		return d.RequestID, d.RequestID != ""
	}
	if claim, ok := strings.CutPrefix(name, "claims."); ok {
		v, ok := d.Claims[claim]
		return v, ok
	}
	v, ok := d.Context[name]
	if !ok || v == nil {
		return "", false
	}
	return text(v), true
}

// text is a value of an authorizer's context as a string.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// outcome are the variables that are known at the end of a request.
func (c *call) outcome(name string) (string, bool) {
	switch name {
	case "status":
		return strconv.Itoa(c.status), c.status != 0
	case "responseLength":
		return strconv.FormatInt(c.responseLength, 10), true
	case "responseLatency":
		return strconv.FormatInt(c.responseLatency.Milliseconds(), 10), true
	case "integrationLatency", "integration.latency":
		return strconv.FormatInt(c.integrationLatency.Milliseconds(), 10), c.integrated
	case "integrationStatus", "integration.integrationStatus":
		return strconv.Itoa(c.integrationStatus), c.integrationStatus != 0
	case "integration.status":
		return strconv.Itoa(c.backendStatus), c.backendStatus != 0
	case "integrationErrorMessage", "integration.error":
		return c.integrationError, c.integrationError != ""
	case "awsEndpointRequestId", "integration.requestId":
		return c.endpointRequestID, c.endpointRequestID != ""
	}
	f := c.failure
	if f == nil {
		return "", false
	}
	switch name {
	case "error.message":
		return f.message(), !f.null()
	case "error.messageString":
		if f.null() {
			return "null", true
		}
		return quote(f.message()), true
	case "error.responseType":
		return f.of().name, true
	case "error.validationErrorString":
		return f.Validation, f.Validation != ""
	case "authorize.error", "authenticate.error", "authorizer.error":
		switch f.of() {
		case accessDenied, unauthorized, authorizerFailure, authorizerConfiguration, expiredToken, invalidSignature:
			return f.Error(), true
		}
	}
	return "", false
}

// traceID is the request's X-Ray header, or a new root.
// https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
func traceID(r *http.Request, now time.Time) string {
	if id := r.Header.Get("X-Amzn-Trace-Id"); id != "" {
		return id
	}
	var b [12]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails
	text := make([]byte, 0, 35)
	text = append(text, "Root=1-"...)
	epoch := uint32(now.Unix())
	text = hex.AppendEncode(text, []byte{byte(epoch >> 24), byte(epoch >> 16), byte(epoch >> 8), byte(epoch)})
	text = append(text, '-')
	return string(hex.AppendEncode(text, b[:]))
}

// extendedID is the X-Amz-Apigw-Id of a request: of another form than its ID, and
// as unique.
func extendedID(requestID string) string {
	var raw [16]byte
	n := 0
	for i := 0; i < len(requestID) && n < 32; i++ {
		digit := fromHex(requestID[i])
		if digit < 0 {
			continue
		}
		raw[n/2] = raw[n/2]<<4 | byte(digit)
		n++
	}
	var text [16]byte
	base64.StdEncoding.Encode(text[:], raw[:11])
	return string(text[:])
}

func fromHex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
