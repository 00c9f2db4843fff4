package app

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/invoke"
	"github.com/paddock-run/paddock/internal/logs"
	"github.com/paddock-run/paddock/internal/store"
)

// logSink takes what functions log to CloudWatch Logs, and to the terminal where
// that was asked for.
type logSink struct {
	logs *logs.Service
	show func(group string, events []invoke.LogEvent)
}

func (s *logSink) Append(account, region, group, stream string, events []invoke.LogEvent) {
	if s.show != nil {
		s.show(group, events)
	}
	out := make([]store.LogEvent, len(events))
	for i, e := range events {
		out[i] = store.LogEvent{Time: time.UnixMilli(e.Timestamp), Message: e.Message}
	}
	s.logs.Ingest(account, region, group, stream, out)
}

// shower prints a function's log lines for people, each behind the function's
// name; nil where they are not wanted.
func (d *daemon) shower() func(string, []invoke.LogEvent) {
	if !d.cfg.ShowLogs {
		return nil
	}
	var mu sync.Mutex
	return func(group string, events []invoke.LogEvent) {
		name := strings.TrimPrefix(group, "/aws/lambda/")
		var b strings.Builder
		for _, e := range events {
			for line := range strings.Lines(strings.TrimRight(e.Message, "\n")) {
				fmt.Fprintf(&b, "%s | %s\n", name, strings.TrimRight(line, "\t\n"))
			}
		}
		mu.Lock()
		defer mu.Unlock()
		// The terminal may be gone; the log has the lines all the same.
		_, _ = io.WriteString(d.cfg.Out, b.String())
	}
}
