package invoke

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/runtimeapi"
)

// What an invocation came to, as REPORT and platform.report have it.
// https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html#Status
const (
	statusSuccess = "success"
	statusError   = "error"
	statusTimeout = "timeout"
)

// report is what the log says about a finished invocation.
type report struct {
	status    string
	errorType string // of an error; may be empty
	// reported: by the function itself, which the text form of the REPORT line
	// passes over.
	reported bool
	duration time.Duration
	init     time.Duration // 0: not the environment's first invocation
	memoryMB int           // the most that was used
	after    time.Duration // of duration: the extensions, after the runtime
}

// platform words the platform's own messages of one environment, as text or as
// JSON, as the function's LogFormat wants.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html
type platform struct {
	v       *function.Version
	stream  string
	json    bool
	runtime string // "python:3.13"
	arn     string // of the runtime version

	initialization string // "on-demand" or "provisioned-concurrency"
}

func newPlatform(v *function.Version, stream, initialization string) *platform {
	name := strings.TrimSuffix(v.Runtime, ".x")
	if i := strings.IndexAny(name, "0123456789"); i > 0 && !strings.HasPrefix(name, "provided") {
		name = name[:i] + ":" + name[i:]
	} else {
		name = strings.Replace(name, ".", ":", 1)
	}
	partition := "aws"
	if parts := strings.SplitN(v.ARN, ":", 3); len(parts) == 3 {
		partition = parts[1]
	}
	sum := sha256.Sum256([]byte("paddock/" + v.Runtime)) // as GetFunction's RuntimeVersionConfig has it
	return &platform{
		v: v, stream: stream, json: v.LogFormat == "JSON", initialization: initialization,
		runtime: name,
		arn:     "arn:" + partition + ":lambda:" + v.Region + "::runtime:" + hex.EncodeToString(sum[:]),
	}
}

func (p *platform) document(kind string, record any) string {
	b, err := json.Marshal(struct {
		Time   string `json:"time"`
		Type   string `json:"type"`
		Record any    `json:"record"`
	}{time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), kind, record})
	if err != nil { // strings and numbers: a NaN at most
		return ""
	}
	return string(b) + "\n"
}

// wants tells whether a message of that level passes the function's
// SystemLogLevel, which only the JSON format has.
func (p *platform) wants(level string) bool {
	switch p.v.SystemLogLevel {
	case "DEBUG":
		return true
	case "WARN":
		return level == "WARN"
	}
	return level != "DEBUG"
}

func (p *platform) initStart() string {
	if !p.json {
		return "INIT_START Runtime Version: " + p.runtime + "\tRuntime Version ARN: " + p.arn + "\n"
	}
	if !p.wants("INFO") {
		return ""
	}
	return p.document("platform.initStart", struct {
		InitializationType string `json:"initializationType"`
		Phase              string `json:"phase"`
		RuntimeVersion     string `json:"runtimeVersion"`
		RuntimeVersionARN  string `json:"runtimeVersionArn"`
		FunctionName       string `json:"functionName"`
		FunctionVersion    string `json:"functionVersion"`
		InstanceID         string `json:"instanceId"`
		InstanceMaxMemory  int    `json:"instanceMaxMemory"`
	}{p.initialization, "init", p.runtime, p.arn, p.v.Name, p.v.Version, p.stream, p.v.MemoryMB << 20})
}

// initReport is only said of an initialization that failed.
func (p *platform) initReport(phase string, took time.Duration, status, errorType string) string {
	if !p.json {
		line := fmt.Sprintf("INIT_REPORT Init Duration: %.2f ms\tPhase: %s\tStatus: %s", ms(took), phase, status)
		if status == statusError {
			line += "\tError Type: " + errorType
		}
		return line + "\n"
	}
	if !p.wants("WARN") {
		return ""
	}
	return p.document("platform.initReport", struct {
		InitializationType string             `json:"initializationType"`
		Phase              string             `json:"phase"`
		Status             string             `json:"status"`
		ErrorType          string             `json:"errorType,omitempty"`
		Metrics            map[string]float64 `json:"metrics"`
	}{p.initialization, phase, status, errorType, map[string]float64{"durationMs": ms(took)}})
}

// extension tells of an extension at the end of Init.
func (p *platform) extension(x *runtimeapi.Extension) string {
	if !p.json {
		line := "EXTENSION\tName: " + x.Name + "\tState: " + x.State + "\tEvents: [" + strings.Join(x.Events, ",") + "]"
		if x.ErrorType != "" {
			line += "\tError Type: " + x.ErrorType
		}
		return line + "\n"
	}
	level := "INFO"
	if x.ErrorType != "" {
		level = "WARN"
	}
	if !p.wants(level) {
		return ""
	}
	return p.document("platform.extension", extensionRecord(x))
}

