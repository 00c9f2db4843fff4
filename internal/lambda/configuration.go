package lambda

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/lambda"
)

// Limits of a function's configuration that the model does not state.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const (
	maxNameLength  = 64
	maxTimeout     = 900   // seconds
	maxMemory      = 10240 // MB; the model's 32768 is for managed instances
	maxEnvironment = 4096  // bytes of the variables as a JSON object
	maxTags        = 50
)

// settings are what CreateFunction and UpdateFunctionConfiguration have in
// common; nil is absent.
type settings struct {
	Runtime                *api.Runtime
	Role                   *string
	Handler                *string
	Description            *string
	Timeout                *int32
	MemorySize             *int32
	VpcConfig              *api.VpcConfig
	DeadLetterConfig       *api.DeadLetterConfig
	Environment            *api.Environment
	KMSKeyArn              *string
	TracingConfig          *api.TracingConfig
	FileSystemConfigs      []*api.FileSystemConfig
	ImageConfig            *api.ImageConfig
	EphemeralStorage       *api.EphemeralStorage
	SnapStart              *api.SnapStart
	LoggingConfig          *api.LoggingConfig
	CapacityProviderConfig *api.CapacityProviderConfig
	DurableConfig          *api.DurableConfig
}

// check refuses what AWS refuses beyond the model's own constraints, and what
// Paddock would have to ignore. Empty values of unsupported settings pass:
// tools send them to mean "none".
func (c *settings) check() error {
	if c.Runtime != nil {
		if err := checkRuntime(*c.Runtime); err != nil {
			return err
		}
	}
	if c.Timeout != nil && *c.Timeout > maxTimeout {
		return invalidParameter("1 validation error detected: Value '%d' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to %d", *c.Timeout, maxTimeout)
	}
	if c.MemorySize != nil && *c.MemorySize > maxMemory {
		return invalidParameter("'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to %d", maxMemory)
	}
	if v := c.VpcConfig; v != nil && (len(v.SubnetIds) > 0 || len(v.SecurityGroupIds) > 0 || deref(v.Ipv6AllowedForDualStack)) {
		return unsupported("VpcConfig")
	}
	if deref(c.KMSKeyArn) != "" {
		return unsupported("KMSKeyArn")
	}
	if len(c.FileSystemConfigs) > 0 {
		return unsupported("FileSystemConfigs")
	}
	if c.SnapStart != nil && deref(c.SnapStart.ApplyOn) == api.SnapStartApplyOnPublishedVersions {
		return unsupported("SnapStart on PublishedVersions")
	}
	if c.CapacityProviderConfig != nil {
		return unsupported("CapacityProviderConfig")
	}
	if c.DurableConfig != nil {
		return unsupported("DurableConfig")
	}
	if c.Environment != nil {
		return checkEnvironment(c.Environment.Variables)
	}
	return nil
}

// reservedVariables cannot be set by a function's configuration.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
var reservedVariables = map[string]bool{
	"_HANDLER": true, "_X_AMZN_TRACE_ID": true,
	"AWS_DEFAULT_REGION": true, "AWS_REGION": true, "AWS_EXECUTION_ENV": true,
	"AWS_LAMBDA_FUNCTION_NAME": true, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": true,
	"AWS_LAMBDA_FUNCTION_VERSION": true, "AWS_LAMBDA_INITIALIZATION_TYPE": true,
	"AWS_LAMBDA_LOG_GROUP_NAME": true, "AWS_LAMBDA_LOG_STREAM_NAME": true,
	"AWS_ACCESS_KEY": true, "AWS_ACCESS_KEY_ID": true, "AWS_SECRET_ACCESS_KEY": true,
	"AWS_SESSION_TOKEN": true, "AWS_LAMBDA_RUNTIME_API": true,
	"LAMBDA_TASK_ROOT": true, "LAMBDA_RUNTIME_DIR": true,
}

func checkEnvironment(vars map[string]string) error {
	var reserved []string
	for name, value := range vars {
		if reservedVariables[name] {
			reserved = append(reserved, name)
		}
		if strings.ContainsRune(value, 0) {
			// The kernel ends a variable at a NUL: the function would see another value.
			return invalidParameter("Environment variable %s has a NUL character in its value.", name)
		}
	}
	if len(reserved) > 0 {
		slices.Sort(reserved)
		return invalidParameter("Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: %s", strings.Join(reserved, ", "))
	}
	var measured strings.Builder
	enc := json.NewEncoder(&measured)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(vars); err != nil {
		return err
	}
	if s := strings.TrimSuffix(measured.String(), "\n"); len(s) > maxEnvironment {
		return invalidParameter("Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: %s", s)
	}
	return nil
}

