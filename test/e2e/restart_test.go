package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/sdk"
)

func TestStateSurvivesRestart(t *testing.T) {
	data := daemon.Folder(t)
	d := daemon.StartOn(t, data)
	ctx, c := sdk.Context(t), sdk.For(t, d)
	in := sdk.Python(t, webEcho)
	in.FunctionName = new("kept") // no Create: it would delete the function of a Paddock that is gone
	in.Tags = map[string]string{"k": "v"}
	if _, err := c.Lambda.CreateFunction(ctx, in); err != nil {
		t.Fatal(err)
	}
	c.WaitActive(t, "kept")
	version, err := c.Lambda.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: new("kept")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Lambda.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: new("kept"), Name: new("live"), FunctionVersion: version.Version}); err != nil {
		t.Fatal(err)
	}
	made, err := c.APIs.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: new("kept"), ProtocolType: "HTTP", Target: unqualified(version.FunctionArn)})
	if err != nil {
		t.Fatal(err)
	}
	c.Call(t, "kept", `{"before":"the restart"}`)
	before := messages(t, c, "kept")
	if len(before) == 0 {
		t.Fatal("nothing was logged")
	}
	d.Stop(t)

	d = daemon.StartOn(t, data)
	c = sdk.For(t, d)
	got, err := c.Lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: new("kept")})
	if err != nil {
		t.Fatal(err)
	}
	if sdk.String(got.Configuration.CodeSha256) != sum(in.Code.ZipFile) || got.Tags["k"] != "v" || got.Configuration.State != "Active" {
		t.Errorf("after the restart: hash %s, tags %v, %s", sdk.String(got.Configuration.CodeSha256), got.Tags, got.Configuration.State)
	}
	if code := download(t, sdk.String(got.Code.Location)); !bytes.Equal(code, in.Code.ZipFile) {
		t.Errorf("Code.Location has %d bytes after the restart", len(code))
	}
	if text := c.Call(t, "kept:live", `{"a":1}`); text != `{"a": 1}` {
		t.Errorf("after the restart the alias returned %s", text)
	}
	if res, body := ask(t, d, "GET", "", "/_aws/execute-api/"+*made.ApiId+"/x", ""); res.StatusCode != 200 {
		t.Errorf("after the restart the API answers %d: %s", res.StatusCode, body)
	}
	after := strings.Join(messages(t, c, "kept"), "")
	for _, message := range before {
		if !strings.Contains(after, message) {
			t.Errorf("after the restart the log lacks %q", message)
		}
	}
}

// unqualified is an ARN without its version.
func unqualified(arn *string) *string {
	parts := strings.Split(*arn, ":")
	return new(strings.Join(parts[:7], ":"))
}

func TestSecondProcessIsRefused(t *testing.T) {
	d := daemon.Own(t)
	cmd := exec.CommandContext(sdk.Context(t), daemon.Binary(t), "serve", "--data", d.Data, "--listen", "127.0.0.1:0")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("a second process on the same folder ends without an error:\n%s", out)
	}
	text := string(out)
	for _, want := range []string{"paddock: the data folder " + d.Data + " is in use by another process (PID " + fmt.Sprint(d.PID()) + ")", "--data"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "listening") || strings.Contains(text, "goroutine") {
		t.Errorf("it says more than that:\n%s", text)
	}
	c := sdk.For(t, d)
	if _, err := c.Lambda.ListFunctions(sdk.Context(t), &lambda.ListFunctionsInput{}); err != nil {
		t.Errorf("the first process is disturbed: %v", err)
	}
}

func TestSecondPortIsRefused(t *testing.T) {
	d := daemon.Own(t)
	cmd := exec.CommandContext(sdk.Context(t), daemon.Binary(t), "serve", "--data", daemon.Folder(t), "--listen", "127.0.0.1:"+d.Port(t))
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "cannot listen on 127.0.0.1:"+d.Port(t)) || !strings.Contains(string(out), "--listen") {
		t.Errorf("a second process on the same port: %v\n%s", err, out)
	}
}

func TestReset(t *testing.T) {
	d := daemon.Own(t, "--allow-reset")
	ctx, c := sdk.Context(t), sdk.For(t, d)
	in := returning(t, "'old'")
	in.FunctionName = new("again")
	name := c.Create(t, in)
	id := api(t, c, name, nil)
	c.Call(t, name, "{}")
	waitForLog(t, c, name, "REPORT") // the last of it: nothing is to be logged after the reset

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL+"/_paddock/reset", nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, body := d.Do(t, req); res.StatusCode != 200 {
		t.Fatalf("reset: %d %s", res.StatusCode, body)
	}
	functions, err := c.Lambda.ListFunctions(ctx, &lambda.ListFunctionsInput{})
	if err != nil || len(functions.Functions) != 0 {
		t.Errorf("after the reset: %v, %v", functions, err)
	}
	apis, err := c.APIs.GetApis(ctx, &apigatewayv2.GetApisInput{})
	if err != nil || len(apis.Items) != 0 {
		t.Errorf("after the reset: %v, %v", apis, err)
	}
	groups, err := c.Logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{})
	if err != nil || len(groups.LogGroups) != 0 {
		t.Errorf("after the reset: %v, %v", groups, err)
	}
	_, err = c.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name})
	sdk.Expect(t, err, "ResourceNotFoundException", 404)
	if res, body := ask(t, d, "GET", "", "/_aws/execute-api/"+id+"/", ""); res.StatusCode != 403 { // as of an API that never was
		t.Errorf("after the reset the API answers %d: %s", res.StatusCode, body)
	}
	in = returning(t, "'new'")
	in.FunctionName = &name
	c.Create(t, in)
	if got := c.Call(t, name, "{}"); got != `"new"` {
		t.Errorf("a function of the same name, after the reset, returned %s", got)
	}
}

// SIGTERM while functions run: no new request is taken, and those that run have
// their answers.
func TestGracefulShutdown(t *testing.T) {
	d := daemon.Own(t, append([]string{"--grace", "110s"}, sdk.ReachGates...)...)
	c := sdk.For(t, d)
	gate := sdk.NewGate(t)
	in := gate.Waiting(t)
	in.FunctionName, in.Timeout = new("waits"), new(int32(300))
	if _, err := c.Lambda.CreateFunction(sdk.Context(t), in); err != nil {
		t.Fatal(err)
	}
	c.WaitActive(t, "waits")
	const n = 3
	type answer struct {
		payload string
		err     error
	}
	answers := make(chan answer, n)
	ctx := sdk.Context(t)
	for range n {
		go func() {
			out, err := c.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: new("waits")})
			if err != nil {
				answers <- answer{err: err}
				return
			}
			answers <- answer{payload: string(out.Payload)}
		}()
	}
	gate.Await(t, n)
	d.Terminate(t)
	sdk.Eventually(t, "the port is closed", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(d.URL, "http://"))
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	select {
	case a := <-answers:
		t.Fatalf("an invocation ended before its function: %+v", a)
	default:
	}
	gate.Open()
	for range n {
		if a := <-answers; a.err != nil || a.payload != `"through"` {
			t.Errorf("an invocation under way at the shutdown: %s, %v", a.payload, a.err)
		}
	}
	d.Stop(t) // and ended well: see daemon

	// What they logged, to the last line, is on the disk.
	after := daemon.StartOn(t, d.Data)
	text := strings.Join(messages(t, sdk.For(t, after), "waits"), "")
	if strings.Count(text, "through the gate") != n || strings.Count(text, "REPORT RequestId") != n {
		t.Errorf("the log of the last invocations is not whole:\n%s", text)
	}
}
