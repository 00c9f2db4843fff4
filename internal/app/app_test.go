package app

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	signer "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

func config(t *testing.T) Config {
	return Config{
		Data: t.TempDir(), Listen: "127.0.0.1:0", Account: "000000000000", Region: "us-east-1", Version: "test",
		Sandbox: "process", Network: "host", RuntimeMatch: "nearest",
		Grace: 5 * time.Second, Out: io.Discard, Logger: slog.New(slog.DiscardHandler),
	}
}

// running starts a daemon and returns its URL and what stops it.
func running(t *testing.T, cfg Config) (url string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	started, ended := make(chan net.Addr, 1), make(chan error, 1)
	cfg.Started = func(a net.Addr) { started <- a }
	go func() { ended <- Run(ctx, cfg) }()
	stop = func() error { cancel(); return <-ended }
	select {
	case a := <-started:
		return "http://" + a.String(), stop
	case err := <-ended:
		t.Fatalf("Run: %v", err)
		return "", nil
	}
}

func TestExposureNeedsAuthentication(t *testing.T) {
	for _, c := range []struct {
		listen string
		change func(*Config)
		wrong  string
	}{
		{"127.0.0.1:0", nil, ""},
		{"[::1]:0", nil, ""},
		{"localhost:0", nil, ""},
		{"0.0.0.0:0", nil, "--access-key ID=SECRET"},
		{":0", nil, "--access-key"},
		{"10.1.2.3:0", nil, "--insecure"},
		{"example.com:0", nil, "--access-key"},
		{"0.0.0.0:0", func(c *Config) { c.Insecure = true }, ""},
		{"0.0.0.0:0", func(c *Config) { c.AccessKeys = map[string]string{"a": "b"} }, ""},
		{"4566", nil, "HOST:PORT"},
	} {
		cfg := config(t)
		cfg.Listen = c.listen
		if c.change != nil {
			c.change(&cfg)
		}
		err := checkExposure(&cfg)
		if c.wrong == "" && err != nil || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
			t.Errorf("%s: %v, want %q", c.listen, err, c.wrong)
		}
	}
}

func TestNumbersThatAreNone(t *testing.T) {
	for flag, change := range map[string]func(*Config){
		"--concurrency": func(c *Config) { c.Concurrency = -5 },
		"--idle-expiry": func(c *Config) { c.IdleExpiry = -time.Second },
		"--zygotes":     func(c *Config) { c.Zygotes = -2 },
		"--grace":       func(c *Config) { c.Grace = -time.Second },
		"--account":     func(c *Config) { c.Account = "12" },
	} {
		cfg := config(t)
		change(&cfg)
		if err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

func TestWhatStopsAStartIsSaid(t *testing.T) {
	cfg := config(t)
	_, stop := running(t, cfg)
	second := cfg
	if err := Run(t.Context(), second); err == nil || !strings.Contains(err.Error(), cfg.Data) {
		t.Errorf("a second daemon on the same data: %v", err)
	}
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	third := config(t)
	third.Listen = l.Addr().String()
	if err := Run(t.Context(), third); err == nil || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("a port that is taken: %v", err)
	}
	third.Listen = "127.0.0.1:99999"
	if err := Run(t.Context(), third); err == nil || strings.Contains(err.Error(), "another Paddock") {
		t.Errorf("a port that is none: %v", err)
	}
	fourth := config(t)
	fourth.Sandbox = "magic"
	if err := Run(t.Context(), fourth); err == nil || !strings.Contains(err.Error(), "choose auto") {
		t.Errorf("a sandbox that is none: %v", err)
	}
}

func TestBannerSaysWhatToKnow(t *testing.T) {
	cfg := config(t)
	var out bytes.Buffer // read only after the daemon has ended
	cfg.Out = &out
	url, stop := running(t, cfg)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"listening   " + url, cfg.Data, "isolation   process", "--sandbox process", "AWS_ENDPOINT_URL=" + url, "us-east-1"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the banner does not say %q:\n%s", want, out.String())
		}
	}
}

func TestResetIsGuarded(t *testing.T) {
	post := func(url, secret string) int {
		req, err := http.NewRequest(http.MethodPost, url+"/_paddock/reset", nil)
		if err != nil {
			t.Fatal(err)
		}
		if secret != "" {
			const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // SHA-256 of nothing
			key := aws.Credentials{AccessKeyID: "id", SecretAccessKey: secret}
			if err := signer.NewSigner().SignHTTP(t.Context(), key, req, empty, "paddock", "us-east-1", time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	for _, c := range []struct {
		name, secret string
		change       func(*Config)
		status       int
	}{
		{"not allowed", "", func(*Config) {}, 403},
		{"allowed", "", func(c *Config) { c.AllowReset = true }, 200},
		{"keys, none given", "", func(c *Config) { c.AllowReset, c.AccessKeys = true, map[string]string{"id": "secret"} }, 403},
		{"keys, wrong one", "other", func(c *Config) { c.AllowReset, c.AccessKeys = true, map[string]string{"id": "secret"} }, 403},
		{"keys, right one", "secret", func(c *Config) { c.AllowReset, c.AccessKeys = true, map[string]string{"id": "secret"} }, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config(t)
			c.change(&cfg)
			url, stop := running(t, cfg)
			if got := post(url, c.secret); got != c.status {
				t.Errorf("status %d, want %d", got, c.status)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}