// applyTo writes the settings that are present into v.
func (c *settings) applyTo(v *versionDoc, name string) error {
	if c.Runtime != nil {
		v.Runtime = string(*c.Runtime)
	}
	set(&v.Role, c.Role)
	set(&v.Handler, c.Handler)
	set(&v.Description, c.Description)
	set(&v.Timeout, c.Timeout)
	set(&v.MemorySize, c.MemorySize)
	if c.Environment != nil {
		v.Environment = maps.Clone(c.Environment.Variables)
		if v.Environment == nil {
			v.Environment = map[string]string{}
		}
	}
	if c.TracingConfig != nil && c.TracingConfig.Mode != nil {
		v.Tracing = string(*c.TracingConfig.Mode)
	}
	if c.EphemeralStorage != nil {
		set(&v.Ephemeral, c.EphemeralStorage.Size)
	}
	if c.ImageConfig != nil && v.Image != nil {
		v.Image = v.Image.with(c.ImageConfig)
	}
	if c.DeadLetterConfig != nil {
		v.DeadLetter = deref(c.DeadLetterConfig.TargetArn)
	}
	if c.LoggingConfig != nil {
		return applyLogging(&v.Logging, c.LoggingConfig, name)
	}
	return nil
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// applyLogging changes what l names and keeps the rest. Levels exist with the
// JSON format only: they become INFO where they are not given, and are dropped
// with Text.
// https://docs.aws.amazon.com/lambda/latest/api/API_LoggingConfig.html
func applyLogging(to *loggingDoc, l *api.LoggingConfig, name string) error {
	if l.LogFormat != nil {
		to.Format = string(*l.LogFormat)
	}
	set(&to.Group, l.LogGroup)
	if to.Group == "" {
		to.Group = defaultLogGroup(name)
	}
	if to.Format != string(api.LogFormatJson) {
		if l.ApplicationLogLevel != nil || l.SystemLogLevel != nil {
			return invalidParameter("ApplicationLogLevel and SystemLogLevel can only be set when LogFormat is JSON.")
		}
		to.Application, to.System = "", ""
		return nil
	}
	if l.ApplicationLogLevel != nil {
		to.Application = string(*l.ApplicationLogLevel)
	}
	if l.SystemLogLevel != nil {
		to.System = string(*l.SystemLogLevel)
	}
	if to.Application == "" {
		to.Application = string(api.ApplicationLogLevelInfo)
	}
	if to.System == "" {
		to.System = string(api.SystemLogLevelInfo)
	}
	return nil
}

func defaultLogGroup(name string) string { return "/aws/lambda/" + name }

// configuration is how a version is described. qualifier is what the caller
// named it by: the ARN repeats it.
func (v *version) configuration(r ref, qualifier string) *api.FunctionConfiguration {
	c := v.listed(r, qualifier)
	v.show(c)
	if v.doc.Image != nil {
		return c
	}
	c.RuntimeVersionConfig = &api.RuntimeVersionConfig{RuntimeVersionArn: new(runtimeVersionARN(r.partition, r.region, v.doc.Runtime))}
	return c
}

// listed is how a version is described in lists: without its state.
func (v *version) listed(r ref, qualifier string) *api.FunctionConfiguration {
	d := v.doc
	c := &api.FunctionConfiguration{
		FunctionName:     new(r.name),
		FunctionArn:      new(qualify(r.arn(), qualifier)),
		Runtime:          new(api.Runtime(d.Runtime)),
		Role:             new(d.Role),
		Handler:          new(d.Handler),
		CodeSize:         new(d.CodeSize),
		Description:      new(d.Description),
		Timeout:          new(d.Timeout),
		MemorySize:       new(d.MemorySize),
		LastModified:     new(d.LastModified.UTC().Format("2006-01-02T15:04:05.000-0700")),
		CodeSha256:       new(d.shownSHA256()),
		Version:          new(d.Version),
		TracingConfig:    &api.TracingConfigResponse{Mode: new(api.TracingMode(d.Tracing))},
		RevisionId:       new(d.RevisionID),
		PackageType:      new(api.PackageTypeZip),
		Architectures:    []api.Architecture{api.Architecture(d.Architecture)},
		EphemeralStorage: &api.EphemeralStorage{Size: new(d.Ephemeral)},
		SnapStart: &api.SnapStartResponse{
			ApplyOn: new(api.SnapStartApplyOnNone), OptimizationStatus: new(api.SnapStartOptimizationStatusOff),
		},
		LoggingConfig: &api.LoggingConfig{LogFormat: new(api.LogFormat(d.Logging.Format)), LogGroup: new(d.Logging.Group)},
	}
	c.Layers = describeLayers(d.Layers)
	if d.Image != nil {
		d.Image.describe(c)
	}
	if d.DeadLetter != "" {
		c.DeadLetterConfig = &api.DeadLetterConfig{TargetArn: new(d.DeadLetter)}
	}
	if d.Environment != nil {
		c.Environment = &api.EnvironmentResponse{Variables: d.Environment}
	}
	if d.Logging.Application != "" {
		c.LoggingConfig.ApplicationLogLevel = new(api.ApplicationLogLevel(d.Logging.Application))
		c.LoggingConfig.SystemLogLevel = new(api.SystemLogLevel(d.Logging.System))
	}
	return c
}

// codeSHA256 is a hash as the API shows it: base64 of the bytes.
func codeSHA256(hexSum string) string {
	b, err := hex.DecodeString(hexSum)
	if err != nil {
		return "" // no hash of ours: it came from the store's own
	}
	return base64.StdEncoding.EncodeToString(b)
}

// runtimeVersionARN names the version of a managed runtime. Paddock has one a
// runtime identifier, so the name follows from that.
func runtimeVersionARN(partition, region, name string) string {
	sum := sha256.Sum256([]byte("paddock/" + name))
	return "arn:" + partition + ":lambda:" + region + "::runtime:" + hex.EncodeToString(sum[:])
}

// checkTags applies the rules for tags that AWS documents.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html
func checkTags(tags map[string]string) error {
	for k, v := range tags {
		switch {
		case k == "" || len([]rune(k)) > 128:
			return invalidParameter("Tag keys must have 1 to 128 characters.")
		case len([]rune(v)) > 256:
			return invalidParameter("Tag values must have at most 256 characters.")
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return invalidParameter("Tag keys that begin with aws: are reserved for AWS use.")
		}
	}
	if len(tags) > maxTags {
		return invalidParameter("Number of tags exceeds resource tag limit.")
	}
	return nil
}
