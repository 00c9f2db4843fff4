package badinput

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/sdk"
)

func TestHostsAndOrigins(t *testing.T) {
	list := func(name string, header ...string) request {
		return request{name, "GET", functions + "/", "", header, 403, "AccessDeniedException", "Paddock"}
	}
	each(t, []request{
		list("another host", "Host", "evil.example"),
		list("another host with a port", "Host", "evil.example:4566"),
		list("a host that begins well", "Host", "127.0.0.1.evil.example"),
		list("a host that begins well", "Host", "localhost.evil.example"),
		list("0.0.0.0", "Host", "0.0.0.0"),
		list("another origin", "Origin", "https://evil.example"),
		list("an origin that begins well", "Origin", "http://localhost.evil.example"),
		list("a null origin", "Origin", "null"),
		{"a form of another site", "POST", functions, "a=b", []string{"Origin", "https://evil.example", "Content-Type", "text/plain"}, 403, "AccessDeniedException", ""},
		{"an image of another site", "GET", "/?Action=DeleteRole&Version=2010-05-08&RoleName=r", "", []string{"Sec-Fetch-Site", "cross-site"}, 403, "AccessDeniedException", ""},
		{"a reset of another site", "POST", "/_paddock/reset", "", []string{"Origin", "https://evil.example"}, 403, "AccessDeniedException", ""},
	})
}

func TestOversizedBodies(t *testing.T) {
	d := daemon.Shared(t)
	for _, b := range []struct {
		name, path string
		header     []string
		size       int64
		chunked    bool
	}{
		{"CreateFunction", functions, []string{"Content-Type", jsonType}, 80 << 20, false},
		{"CreateFunction, its length not told", functions, []string{"Content-Type", jsonType}, 80 << 20, true},
		{"CreateLogGroup", "/", []string{"Content-Type", json11, "X-Amz-Target", "Logs_20140328.CreateLogGroup"}, 80 << 20, false},
	} {
		t.Run(b.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(sdk.Context(t), http.MethodPost, d.URL+b.path, io.LimitReader(spaces{}, b.size))
			if err != nil {
				t.Fatal(err)
			}
			if !b.chunked {
				req.ContentLength = b.size
			}
			for i := 0; i < len(b.header); i += 2 {
				req.Header.Set(b.header[i], b.header[i+1])
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				// The daemon may hang up on who goes on sending, before its answer is read.
				t.Logf("the connection was cut: %v", err)
				return
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if code, _ := errorOf(t, res, body); res.StatusCode != 413 || code != "RequestEntityTooLargeException" {
				t.Errorf("%d %s", res.StatusCode, body)
			}
		})
	}
	unharmed(t, d)
}

// spaces is white space without an end.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// Requests to anything, with anything: none is answered with a 500, or leaks.
func TestJunk(t *testing.T) {
	d := daemon.Shared(t)
	const rounds = 1500
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	for range rounds {
		b := request{
			method: pick("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "PROPFIND"),
			path: pick("/", functions, functions+"/x/invocations", functions+"/x", "/2015-03-31/tags/x", "/v2/apis", "/v2/apis/x/routes", "/2021-11-15/functions/x/response-streaming-invocations",
				"/_aws/execute-api/x/y", "/_aws/execute-api/", "/restapis/x/y/_user_request_/z", "/service/x/operation/y", "/_paddock/code/x", "/_paddock/x", "/_localstack/x",
				"/queue/us-east-1/000000000000/q", "/000000000000/q", "/@connections/x", "/bucket/key", "//", "/%2e%2e/%2e%2e/etc/passwd", "/service/GraniteServiceVersion20100801/operation/PutMetricData") +
				pick("", "", "?", "?Action=ListRoles", "?Qualifier=%ff", "?x=%zz", "?MaxItems=9999999999999999999", "?Marker=AAAA", "?acl", "?uploads&list-type=2"),
			body: pick("", "{}", "[]", "null", "{\"FunctionName\":null}", "<a/>", "Action=x", "\xa0", "\xff\xff", strings.Repeat("[", 2000), fmt.Sprint(r.Uint64())),
		}
		for range r.IntN(4) {
			name := pick("Content-Type", "X-Amz-Target", "Authorization", "Smithy-Protocol", "Content-Encoding", "X-Amz-Invocation-Type", "X-Amz-Client-Context", "X-Amz-Date", "X-Amzn-Trace-Id", "Host", "Range", "If-Match")
			value := pick(jsonType, formType, json10, json11, cborType, "text/plain; charset=", "AmazonSQS.ListQueues", "Logs_20140328.DescribeLogGroups", "Logs_20140328.", ".", "AWS4-HMAC-SHA256 ", signedFor("lambda"), signedFor("s3"), signedFor(""), "rpc-v2-cbor", "gzip", "aws-chunked", "Event", "DryRun", "e30=", "localhost", "x.execute-api.us-east-1.localhost", "sqs.us-east-1.amazonaws.com", "b.s3.localhost", "[::1]", "bytes=-1")
			b.header = append(b.header, name, value)
		}
		res, body := b.send(t, d)
		// 501 is for operations that are not implemented.
		if res.StatusCode >= 500 && res.StatusCode != 501 {
			t.Errorf("%s %s %q %q: %d %.300s", b.method, b.path, b.header, b.body, res.StatusCode, body)
		}
		if found := internals.Find(body); found != nil {
			t.Errorf("%s %s %q %q tells %q: %.300s", b.method, b.path, b.header, b.body, found, body)
		}
	}
	unharmed(t, d)
}

// What is no HTTP is hung up on, and disturbs nobody.
func TestNoHTTP(t *testing.T) {
	d := daemon.Shared(t)
	t.Run("all", func(t *testing.T) {
		for name, text := range map[string]string{
			"TLS":            "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
			"noise":          strings.Repeat("\x00\xff", 5000),
			"no host":        "GET / HTTP/1.1\r\n\r\n",
			"two lengths":    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
			"length & chunk": "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
			"long header":    "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("a", 200_000) + "\r\n\r\n",
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel() // the daemon waits some seconds for the rest of what begins well
				if status, body := raw(t, d, text); status != 0 && (status < 400 || status > 499) || internals.MatchString(body) {
					t.Errorf("%d %s", status, body)
				}
			})
		}
	})
	unharmed(t, d)
}

// A body whose framing is broken is the client's fault.
func TestBrokenChunks(t *testing.T) {
	d := daemon.Own(t)
	status, body := raw(t, d, "POST "+functions+" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzzzz\r\n")
	if status != 400 {
		t.Errorf("broken chunks are answered with %d", status)
	}
	if internals.MatchString(body) {
		t.Errorf("the answer tells of the inside: %s", body)
	}
}

// raw sends text as it is and returns the answer's status, 0 where the daemon hung
// up without one.
func raw(t *testing.T, d *daemon.Daemon, text string) (status int, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(d.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(sdk.Patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Logf("hung up on while sending: %v", err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		var late net.Error
		if errors.As(err, &late) && late.Timeout() {
			t.Fatalf("neither an answer nor an end of the connection: %v", err)
		}
		return 0, ""
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(content)
}
