// Package network tests what functions reach of the network and what not,
// through the built Paddock. On Linux the tests run in a network namespace that
// plays the host, with another machine beside it.
package network

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/sdk"
)

// reach is a function that says what it finds: "get" fetches a path of
// AWS_ENDPOINT_URL, "connect" tells what each address answers, "scan" which TCP
// ports of the addresses are open, "self" what it knows of itself.
const reach = `
import os, socket, urllib.request

def connect(address, wait=3):
    host, port = address.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=wait) as s:
            return s.recv(100).decode()
    except OSError as e:
        return "error: " + str(e)

def scan(host, ports):
    found = []
    for port in range(*ports):
        with socket.socket() as s:
            s.settimeout(1)
            # A socket may connect to itself where its own port comes up.
            if s.connect_ex((host, port)) == 0 and s.getsockname() != s.getpeername():
                found.append(host + ":" + str(port))
    return found

def handler(event, context):
    do = event["do"]
    if do == "get":
        with urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + event["path"], timeout=10) as r:
            return r.read().decode()
    if do == "connect":
        return {a: connect(a) for a in event["addresses"]}
    if do == "scan":
        return [open for host in event["hosts"] for open in scan(host, event["ports"])]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("203.0.113.1", 9))
        address = s.getsockname()[0]
    names = ["AWS_LAMBDA_RUNTIME_API", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID"]
    return {"address": address, **{name: os.environ[name] for name in names}}
`

func call[T any](t *testing.T, c *sdk.Clients, name string, event map[string]any) (answer T) {
	t.Helper()
	payload, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(c.Call(t, name, string(payload))), &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// A function's endpoint is the same thing where there is no isolation.
func TestEndpointOfTheProcessDriver(t *testing.T) {
	d := daemon.Own(t, "--sandbox", "process")
	c := sdk.For(t, d)
	in := sdk.Python(t, reach)
	in.FunctionName = new("one")
	c.Create(t, in)
	self := call[string](t, c, "one", map[string]any{"do": "get", "path": "/2015-03-31/functions/"})
	if !strings.Contains(self, `"FunctionName":"one"`) {
		t.Errorf("ListFunctions from inside of a function: %s", self)
	}
}