// extensionRecord is the record of platform.extension.
func extensionRecord(x *runtimeapi.Extension) any {
	return struct {
		Name      string   `json:"name"`
		State     string   `json:"state"`
		Events    []string `json:"events"`
		ErrorType string   `json:"errorType,omitempty"`
	}{x.Name, x.State, append([]string{}, x.Events...), x.ErrorType}
}

func (p *platform) start(inv *function.Invocation) string {
	if !p.json {
		return "START RequestId: " + inv.RequestID + " Version: " + p.v.Version + "\n"
	}
	if !p.wants("INFO") {
		return ""
	}
	return p.document("platform.start", struct {
		RequestID   string `json:"requestId"`
		FunctionARN string `json:"functionArn"`
		Version     string `json:"version"`
	}{inv.RequestID, p.v.ARN, p.v.Version})
}

func (p *platform) end(inv *function.Invocation) string {
	if p.json {
		return "" // platform.report is the end
	}
	return "END RequestId: " + inv.RequestID + "\n"
}

func (p *platform) report(inv *function.Invocation, trace string, r *report) string {
	billed := int64(math.Ceil(ms(r.duration + r.init)))
	if p.json {
		return p.reportDocument(inv, trace, r, billed)
	}
	b := make([]byte, 0, 256)
	b = append(b, "REPORT RequestId: "...)
	b = append(b, inv.RequestID...)
	b = append(b, "\tDuration: "...)
	b = strconv.AppendFloat(b, ms(r.duration), 'f', 2, 64)
	b = append(b, " ms\tBilled Duration: "...)
	b = strconv.AppendInt(b, billed, 10)
	b = append(b, " ms\tMemory Size: "...)
	b = strconv.AppendInt(b, int64(p.v.MemoryMB), 10)
	b = append(b, " MB\tMax Memory Used: "...)
	b = strconv.AppendInt(b, int64(r.memoryMB), 10)
	b = append(b, " MB\t"...)
	if r.init > 0 {
		b = append(b, "Init Duration: "...)
		b = strconv.AppendFloat(b, ms(r.init), 'f', 2, 64)
		b = append(b, " ms\t"...)
	}
	if r.status != statusSuccess && !r.reported {
		b = append(b, "Status: "...)
		b = append(b, r.status...)
		if r.status == statusError {
			b = append(b, "\tError Type: "...)
			b = append(b, r.errorType...)
		}
	}
	b = append(b, '\n')
	if root, parent, sampled := traceParts(trace); sampled {
		b = append(b, "XRAY TraceId: "+root+"\tSegmentId: "+parent+"\tSampled: true\t\n"...)
	}
	return string(b)
}

func (p *platform) reportDocument(inv *function.Invocation, trace string, r *report, billed int64) string {
	level := "INFO"
	if r.status != statusSuccess {
		level = "WARN"
	}
	if !p.wants(level) {
		return ""
	}
	type tracing struct {
		SpanID string `json:"spanId"`
		Type   string `json:"type"`
		Value  string `json:"value"`
	}
	doc := struct {
		RequestID string `json:"requestId"`
		Metrics   struct {
			Duration float64 `json:"durationMs"`
			Billed   int64   `json:"billedDurationMs"`
			Memory   int     `json:"memorySizeMB"`
			Used     int     `json:"maxMemoryUsedMB"`
			Init     float64 `json:"initDurationMs,omitempty"`
		} `json:"metrics"`
		Tracing   *tracing `json:"tracing,omitempty"`
		Status    string   `json:"status"`
		ErrorType string   `json:"errorType,omitempty"`
	}{RequestID: inv.RequestID, Status: r.status, ErrorType: r.errorType}
	doc.Metrics.Duration, doc.Metrics.Billed = ms(r.duration), billed
	doc.Metrics.Memory, doc.Metrics.Used, doc.Metrics.Init = p.v.MemoryMB, r.memoryMB, ms(r.init)
	if _, parent, sampled := traceParts(trace); sampled {
		doc.Tracing = &tracing{parent, "X-Amzn-Trace-Id", trace}
	}
	return p.document("platform.report", doc)
}

// timedOut and crashed are lines of the text form that today's Lambda still
// writes beside the REPORT line's Status, and that tools look for.
func (p *platform) timedOut(inv *function.Invocation) string {
	if p.json {
		return ""
	}
	return time.Now().UTC().Format("2006-01-02T15:04:05.000Z") + " " + inv.RequestID + " " + timeoutMessage(p.v.Timeout) + "\n\n"
}

func (p *platform) crashed(inv *function.Invocation, f *failure) string {
	if p.json {
		return ""
	}
	return "RequestId: " + inv.RequestID + " Error: " + f.message + "\n" + f.errorType + "\n"
}

// ms is in milliseconds, to a thousandth.
func ms(d time.Duration) float64 { return math.Round(float64(d)/1e3) / 1e3 }
