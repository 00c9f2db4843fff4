package invoke

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/function"
)

type telemetryRecord struct {
	Time   time.Time
	Type   string
	Record json.RawMessage
}

// records are those in a file that the extension of these tests has written.
func records(t *testing.T, file string) (all []telemetryRecord) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var r telemetryRecord
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err, lines.Text())
		}
		all = append(all, r)
	}
	return all
}

// Whatever happens in an environment reaches its extension: what came before it
// subscribed, what came while all was frozen, and the last of it.
func TestTelemetry(t *testing.T) {
	for api, want := range map[string]string{
		"telemetry": "platform.initStart platform.telemetrySubscription platform.initRuntimeDone platform.extension platform.initReport " +
			"platform.start function platform.runtimeDone platform.report platform.start function platform.runtimeDone platform.report",
		"logs": "platform.logsSubscription platform.extension " +
			"platform.start function platform.runtimeDone platform.end platform.report platform.start function platform.runtimeDone platform.end platform.report",
	} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(o *Options) { o.FreezeAfter = time.Microsecond })
			file := filepath.Join(t.TempDir(), "records")
			v := extended(t, "", map[string]string{"x": api}, func(v *function.Version) { v.Environment["EXT_OUT"] = file })
			first := invocation(v, request{Do: "print", Text: "a line\n"})
			answer := f.invoke(first)
			f.invoke(invocation(v, request{Do: "print", Text: "a line\n"}))
			f.Retire(v.ARN)
			f.awaitGone()
			var types []string
			for _, r := range records(t, file) {
				if r.Type == "extension" {
					continue
				}
				types = append(types, r.Type)
				text := string(r.Record)
				if r.Type == "function" && text != `"a line\n"` {
					t.Error(text)
				}
				if strings.Contains(text, first.RequestID) && r.Type == "platform.runtimeDone" {
					for _, want := range []string{`"status":"success"`, `"name":"responseLatency"`, fmt.Sprintf(`"producedBytes":%d}`, len(answer.Payload)), `"durationMs":`} {
						if !strings.Contains(text, want) {
							t.Errorf("%s is not in %s", want, text)
						}
					}
				}
				if strings.Contains(text, first.RequestID) && r.Type == "platform.report" && (!strings.Contains(text, `"initDurationMs":`) || !strings.Contains(text, `"memorySizeMB":128`)) {
					t.Error(text)
				}
				if age := time.Since(r.Time); age < 0 || age > time.Minute {
					t.Error(r.Time)
				}
			}
			// The pipes of lines and the platform's own are read side by side.
			sorted := func(s []string) string { s = slices.Sorted(slices.Values(s)); return strings.Join(s, " ") }
			if sorted(types) != sorted(strings.Fields(want)) {
				t.Errorf("got  %v\nwant %s", types, want)
			}
			line := map[string]string{"telemetry": "TELEMETRY", "logs": "LOGS"}[api]
			if log := f.logs.text(); !strings.Contains(log, line+"\tName: x\tState: Subscribed\tTypes: [platform,function,extension]\n") {
				t.Error(log)
			}
		})
	}
}

// An extension that does not take its telemetry holds nothing up but its own end.
func TestTelemetryNotTaken(t *testing.T) {
	f := newFixture(t, nil)
	file := filepath.Join(t.TempDir(), "records")
	v := extended(t, "", map[string]string{"x": "telemetry crash"}, func(v *function.Version) { v.Environment["EXT_OUT"] = file })
	f.invoke(invocation(v, "x"))
	f.awaitGone()
	if log := f.logs.text(); !strings.Contains(log, "Extension.Crash") {
		t.Error(log)
	}
}
