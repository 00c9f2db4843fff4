// Package badinput sends a Paddock what nobody should send it: each answer is an
// error in AWS's form, names its request, tells nothing of the inside, and the
// daemon goes on.
package badinput

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/sdk"
)

func TestMain(m *testing.M) { daemon.Main(m) }

const (
	functions = "/2015-03-31/functions"
	jsonType  = "application/json"
	formType  = "application/x-www-form-urlencoded"
	json10    = "application/x-amz-json-1.0"
	json11    = "application/x-amz-json-1.1"
	cborType  = "application/cbor"
)

// request is one that is bad.
type request struct {
	name, method, path, body string
	header                   []string // pairs; "Host" sets the host
	status                   int
	code                     string // of the error
	says                     string // is in the message
}

// wrong collects what is wrong with an answer.
type wrong []string

func (w *wrong) say(format string, args ...any) { *w = append(*w, fmt.Sprintf(format, args...)) }

// judge fails the test for what is wrong.
func (w wrong) judge(t *testing.T) {
	t.Helper()
	if len(w) > 0 {
		t.Error(strings.Join(w, "\n"))
	}
}

// internals are what no answer may have: Go's own error texts and types, where
// things stand on the host, traces.
var internals = regexp.MustCompile(`goroutine |runtime error|\.go:\d|panic|invalid character|unexpected end of JSON|unexpected EOF|cannot unmarshal|strconv\.|reflect\.|encoding/|net/http|internal/|/tmp/|/root/|/work/|/var/lib|sqlite|SQLITE|no such file|0x[0-9a-f]{8}|%!|<nil>`)

func (b *request) send(t *testing.T, d *daemon.Daemon) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(sdk.Context(t), b.method, d.URL+b.path, strings.NewReader(b.body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(b.header); i += 2 {
		if b.header[i] == "Host" {
			req.Host = b.header[i+1]
			continue
		}
		req.Header.Set(b.header[i], b.header[i+1])
	}
	return d.Do(t, req)
}

// check sends a bad request and judges the answer.
func (b *request) check(t *testing.T, d *daemon.Daemon) {
	t.Helper()
	var w wrong
	defer func() { w.judge(t) }()
	res, body := b.send(t, d)
	if res.StatusCode != b.status {
		w.say("status %d, want %d: %.500s", res.StatusCode, b.status, body)
	}
	if id := res.Header.Get("X-Amzn-Requestid") + res.Header.Get("X-Amz-Request-Id"); len(id) < 16 {
		w.say("the answer names its request %q: %v", id, res.Header)
	}
	if found := internals.Find(body); found != nil {
		w.say("the answer tells %q: %.500s", found, body)
	}
	code, message := errorOf(t, res, body)
	if code != b.code || !strings.Contains(message, b.says) {
		w.say("the error is %q, %q; want %q with %q", code, message, b.code, b.says)
	}
}

// errorOf reads an error in whichever of AWS's forms it comes.
func errorOf(t *testing.T, res *http.Response, body []byte) (code, message string) {
	t.Helper()
	kind := res.Header.Get("Content-Type")
	switch {
	case strings.Contains(kind, "xml"):
		var e struct {
			Code, Message string
			Error         struct{ Code, Message string }
		}
		if err := xml.Unmarshal(body, &e); err != nil {
			t.Errorf("the answer is no XML: %v in %.500s", err, body)
		}
		return e.Code + e.Error.Code, e.Message + e.Error.Message
	case strings.Contains(kind, "cbor"):
		fields := readCBOR(t, body)
		return withoutNamespace(fields["__type"]), fields["message"] + fields["Message"]
	case strings.Contains(kind, "json"):
		var e struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}
		if err := json.Unmarshal(body, &e); err != nil {
			t.Errorf("the answer is no JSON: %v in %.500s", err, body)
		}
		if name := res.Header.Get("X-Amzn-Errortype"); name != "" {
			name, _, _ = strings.Cut(name, ":")
			e.Type = name
		}
		return withoutNamespace(e.Type), e.Message
	}
	t.Errorf("the answer is %q: %.500s", kind, body)
	return "", ""
}

func withoutNamespace(name string) string { return name[strings.LastIndexByte(name, '#')+1:] }

// readCBOR reads a map of text to text (RFC 8949), of a definite or an indefinite
// length: all that errors are.
func readCBOR(t *testing.T, b []byte) map[string]string {
	t.Helper()
	out := map[string]string{}
	bad := func() map[string]string {
		t.Errorf("the answer is no map of texts in CBOR: %q", b)
		return out
	}
	rest := b
	text := func() (string, bool) {
		if len(rest) == 0 || rest[0]>>5 != 3 {
			return "", false
		}
		n, skip := int(rest[0]&31), 1
		switch {
		case n == 24 && len(rest) > 1:
			n, skip = int(rest[1]), 2
		case n == 25 && len(rest) > 2:
			n, skip = int(rest[1])<<8|int(rest[2]), 3
		case n > 23:
			return "", false
		}
		if len(rest) < skip+n {
			return "", false
		}
		s := string(rest[skip : skip+n])
		rest = rest[skip+n:]
		return s, true
	}
	if len(rest) == 0 || rest[0]>>5 != 5 {
		return bad()
	}
	rest = rest[1:]
	for len(rest) > 0 && rest[0] != 0xff {
		key, ok := text()
		value, ok2 := text()
		if !ok || !ok2 {
			return bad()
		}
		out[key] = value
	}
	return out
}

// unharmed checks that the daemon serves as before, and has not panicked.
func unharmed(t *testing.T, d *daemon.Daemon) {
	t.Helper()
	c := sdk.For(t, d)
	if _, err := c.Lambda.ListFunctions(sdk.Context(t), &lambda.ListFunctionsInput{}); err != nil {
		t.Errorf("afterwards ListFunctions fails: %v", err)
	}
	res, err := http.Get(d.URL + "/_paddock/health")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK || !bytes.Contains(body, []byte("ok")) {
		t.Errorf("afterwards the health page says %d %s", res.StatusCode, body)
	}
	if d.Ours() && (strings.Contains(d.Log(), "panic") || strings.Contains(d.Log(), "level=ERROR")) {
		t.Errorf("the daemon has panicked, or takes bad input for a fault of its own:\n%s", d.Log())
	}
}

func each(t *testing.T, requests []request) {
	t.Helper()
	d := daemon.Shared(t)
	for _, b := range requests {
		t.Run(b.name, func(t *testing.T) { b.check(t, d) })
	}
	unharmed(t, d)
}
