package invoke

import (
	"math"
	"time"
)

// The records of the platform's telemetry.
// https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html

type tracingRecord struct {
	SpanID string `json:"spanId,omitempty"`
	Type   string `json:"type"`
	Value  string `json:"value"`
}

func tracingOf(trace string) *tracingRecord {
	if trace == "" {
		return nil
	}
	t := &tracingRecord{Type: "X-Amzn-Trace-Id", Value: trace}
	if _, parent, sampled := traceParts(trace); sampled {
		t.SpanID = parent
	}
	return t
}

type span struct {
	Name       string  `json:"name"`
	Start      string  `json:"start"`
	DurationMs float64 `json:"durationMs"`
}

func spanOf(name string, start time.Time, took time.Duration) span {
	return span{name, start.UTC().Format("2006-01-02T15:04:05.000Z"), ms(took)}
}

func (p *platform) initStartRecord(phase string) any {
	return struct {
		InitializationType string `json:"initializationType"`
		Phase              string `json:"phase"`
		RuntimeVersion     string `json:"runtimeVersion"`
		RuntimeVersionARN  string `json:"runtimeVersionArn"`
		FunctionName       string `json:"functionName"`
		FunctionVersion    string `json:"functionVersion"`
		InstanceID         string `json:"instanceId"`
		InstanceMaxMemory  int    `json:"instanceMaxMemory"`
	}{p.initialization, phase, p.runtime, p.arn, p.v.Name, p.v.Version, p.stream, p.v.MemoryMB << 20}
}

// outcomeOf is the status of an Init, and its error.
func outcomeOf(f *failure) (status, errorType string) {
	if f == nil {
		return statusSuccess, ""
	}
	return f.status(), f.errorType
}

func (p *platform) initRuntimeDoneRecord(phase string, f *failure) any {
	status, errorType := outcomeOf(f)
	return struct {
		InitializationType string `json:"initializationType"`
		Phase              string `json:"phase"`
		Status             string `json:"status"`
		ErrorType          string `json:"errorType,omitempty"`
	}{p.initialization, phase, status, errorType}
}

func (p *platform) initReportRecord(phase string, took time.Duration, f *failure) any {
	status, errorType := outcomeOf(f)
	return struct {
		InitializationType string             `json:"initializationType"`
		Phase              string             `json:"phase"`
		Status             string             `json:"status"`
		ErrorType          string             `json:"errorType,omitempty"`
		Metrics            map[string]float64 `json:"metrics"`
	}{p.initialization, phase, status, errorType, map[string]float64{"durationMs": ms(took)}}
}

func (p *platform) startRecord(r *run) any {
	return struct {
		RequestID string         `json:"requestId"`
		Version   string         `json:"version"`
		Tracing   *tracingRecord `json:"tracing,omitempty"`
	}{r.inv.RequestID, p.v.Version, tracingOf(r.event.TraceID)}
}

func (p *platform) endRecord(r *run) any {
	return struct {
		RequestID string `json:"requestId"`
	}{r.inv.RequestID}
}

func (p *platform) runtimeDoneRecord(r *run) any {
	type metrics struct {
		Duration float64 `json:"durationMs"`
		Bytes    int     `json:"producedBytes"`
	}
	done := r.duration
	spans := []span{}
	if !r.runtimeDone.IsZero() {
		done = r.runtimeDone.Sub(r.started)
	}
	if !r.answered.IsZero() && !r.answerEnd.IsZero() {
		spans = append(spans, spanOf("responseLatency", r.started, r.answered.Sub(r.started)), spanOf("responseDuration", r.answered, max(0, r.answerEnd.Sub(r.answered))))
		if !r.runtimeDone.IsZero() {
			spans = append(spans, spanOf("runtimeOverhead", r.answerEnd, r.runtimeDone.Sub(r.answerEnd)))
		}
	}
	return struct {
		RequestID string         `json:"requestId"`
		Status    string         `json:"status"`
		ErrorType string         `json:"errorType,omitempty"`
		Tracing   *tracingRecord `json:"tracing,omitempty"`
		Spans     []span         `json:"spans"`
		Metrics   metrics        `json:"metrics"`
	}{r.inv.RequestID, r.status, r.errorType, tracingOf(r.event.TraceID), spans, metrics{ms(done), r.answerBytes}}
}

func (p *platform) reportRecord(r *run, memoryMB int) any {
	type metrics struct {
		Duration float64 `json:"durationMs"`
		Billed   int64   `json:"billedDurationMs"`
		Memory   int     `json:"memorySizeMB"`
		Used     int     `json:"maxMemoryUsedMB"`
		Init     float64 `json:"initDurationMs,omitempty"`
	}
	spans := []span{}
	if after := r.after(); after > 0 {
		spans = append(spans, spanOf("extensionOverhead", r.runtimeDone, after))
	}
	return struct {
		RequestID string         `json:"requestId"`
		Status    string         `json:"status"`
		ErrorType string         `json:"errorType,omitempty"`
		Metrics   metrics        `json:"metrics"`
		Spans     []span         `json:"spans"`
		Tracing   *tracingRecord `json:"tracing,omitempty"`
	}{r.inv.RequestID, r.status, r.errorType, metrics{
		ms(r.duration), int64(math.Ceil(ms(r.duration + r.init))), p.v.MemoryMB, memoryMB, ms(r.init),
	}, spans, tracingOf(r.event.TraceID)}
}
