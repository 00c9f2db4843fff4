package invoke

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/function"
)

func TestReportLine(t *testing.T) {
	v := &function.Version{Runtime: "python3.13", Region: "eu-west-1", ARN: "arn:aws-cn:lambda:x", Version: "7", MemoryMB: 256, Timeout: 3 * time.Second}
	p := newPlatform(v, "stream", "on-demand")
	inv := &function.Invocation{Version: v, RequestID: "id"}
	trace := "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"
	for want, r := range map[string]*report{
		"REPORT RequestId: id\tDuration: 12.35 ms\tBilled Duration: 13 ms\tMemory Size: 256 MB\tMax Memory Used: 40 MB\t\n":                                           {status: statusSuccess, duration: 12345678, memoryMB: 40},
		"REPORT RequestId: id\tDuration: 1233.96 ms\tBilled Duration: 1698 ms\tMemory Size: 256 MB\tMax Memory Used: 40 MB\tInit Duration: 463.51 ms\t\n":             {status: statusSuccess, duration: 1233960 * time.Microsecond, init: 463512 * time.Microsecond, memoryMB: 40},
		"REPORT RequestId: id\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 256 MB\tMax Memory Used: 40 MB\tStatus: timeout\n":                        {status: statusTimeout, errorType: errorTimedOut, duration: 3 * time.Second, memoryMB: 40},
		"REPORT RequestId: id\tDuration: 1.00 ms\tBilled Duration: 1 ms\tMemory Size: 256 MB\tMax Memory Used: 40 MB\tStatus: error\tError Type: Runtime.ExitError\n": {status: statusError, errorType: errorExit, duration: time.Millisecond, memoryMB: 40},
		"REPORT RequestId: id\tDuration: 1.00 ms\tBilled Duration: 1 ms\tMemory Size: 256 MB\tMax Memory Used: 40 MB\t\n":                                             {status: statusError, errorType: "Function.Unknown", reported: true, duration: time.Millisecond, memoryMB: 40},
	} {
		if got := p.report(inv, "", r); got != want {
			t.Errorf("\n%q, want\n%q", got, want)
		}
		xray := "XRAY TraceId: 1-5bef4de7-ad49b0e87f6ef6c87fc2e700\tSegmentId: 9a9197af755a6419\tSampled: true\t\n"
		if got := p.report(inv, trace, r); got != want+xray {
			t.Errorf("traced: %q", got)
		}
	}
	if got := p.initStart(); !regexp.MustCompile(`^INIT_START Runtime Version: python:3\.13\tRuntime Version ARN: arn:aws-cn:lambda:eu-west-1::runtime:[0-9a-f]{64}\n$`).MatchString(got) {
		t.Errorf("%q", got)
	}
}

func TestRuntimeVersions(t *testing.T) {
	for id, want := range map[string]string{
		"python3.13": "python:3.13", "nodejs22.x": "nodejs:22", "provided.al2023": "provided:al2023", "provided.al2": "provided:al2", "java21": "java:21", "dotnet8": "dotnet:8",
	} {
		if got := newPlatform(&function.Version{Runtime: id}, "", "on-demand").runtime; got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
}

func TestSystemLogLevel(t *testing.T) {
	good, bad := &report{status: statusSuccess}, &report{status: statusError, errorType: errorExit}
	for level, want := range map[string]string{"DEBUG": "initStart initReport start report report", "": "initStart initReport start report report", "INFO": "initStart initReport start report report", "WARN": "initReport report"} {
		v := &function.Version{LogFormat: "JSON", SystemLogLevel: level}
		p := newPlatform(v, "s", "on-demand")
		inv := &function.Invocation{Version: v, RequestID: "id"}
		all := p.initStart() + p.initReport("init", 1, statusError, errorExit) + p.start(inv) + p.end(inv) + p.report(inv, "", good) + p.report(inv, "", bad)
		var kinds []string
		for _, m := range regexp.MustCompile(`"type":"platform\.(\w+)"`).FindAllStringSubmatch(all, -1) {
			kinds = append(kinds, m[1])
		}
		if got := strings.Join(kinds, " "); got != want {
			t.Errorf("%s: %s, want %s", level, got, want)
		}
	}
}

func TestTraceHeader(t *testing.T) {
	for given, want := range map[string]string{
		"": `^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0;Lineage=1:ab:0$`,
		"Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700":                                   `^Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=[0-9a-f]{16};Sampled=0;Lineage=1:ab:0$`,
		"Self=1-x;Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=?;CalledFrom=app": `^Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=[0-9a-f]{16};Sampled=0;Lineage=1:ab:0;CalledFrom=app$`,
		"Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1": `^Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1$`,
		"garbage": `^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0;Lineage=1:ab:0$`,
	} {
		if got := traceHeader(given, "1:ab:0"); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%q becomes %q", given, got)
		}
	}
}
