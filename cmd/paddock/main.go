// Paddock runs AWS Lambda functions and Amazon API Gateway APIs on this machine.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/paddock-run/paddock/internal/app"
)

// version is set by releases: -ldflags "-X main.version=1.2.3".
var version = "dev"

type cli struct {
	Serve   serve   `cmd:"" default:"withargs" help:"Serve the AWS APIs on one port (the default command)."`
	Doctor  doctor  `cmd:"" help:"Say what this machine can do for Paddock and how to get the rest. Exit code 1: something is lacking."`
	Version showing `cmd:"" help:"Print the version."`
}

// place is what serve is told about the machine, and doctor asks it about.
type place struct {
	Data    string `default:"${data}" env:"PADDOCK_DATA" placeholder:"DIR" help:"Folder of the state (default: ${default})."`
	Listen  string `default:"127.0.0.1:4566" env:"PADDOCK_LISTEN" placeholder:"HOST:PORT" help:"Address to listen on (default: ${default})."`
	Sandbox string `default:"auto" enum:"auto,linux,process" env:"PADDOCK_SANDBOX" help:"What keeps functions apart: auto, linux or process (default: ${default})."`
	Network string `default:"private" enum:"private,host,none" env:"PADDOCK_NETWORK" help:"Network of functions in the linux sandbox: private (a way to other machines, but not to this one), host (shared) or none (default: ${default})."`
}

type serve struct {
	place

	Account string `default:"000000000000" env:"PADDOCK_ACCOUNT" help:"Account of callers whose access key is not twelve digits (default: ${default})."`
	Region  string `default:"us-east-1" env:"PADDOCK_REGION" help:"Region of requests that name none (default: ${default})."`

	RuntimeMatch     string        `default:"nearest" enum:"nearest,exact" env:"PADDOCK_RUNTIME_MATCH" help:"Where a runtime's very version is not installed: take the nearest, or refuse with exact (default: ${default})."`
	Concurrency      int           `default:"1000" env:"PADDOCK_CONCURRENCY" help:"Invocations of an account that run at a time in a region (default: ${default})."`
	Memory           string        `default:"80%" env:"PADDOCK_MEMORY" placeholder:"SIZE" help:"Memory of all functions together: a share of this machine's such as 80%, a size such as 16GiB or 512MiB, or 0 for no limit (default: ${default})."`
	MetricsRetention time.Duration `env:"PADDOCK_METRICS_RETENTION" help:"How long CloudWatch's metrics are kept, an hour or more (default: 15 months)."`
	IdleExpiry       time.Duration `default:"10m" env:"PADDOCK_IDLE_EXPIRY" help:"How long an environment is kept without work (default: ${default})."`
	Zygotes          int           `default:"-1" env:"PADDOCK_ZYGOTES" placeholder:"N" help:"Environments in which an interpreter has started before a function needs it: at most N, 0 for none, -1 for twice the processors, at least 4 (default: ${default})."`

	CPUQuota bool `name:"cpu-quota" default:"true" negatable:"" env:"PADDOCK_CPU_QUOTA" help:"Limit functions to a share of the processors in proportion to their memory, as Lambda does (default: on)."`

	TLSListen string `name:"tls-listen" env:"PADDOCK_TLS_LISTEN" placeholder:"HOST:PORT" help:"Address to listen on with TLS, for custom domain names and mutual TLS (default: none)."`
	TLSCert   string `name:"tls-cert" env:"PADDOCK_TLS_CERT" placeholder:"FILE" help:"Certificate with its chain, in PEM (default: one that Paddock signs itself for each domain name)."`
	TLSKey    string `name:"tls-key" env:"PADDOCK_TLS_KEY" placeholder:"FILE" help:"The certificate's key, in PEM."`

	APICache int     `name:"api-cache" default:"256" env:"PADDOCK_API_CACHE" placeholder:"MB" help:"Memory of the caches of all REST APIs' stages together, in MB (default: ${default})."`
	APIRate  float64 `name:"api-rate" default:"10000" env:"PADDOCK_API_RATE" help:"Requests a second that an account's REST APIs take in a region (default: ${default})."`
	APIBurst int32   `name:"api-burst" default:"5000" env:"PADDOCK_API_BURST" help:"Requests that they take at once (default: ${default})."`

	AccessKey   map[string]string `env:"PADDOCK_ACCESS_KEYS" mapsep:"," placeholder:"ID=SECRET" help:"Require requests to be signed with this key; repeat for more."`
	Insecure    bool              `env:"PADDOCK_INSECURE" help:"Serve other machines without authentication."`
	AllowHost   []string          `env:"PADDOCK_ALLOW_HOSTS" placeholder:"NAME" help:"Another host name that requests may be addressed to; repeat for more."`
	AllowOrigin []string          `env:"PADDOCK_ALLOW_ORIGINS" placeholder:"ORIGIN" help:"Another origin whose pages may use the APIs; repeat for more."`
	AllowReset  bool              `env:"PADDOCK_ALLOW_RESET" help:"Let POST /_paddock/reset empty everything."`

	MSK           map[string]string `name:"msk" env:"PADDOCK_MSK" mapsep:";" placeholder:"ARN=HOST:PORT,…" help:"Brokers of an Amazon MSK cluster that event source mappings name by its ARN; repeat for more."`
	Secret        map[string]string `env:"PADDOCK_SECRETS" mapsep:";" placeholder:"ARN=FILE" help:"A file that stands for the secret with that ARN, such as the Kafka credentials that event source mappings name; read whenever it is needed; repeat for more."`
	VPCLink       map[string]string `name:"vpc-link" env:"PADDOCK_VPC_LINKS" mapsep:";" placeholder:"ID=HOST:PORT" help:"Where a VPC link leads, by its ID or by the ARN of its load balancer; repeat for more."`
	Issuer        map[string]string `env:"PADDOCK_ISSUERS" mapsep:";" placeholder:"POOL=URL" help:"Where the keys are of a user pool that authorizers name, by its ARN or its issuer: the URL of a JSON Web Key Set or of an OpenID configuration, which then says the issuer; repeat for more (default: AWS's own)."`
	Registry      []string          `env:"PADDOCK_REGISTRIES" placeholder:"HOST[:PORT]" help:"Another registry, besides Paddock's own, that functions' images may come from; repeat for more."`
	PlaintextSASL []string          `name:"plaintext-sasl" env:"PADDOCK_PLAINTEXT_SASL" placeholder:"HOST:PORT" help:"A Kafka broker that is given passwords without TLS, for tests; repeat for more."`

	ShowLogs bool          `env:"PADDOCK_SHOW_LOGS" help:"Print what functions log."`
	LogLevel slog.Level    `default:"INFO" env:"PADDOCK_LOG_LEVEL" help:"DEBUG, INFO, WARN or ERROR (default: ${default})."`
	LogJSON  bool          `name:"log-json" env:"PADDOCK_LOG_JSON" help:"Write Paddock's own log as JSON."`
	Grace    time.Duration `default:"30s" env:"PADDOCK_GRACE" help:"How long a stop waits for what runs (default: ${default})."`
}

