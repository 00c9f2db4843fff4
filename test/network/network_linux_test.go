package network

import (
	"encoding/json"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/paddock-run/paddock/internal/sandbox/sandboxtest"
	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/need"
	"github.com/paddock-run/paddock/test/sdk"
)

func create(t *testing.T, c *sdk.Clients, name string) {
	t.Helper()
	in := sdk.Python(t, reach)
	in.FunctionName, in.MemorySize = new(name), new(int32(1769)) // a whole processor: a scan is work
	c.Create(t, in)
}

func TestFunctionsReach(t *testing.T) {
	if os.Geteuid() != 0 {
		need.Missing(t, "root, to make networks")
	}
	if !sandboxtest.InOwnNetwork(t) {
		return
	}
	sandboxtest.Outside(t)
	d := daemon.Own(t)
	c := sdk.For(t, d)
	create(t, c, "one")
	create(t, c, "two")
	one := call[map[string]string](t, c, "one", map[string]any{"do": "self"})
	two := call[map[string]string](t, c, "two", map[string]any{"do": "self"})

	t.Run("AWS endpoint", func(t *testing.T) {
		// The daemon's own port: the URLs that it makes hold inside too.
		if one["AWS_ENDPOINT_URL"] != "http://127.0.0.1:"+d.Port(t) || one["AWS_LAMBDA_RUNTIME_API"] != "127.0.0.1:9001" {
			t.Errorf("the function is told %v", one)
		}
		if one["AWS_ACCESS_KEY_ID"] == two["AWS_ACCESS_KEY_ID"] {
			t.Error("two functions have the same credentials")
		}
		list := call[string](t, c, "one", map[string]any{"do": "get", "path": "/2015-03-31/functions/"})
		var got lambda.ListFunctionsOutput
		if err := json.Unmarshal([]byte(list), &got); err != nil || len(got.Functions) != 2 || *got.Functions[0].FunctionName != "one" {
			t.Errorf("ListFunctions from inside of a function: %s, %v", list, err)
		}
	})

	t.Run("other environments", func(t *testing.T) {
		if one["address"] == two["address"] {
			t.Fatalf("both have the address %s", one["address"])
		}
		// Its own two listeners, and no others: those of "one" are not among them.
		own := call[[]string](t, c, "two", map[string]any{"do": "scan", "hosts": []string{"127.0.0.1", two["address"]}, "ports": []int{1, 65536}})
		if strings.Join(own, " ") != "127.0.0.1:9001 127.0.0.1:"+d.Port(t) {
			t.Errorf("a scan of its own addresses finds %v", own)
		}
		neighbours := []string{one["address"]}
		network := two["address"][:strings.LastIndexByte(two["address"], '.')+1]
		for i := range 256 {
			if host := network + strconv.Itoa(i); host != two["address"] && host != one["address"] {
				neighbours = append(neighbours, host)
			}
		}
		if found := call[[]string](t, c, "two", map[string]any{"do": "scan", "hosts": neighbours, "ports": []int{8990, 9010}}); len(found) > 0 {
			t.Errorf("a scan of the environments' network finds %v", found)
		}
		if found := call[[]string](t, c, "two", map[string]any{"do": "scan", "hosts": neighbours[:1], "ports": []int{1, 65536}}); len(found) > 0 {
			t.Errorf("a scan of the other environment finds %v", found)
		}
	})

	t.Run("host", func(t *testing.T) {
		loopback, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer loopback.Close()
		go func() {
			for {
				conn, err := loopback.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Write([]byte("the host's loopback"))
				_ = conn.Close()
			}
		}()
		hidden := []string{
			loopback.Addr().String(), strings.TrimPrefix(d.URL, "http://"),
			sandboxtest.HostAddress + ":" + sandboxtest.HostPort,
			sandboxtest.MetadataAddress + ":80", sandboxtest.LinkLocalAddress + ":80",
		}
		for _, address := range hidden {
			conn, err := net.DialTimeout("tcp4", address, 10*time.Second)
			if err != nil {
				t.Fatalf("the host does not reach %s itself: %v", address, err)
			}
			conn.Close()
		}
		for address, got := range call[map[string]string](t, c, "one", map[string]any{"do": "connect", "addresses": hidden}) {
			if !strings.HasPrefix(got, "error: ") {
				t.Errorf("a function reaches %s: %q", address, got)
			}
		}
	})

	t.Run("another machine", func(t *testing.T) {
		for _, address := range []string{sandboxtest.NextAddress + ":80", sandboxtest.BeyondAddress + ":80"} {
			if got := call[map[string]string](t, c, "two", map[string]any{"do": "connect", "addresses": []string{address}})[address]; got != sandboxtest.RemoteText {
				t.Errorf("a function gets %q from %s", got, address)
			}
		}
	})
}

// With --network none functions reach nothing but Paddock.
func TestFunctionsWithoutNetwork(t *testing.T) {
	if os.Geteuid() != 0 {
		need.Missing(t, "root, to make networks")
	}
	if !sandboxtest.InOwnNetwork(t) {
		return
	}
	sandboxtest.Outside(t)
	d := daemon.Own(t, "--network", "none")
	c := sdk.For(t, d)
	create(t, c, "one")
	list := call[string](t, c, "one", map[string]any{"do": "get", "path": "/2015-03-31/functions/"})
	if !strings.Contains(list, `"FunctionName":"one"`) {
		t.Errorf("ListFunctions from inside of a function: %s", list)
	}
	address := sandboxtest.BeyondAddress + ":80"
	if got := call[map[string]string](t, c, "one", map[string]any{"do": "connect", "addresses": []string{address}})[address]; !strings.Contains(got, "unreachable") {
		t.Errorf("another machine answers %q", got)
	}
}
