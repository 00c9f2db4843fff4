// Package failure tests what is left when things break: kill -9, a full disk,
// clients that go away.
package failure

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/sdk"
)

func TestMain(m *testing.M) { daemon.Main(m) }

// numbered is a function that returns its number. Its code is like no other's.
// ballast makes its archive so many bytes larger.
func numbered(t *testing.T, n, ballast int) *lambda.CreateFunctionInput {
	t.Helper()
	noise := make([]byte, ballast/2+16)
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	in := sdk.New(t, "python3.13", "app.handler", map[string]string{
		"app.py": fmt.Sprintf("def handler(event, context):\n    return %d\n", n), "noise": hex.EncodeToString(noise),
	})
	in.FunctionName = new(fmt.Sprintf("numbered-%03d", n))
	return in
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return base64.StdEncoding.EncodeToString(s[:])
}

// whole checks that a listed function is all there.
func whole(t *testing.T, d *daemon.Daemon, c *sdk.Clients, name string, code []byte) {
	t.Helper()
	got, err := c.Lambda.GetFunction(sdk.Context(t), &lambda.GetFunctionInput{FunctionName: &name})
	if err != nil {
		t.Errorf("%s is listed, and cannot be read: %v", name, err)
		return
	}
	if hash := sdk.String(got.Configuration.CodeSha256); got.Configuration.State != "Active" || hash != sum(code) || got.Configuration.CodeSize != int64(len(code)) {
		t.Errorf("%s is %s with %d bytes of code of hash %s", name, got.Configuration.State, got.Configuration.CodeSize, hash)
	}
	req, err := http.NewRequestWithContext(sdk.Context(t), http.MethodGet, sdk.String(got.Code.Location), nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, body := d.Do(t, req); res.StatusCode != http.StatusOK || !bytes.Equal(body, code) {
		t.Errorf("%s: Code.Location answers %d with %d bytes of %d", name, res.StatusCode, len(body), len(code))
	}
}

// listed is the names of all functions.
func listed(t *testing.T, c *sdk.Clients) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	pages := lambda.NewListFunctionsPaginator(c.Lambda, &lambda.ListFunctionsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(sdk.Context(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page.Functions {
			names[*f.FunctionName] = true
		}
	}
	return names
}

// kill -9 amid a hundred creations at a time: every one that was acknowledged is
// there after a restart, whole, and so is whatever else is listed.
func TestKillDuringCreations(t *testing.T) {
	const n = 100
	data := daemon.Folder(t)
	archives := map[string][]byte{}
	acknowledged := map[string]bool{}
	for round := range 2 {
		d := daemon.StartOn(t, data)
		c := sdk.For(t, d)
		requests := make([]*lambda.CreateFunctionInput, n)
		for i := range requests {
			ballast := 0
			if i%7 == 0 {
				ballast = 300 << 10 // such archives are files of their own
			}
			requests[i] = numbered(t, round*n+i, ballast)
			archives[*requests[i].FunctionName] = requests[i].Code.ZipFile
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		seen, enough := 0, make(chan struct{})
		ctx := sdk.Context(t)
		for _, in := range requests {
			wg.Go(func() {
				_, err := c.Lambda.CreateFunction(ctx, in)
				if err != nil {
					if sdk.Status(err) != 0 {
						t.Errorf("a creation is refused: %v", err)
					}
					return
				}
				mu.Lock()
				defer mu.Unlock()
				acknowledged[*in.FunctionName] = true
				if seen++; seen == n/4 {
					close(enough)
				}
			})
		}
		select {
		case <-enough:
		case <-ctx.Done():
			t.Fatal("too few functions are created")
		}
		d.Kill(t)
		wg.Wait()
		t.Logf("%d of %d creations were acknowledged before the kill", seen, n)

		d = daemon.StartOn(t, data)
		c = sdk.For(t, d)
		there := listed(t, c)
		invoked := 0
		for name := range acknowledged {
			if !there[name] {
				t.Errorf("%s was acknowledged and is lost", name)
			}
		}
		for name := range there {
			whole(t, d, c, name, archives[name])
			if invoked++; invoked <= 6 {
				want := strings.TrimLeft(strings.TrimPrefix(name, "numbered-"), "0")
				if got := c.Call(t, name, "{}"); got != want && want != "" {
					t.Errorf("%s returned %s", name, got)
				}
			}
		}
		// What was not acknowledged can be created, or is there.
		for _, in := range requests {
			if there[*in.FunctionName] {
				continue
			}
			if _, err := c.Lambda.CreateFunction(sdk.Context(t), in); err != nil {
				t.Errorf("%s cannot be created after the kill: %v", *in.FunctionName, err)
			}
			acknowledged[*in.FunctionName] = true
			break // one is enough
		}
		d.Stop(t)
	}
}

// A client that goes away leaves its function running to its end; until then it
// counts.
func TestClientDisconnects(t *testing.T) {
	d := daemon.Own(t, append([]string{"--concurrency", "2"}, sdk.ReachGates...)...)
	c := sdk.For(t, d)
	gate := sdk.NewGate(t)
	in := gate.Waiting(t)
	in.Timeout = new(int32(300))
	name := c.Create(t, in)
	ctx, leave := context.WithCancel(sdk.Context(t))
	gone := make(chan error, 2)
	for i := range 2 {
		go func() {
			_, err := c.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: fmt.Appendf(nil, `{"id":%d}`, i)})
			gone <- err
		}()
	}
	gate.Await(t, 2)
	leave()
	for range 2 {
		if err := <-gone; err == nil {
			t.Error("a client that left has an answer")
		}
	}
	_, err := c.Lambda.Invoke(sdk.Context(t), &lambda.InvokeInput{FunctionName: &name})
	sdk.Expect(t, err, "TooManyRequestsException", 429)
	gate.Open()
	sdk.Eventually(t, "functions go on without their clients, and are counted off", func() bool {
		text := log(t, c, name)
		return strings.Contains(text, "through the gate 0") && strings.Contains(text, "through the gate 1") && strings.Count(text, "REPORT RequestId") == 2
	})
	if got := c.Call(t, name, `{}`); got != `"through"` {
		t.Errorf("the next client has %s", got)
	}
	if n := strings.Count(log(t, c, name), "INIT_START"); n != 2 {
		t.Errorf("%d environments were started: those whose clients left were not used again", n)
	}
}

func log(t *testing.T, c *sdk.Clients, name string) string {
	t.Helper()
	out, err := c.Logs.FilterLogEvents(sdk.Context(t), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: new("/aws/lambda/" + name)})
	if sdk.Code(err) == "ResourceNotFoundException" {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range out.Events {
		b.WriteString(*e.Message)
	}
	return b.String()
}

// A client that breaks off while it sends leaves nothing behind.
func TestClientBreaksOffARequest(t *testing.T) {
	d := daemon.Shared(t)
	c := sdk.For(t, d)
	ctx, cancel := context.WithCancel(sdk.Context(t))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL+"/2015-03-31/functions", &breaking{cancel: cancel})
	if err != nil {
		t.Fatal(err)
	}
	if res, err := http.DefaultClient.Do(req); err == nil {
		_ = res.Body.Close()
		t.Errorf("half a request is answered with %d", res.StatusCode)
	}
	if listed(t, c)["half"] {
		t.Error("half a request has made a function")
	}
}

// breaking is the body of a CreateFunction request that ends in the middle.
type breaking struct {
	sent   bool
	cancel func()
}

func (b *breaking) Read(p []byte) (int, error) {
	if b.sent {
		b.cancel()
		return 0, context.Canceled
	}
	b.sent = true
	return copy(p, `{"FunctionName":"half","Runtime":"python3.13","Handler":"a.b","Role":"arn:aws:iam::000000000000:role/any","Code":{"ZipFile":"UEsDB`), nil
}
