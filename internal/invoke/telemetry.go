package invoke

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/runtimeapi"
)

// telemetryFlush is how much of the Shutdown phase the last records may take, before
// the extensions hear of the end.
const telemetryFlush = 500 * time.Millisecond

// telemetry hands what happens in an environment to the extensions that have asked
// for it. Environments without external extensions have none.
// https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api.html
type telemetry struct {
	dial func(port int) (net.Conn, error)

	mu   sync.Mutex
	subs map[string]*runtimeapi.Subscriber // by extension
	// past is what has happened in Init so far, for those who subscribe later; until
	// Init is over.
	past []past
	open bool
}

type past struct {
	kind   string
	record runtimeapi.Record
}

func newTelemetry(dial func(port int) (net.Conn, error)) *telemetry {
	return &telemetry{dial: dial, open: true, subs: make(map[string]*runtimeapi.Subscriber)}
}

// add takes a record of that kind. t may be nil.
func (t *telemetry) add(kind, of string, at time.Time, document any) {
	if t == nil || !t.wanted() {
		return
	}
	raw, ok := document.(json.RawMessage)
	if !ok {
		var err error
		if raw, err = json.Marshal(document); err != nil {
			return // strings and numbers: cannot happen
		}
	}
	r := runtimeapi.Record{Time: at, Type: of, Record: raw}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open {
		t.past = append(t.past, past{kind, r})
	}
	for _, s := range t.subs {
		give(s, kind, &r)
	}
}

func (t *telemetry) wanted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open || len(t.subs) > 0
}

// give hands a record to a subscriber that has asked for its kind. The Logs API
// knows less.
func give(s *runtimeapi.Subscriber, kind string, r *runtimeapi.Record) {
	if !slices.Contains(s.Kinds, kind) {
		return
	}
	if s.Logs {
		switch r.Type {
		case "platform.initStart", "platform.initRuntimeDone", "platform.initReport", "platform.telemetrySubscription":
			return
		case "platform.runtimeDone":
			if s.Schema == "2020-08-15" {
				return
			}
		}
	} else if r.Type == "platform.end" || r.Type == "platform.logsSubscription" {
		return
	}
	s.Add(r)
}

// subscribe begins to deliver to an extension, from the beginning of Init on. A
// subscription of the same extension before is replaced.
func (t *telemetry) subscribe(sub *runtimeapi.Subscription) {
	s := runtimeapi.NewSubscriber(sub, t.dial)
	t.mu.Lock()
	before := t.subs[sub.Extension]
	t.subs[sub.Extension] = s
	for _, p := range t.past {
		give(s, p.kind, &p.record)
	}
	t.mu.Unlock()
	if before != nil {
		before.Close()
	}
}

// initialized: nobody can subscribe any more.
func (t *telemetry) initialized() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open, t.past = false, nil
}

// all is a copy of the subscribers.
func (t *telemetry) all() []*runtimeapi.Subscriber {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []*runtimeapi.Subscriber
	for _, s := range t.subs {
		all = append(all, s)
	}
	return all
}

// flush delivers what there is, within a limit.
func (t *telemetry) flush(limit time.Duration) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var each sync.WaitGroup
	for _, s := range t.all() {
		each.Go(func() { s.Flush(ctx) })
	}
	each.Wait()
}

func (t *telemetry) close() {
	if t == nil {
		return
	}
	for _, s := range t.all() {
		s.Close()
	}
}

// Subscribed implements runtimeapi.Handler.
func (e *environment) Subscribed(sub *runtimeapi.Subscription) {
	t := e.log.telemetry.Load()
	if t == nil { // of an internal extension alone, whose output is the function's
		t = newTelemetry(e.box.Dial)
		if !e.log.telemetry.CompareAndSwap(nil, t) {
			t = e.log.telemetry.Load()
		}
	}
	t.subscribe(sub)
	types := make([]string, len(sub.Kinds))
	copy(types, sub.Kinds)
	of, line := "platform.telemetrySubscription", "TELEMETRY"
	if sub.Logs {
		of, line = "platform.logsSubscription", "LOGS"
	}
	document := struct {
		Name  string   `json:"name"`
		State string   `json:"state"`
		Types []string `json:"types"`
	}{sub.Extension, "Subscribed", types}
	t.add(runtimeapi.KindPlatform, of, time.Now(), document)
	switch {
	case !e.says.json:
		e.log.say(line + "\tName: " + sub.Extension + "\tState: Subscribed\tTypes: [" + strings.Join(types, ",") + "]\n")
	case e.says.wants("INFO"):
		e.log.say(e.says.document(of, document))
	}
}

// tell adds a platform event.
func (e *environment) tell(of string, document any) {
	e.log.telemetry.Load().add(runtimeapi.KindPlatform, of, time.Now(), document)
}

// logRecord is the record of a line: a string, or where the function logs JSON and
// this is an object, that.
func logRecord(message []byte, asJSON bool) json.RawMessage {
	if asJSON {
		if text := bytes.TrimSpace(message); len(text) > 1 && text[0] == '{' && json.Valid(text) {
			return bytes.Clone(text)
		}
	}
	text, err := json.Marshal(string(message))
	if err != nil {
		return json.RawMessage(`""`) // a string: cannot happen
	}
	return text
}