func (s *serve) Run() error {
	if err := app.Rootless(s.Sandbox, s.Network); err != nil {
		fmt.Fprintln(os.Stderr, "paddock: as this user, functions cannot be isolated:", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, endOnSignal)
	options := &slog.HandlerOptions{Level: s.LogLevel}
	var handler slog.Handler = slog.NewTextHandler(os.Stderr, options)
	if s.LogJSON {
		handler = slog.NewJSONHandler(os.Stderr, options)
	}
	clusters := map[string][]string{}
	for arn, brokers := range s.MSK {
		clusters[arn] = strings.Split(brokers, ",")
	}
	return app.Run(ctx, app.Config{
		Data: s.Data, Listen: s.Listen, Account: s.Account, Region: s.Region, Version: version,
		Sandbox: s.Sandbox, Network: s.Network, RuntimeMatch: s.RuntimeMatch, Concurrency: s.Concurrency, Memory: s.Memory, IdleExpiry: s.IdleExpiry, MetricsRetention: s.MetricsRetention, Zygotes: s.Zygotes,
		NoCPUQuota: !s.CPUQuota, APIRate: s.APIRate, APIBurst: s.APIBurst, APICache: s.APICache,
		TLSListen: s.TLSListen, TLSCert: s.TLSCert, TLSKey: s.TLSKey,
		AccessKeys: s.AccessKey, Insecure: s.Insecure, AllowedHosts: s.AllowHost, AllowedOrigins: s.AllowOrigin,
		MSK: clusters, VPCLinks: s.VPCLink, Issuers: s.Issuer, PlaintextSASL: s.PlaintextSASL, Secrets: s.Secret,
		Registries: s.Registry,
		AllowReset: s.AllowReset, ShowLogs: s.ShowLogs, Grace: s.Grace,
		Out: os.Stdout, Logger: slog.New(handler),
	})
}

// endOnSignal ends the process at once on another signal. It does not leave that
// to the signals' own effect: what scripts start in the background has none.
func endOnSignal() {
	again := make(chan os.Signal, 1)
	signal.Notify(again, os.Interrupt, syscall.SIGTERM)
	<-again
	fmt.Fprintln(os.Stderr, "paddock: ended by a second signal, with requests still running")
	os.Exit(1)
}

type doctor struct{ place }

func (d *doctor) Run() error {
	if err := app.Rootless(d.Sandbox, d.Network); err != nil {
		fmt.Fprintln(os.Stderr, "paddock: as this user, functions cannot be isolated:", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := app.Doctor(ctx, app.Config{
		Data: d.Data, Listen: d.Listen, Version: version, Sandbox: d.Sandbox, Network: d.Network, Out: os.Stdout,
	})
	if errors.Is(err, app.ErrLacking) { // which has been said
		os.Exit(1)
	}
	return err
}

type showing struct{}

func (showing) Run() error {
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				revision = " " + setting.Value
			}
		}
	}
	_, err := fmt.Printf("paddock %s%s %s/%s %s\n", version, revision, runtime.GOOS, runtime.GOARCH, runtime.Version())
	return err
}

func main() {
	ctx := kong.Parse(&cli{},
		kong.Name("paddock"),
		kong.Description("Runs AWS Lambda functions and Amazon API Gateway APIs on your own machines."),
		kong.UsageOnError(),
		kong.Vars{"data": app.DefaultData()},
	)
	if err := ctx.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "paddock:", err)
		os.Exit(1)
	}
}
