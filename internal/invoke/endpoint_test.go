package invoke

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/sandbox"
)

// fakeAWS tells callers which function it takes them for.
type fakeAWS struct {
	mu     sync.Mutex
	inside int
	most   int
}

func (a *fakeAWS) Admit(v *function.Version) (Credentials, http.Handler, func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inside++
	a.most = max(a.most, a.inside)
	c := randomCredentials()
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, v.ARN+" "+c.AccessKeyID)
	})
	return c, handler, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.inside--
	}
}

func TestEndpoint(t *testing.T) {
	aws := &fakeAWS{}
	f := newFixture(t, func(o *Options) { o.AWS = aws })
	v := version(t, "", nil)
	var list []string
	if err := json.Unmarshal(f.invoke(invocation(v, request{Do: "env"})).Payload, &list); err != nil {
		t.Fatal(err)
	}
	env := sorted(list)
	url := env["AWS_ENDPOINT_URL"]
	res, err := http.Get(url)
	if err != nil {
		t.Fatalf("AWS_ENDPOINT_URL=%s: %v", url, err)
	}
	body, err := io.ReadAll(res.Body)
	if want := v.ARN + " " + env["AWS_ACCESS_KEY_ID"]; err != nil || string(body) != want {
		t.Errorf("the endpoint answers %q, %v; want %q", body, err, want)
	}
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if aws.inside != 0 || aws.most != 1 {
		t.Errorf("of %d environments %d have not left", aws.most, aws.inside)
	}
	http.DefaultClient.CloseIdleConnections()
	if res, err := http.Get(url); err == nil {
		res.Body.Close()
		t.Error("the endpoint outlives its environment")
	}
}

func TestEndpointOfAFailedInit(t *testing.T) {
	aws := &fakeAWS{}
	f := newFixture(t, func(o *Options) { o.AWS = aws })
	v := version(t, "", nil)
	v.Handler = "missing"
	v.CodeDir = t.TempDir() // no bootstrap
	for range 3 {
		if r := f.invoke(invocation(v, request{})); r.FunctionError == "" {
			t.Fatalf("%s", r.Payload)
		}
	}
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if aws.inside != 0 || aws.most == 0 {
		t.Errorf("of %d environments %d have not left", aws.most, aws.inside)
	}
}

// cpuDriver notes what SetCPU is told.
type cpuDriver struct {
	sandbox.Driver
	told chan int
}

func (d cpuDriver) New(ctx context.Context, spec *sandbox.Spec) (sandbox.Sandbox, error) {
	s, err := d.Driver.New(ctx, spec)
	return cpuSandbox{s, d.told}, err
}

type cpuSandbox struct {
	sandbox.Sandbox
	told chan int
}

func (s cpuSandbox) SetCPU(milli int) error {
	s.told <- milli
	return s.Sandbox.SetCPU(milli)
}

func TestCPUInProportionToMemory(t *testing.T) {
	for memory, want := range map[int]int{128: 72, 1769: 1000, 10240: 5788} {
		told := make(chan int, 10)
		f := newFixture(t, func(o *Options) { o.Driver = cpuDriver{o.Driver, told} })
		v := version(t, "", nil)
		v.MemoryMB = memory
		f.invoke(invocation(v, request{Do: "pid"}))
		if got := <-told; got != want {
			t.Errorf("%d MB: %d thousandths of a processor, want %d", memory, got, want)
		}
	}
	told := make(chan int, 10)
	f := newFixture(t, func(o *Options) { o.Driver, o.NoCPUQuota = cpuDriver{o.Driver, told}, true })
	f.invoke(invocation(version(t, "", nil), request{Do: "pid"}))
	if len(told) != 0 {
		t.Error("a quota was set, though they are off")
	}
	if strings.Contains(f.invoke(invocation(version(t, "", nil), request{Do: "pid"})).FunctionError, "U") {
		t.Error("the function fails without a quota")
	}
}
