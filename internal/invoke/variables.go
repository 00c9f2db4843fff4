package invoke

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/paddock-run/paddock/internal/sandbox"
)

// Credentials are what a function signs its own AWS requests with. An empty
// SessionToken is none.
type Credentials struct{ AccessKeyID, SecretAccessKey, SessionToken string }

// randomCredentials look like those of an assumed role.
func randomCredentials() Credentials {
	var b [10 + 30 + 120]byte
	_, _ = rand.Read(b[:]) // never fails
	return Credentials{
		AccessKeyID:     "ASIA" + base32.StdEncoding.EncodeToString(b[:10]),
		SecretAccessKey: base64.StdEncoding.EncodeToString(b[10:40]),
		SessionToken:    base64.StdEncoding.EncodeToString(b[40:]),
	}
}

// reserved are the variables that a function cannot set for itself.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
var reserved = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
	"AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
	"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
	"AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
	"AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "_LAMBDA_TELEMETRY_LOG_FD",
}

// variables is the whole environment of an environment's processes: what the
// runtime needs, under the function's own variables, under those that are
// reserved. Nothing of the daemon's own environment is in it.
func (e *environment) variables(runtime []string, layout sandbox.Layout, api string) []string {
	v := e.v
	vars := make(map[string]string, 32+len(v.Environment))
	for _, entry := range runtime {
		key, value, _ := strings.Cut(entry, "=")
		vars[key] = value
	}
	vars["AWS_XRAY_CONTEXT_MISSING"] = "LOG_ERROR"
	if e.aws != nil {
		vars["AWS_ENDPOINT_URL"] = e.aws.url
	}
	if layout.Tmp != "/tmp" {
		vars["TMPDIR"] = layout.Tmp
	}
	vars["AWS_LAMBDA_LOG_FORMAT"] = "Text"
	if v.LogFormat == "JSON" {
		vars["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
		vars["AWS_LAMBDA_LOG_LEVEL"] = "INFO"
		if v.ApplicationLogLevel != "" {
			vars["AWS_LAMBDA_LOG_LEVEL"] = v.ApplicationLogLevel
		}
	}
	for key, value := range v.Environment {
		if !slices.Contains(reserved, key) {
			vars[key] = value
		}
	}
	vars["_HANDLER"] = v.Handler
	vars["AWS_REGION"] = v.Region
	vars["AWS_DEFAULT_REGION"] = v.Region
	vars["AWS_LAMBDA_FUNCTION_NAME"] = v.Name
	vars["AWS_LAMBDA_FUNCTION_VERSION"] = v.Version
	vars["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] = strconv.Itoa(v.MemoryMB)
	vars["AWS_LAMBDA_INITIALIZATION_TYPE"] = initialization(e.provisioned)
	vars["AWS_LAMBDA_LOG_GROUP_NAME"] = e.log.group
	vars["AWS_LAMBDA_LOG_STREAM_NAME"] = e.log.stream
	vars["AWS_LAMBDA_RUNTIME_API"] = api
	vars["AWS_ACCESS_KEY_ID"] = e.credentials.AccessKeyID
	vars["AWS_SECRET_ACCESS_KEY"] = e.credentials.SecretAccessKey
	if e.credentials.SessionToken != "" {
		vars["AWS_SESSION_TOKEN"] = e.credentials.SessionToken
	}
	vars["_LAMBDA_TELEMETRY_LOG_FD"] = strconv.Itoa(telemetryFD)
	list := make([]string, 0, len(vars))
	for key, value := range vars {
		list = append(list, key+"="+value)
	}
	slices.Sort(list)
	return list
}
