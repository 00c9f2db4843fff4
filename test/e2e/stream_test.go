package e2e

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/paddock-run/paddock/test/sdk"
)

// streamed is a streamed response and its end.
type streamed struct {
	chunks []string
	end    types.InvokeWithResponseStreamCompleteEvent
}

func (s *streamed) text() string { return strings.Join(s.chunks, "") }

func stream(t *testing.T, c *sdk.Clients, in *lambda.InvokeWithResponseStreamInput) *streamed {
	t.Helper()
	out, err := c.Lambda.InvokeWithResponseStream(sdk.Context(t), in)
	if err != nil {
		t.Fatal(err)
	}
	events := out.GetStream()
	defer events.Close()
	s := &streamed{}
	for e := range events.Events() {
		switch e := e.(type) {
		case *types.InvokeWithResponseStreamResponseEventMemberPayloadChunk:
			s.chunks = append(s.chunks, string(e.Value.Payload))
		case *types.InvokeWithResponseStreamResponseEventMemberInvokeComplete:
			s.end = e.Value
		default:
			t.Errorf("an event of the stream is a %T", e)
		}
	}
	if err := events.Err(); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestResponseStream(t *testing.T) {
	_, c := open(t)
	name := c.Create(t, sdk.Node(t, `
export const handler = awslambda.streamifyResponse(async (event, response, context) => {
  response.setContentType("text/plain");
  response.write("one ");
  await new Promise((resolve) => setTimeout(resolve, 20));
  response.write("two ");
  if (event.fail) throw new TypeError("half way");
  if (event.large) for (let i = 0; i < 160; i++) if (!response.write("x".repeat(65536))) await new Promise((resolve) => response.once("drain", resolve));
  console.log("streamed to", context.awsRequestId);
  response.end("three");
});
`))
	got := stream(t, c, &lambda.InvokeWithResponseStreamInput{FunctionName: &name, LogType: types.LogTypeTail})
	if got.text() != "one two three" || got.end.ErrorCode != nil {
		t.Errorf("the stream is %q, its end %+v", got.text(), got.end)
	}
	tail, err := base64.StdEncoding.DecodeString(sdk.String(got.end.LogResult))
	if err != nil || !strings.Contains(string(tail), "streamed to ") || !strings.Contains(string(tail), "REPORT") {
		t.Errorf("the log's tail is %q (%v)", tail, err)
	}

	// Lambda passes on only types of its own naming (Function.*, Runtime.*); the
	// function's stands in the details.
	failed := stream(t, c, &lambda.InvokeWithResponseStreamInput{FunctionName: &name, Payload: []byte(`{"fail":true}`)})
	if failed.text() != "one two " || sdk.String(failed.end.ErrorCode) != "Function.Unknown" || !strings.Contains(sdk.String(failed.end.ErrorDetails), "half way") {
		t.Errorf("a stream that fails half way: %q, its end %s: %s", failed.text(), sdk.String(failed.end.ErrorCode), sdk.String(failed.end.ErrorDetails))
	}

	// A stream may be larger than the 6 MB of a response that is not streamed.
	large := stream(t, c, &lambda.InvokeWithResponseStreamInput{FunctionName: &name, Payload: []byte(`{"large":true}`)})
	if n := len(large.text()); n != len("one two three")+160*65536 {
		t.Errorf("a stream of 10 MB comes as %d bytes", n)
	}

	// Invoke of a streaming function has its response whole.
	if out := c.Invoke(t, name, "{}"); string(out.Payload) != "one two three" {
		t.Errorf("Invoke of a streaming function: %s", out.Payload)
	}
	plain := c.Create(t, sdk.Python(t, echo))
	if got := stream(t, c, &lambda.InvokeWithResponseStreamInput{FunctionName: &plain, Payload: []byte(`{"a": 1}`)}); got.text() != `{"a": 1}` {
		t.Errorf("a function that does not stream: %q", got.text())
	}
	_, err = c.Lambda.InvokeWithResponseStream(sdk.Context(t), &lambda.InvokeWithResponseStreamInput{FunctionName: new("nobody")})
	sdk.Expect(t, err, "ResourceNotFoundException", 404)
}

// The first piece is with the client while the function still runs: it waits for
// a second invocation, which the client makes once it has that piece.
func TestStreamIsNotHeldBack(t *testing.T) {
	ctx, c := open(t)
	name := c.Create(t, sdk.Node(t, `
import { setTimeout } from "node:timers/promises";
export const handler = awslambda.streamifyResponse(async (event, response) => {
  const url = process.env.AWS_ENDPOINT_URL + "/2015-03-31/functions/" + event.gate;
  response.write("first");
  for (;;) {
    const answer = await fetch(url, { headers: { authorization: event.authorization } });
    if (answer.status === 200) break;
    await setTimeout(20);
  }
  response.end("last");
});
`))
	gate := sdk.Name(t)
	out, err := c.Lambda.InvokeWithResponseStream(ctx, &lambda.InvokeWithResponseStreamInput{FunctionName: &name, Payload: []byte(`{"gate":"` + gate + `","authorization":"none"}`)})
	if err != nil {
		t.Fatal(err)
	}
	events := out.GetStream()
	defer events.Close()
	var got []string
	for e := range events.Events() {
		if chunk, ok := e.(*types.InvokeWithResponseStreamResponseEventMemberPayloadChunk); ok {
			got = append(got, string(chunk.Value.Payload))
			if len(got) == 1 {
				in := returning(t, "1")
				in.FunctionName = &gate
				c.Create(t, in)
			}
		}
	}
	if err := events.Err(); err != nil {
		t.Fatal(err)
	}
	if strings.Join(got, "|") != "first|last" {
		t.Errorf("the stream came as %q", got)
	}
}
