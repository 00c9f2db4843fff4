// Package app wires Paddock together and runs it: the only package that names
// concrete types.
package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/paddock-run/paddock/internal/apigateway"
	"github.com/paddock-run/paddock/internal/apigatewayv2"
	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/cloudwatch"
	"github.com/paddock-run/paddock/internal/codestore"
	"github.com/paddock-run/paddock/internal/ecr"
	"github.com/paddock-run/paddock/internal/ecr/registry"
	"github.com/paddock-run/paddock/internal/edge"
	"github.com/paddock-run/paddock/internal/eventsource"
	"github.com/paddock-run/paddock/internal/eventsource/kafka"
	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/gateway/customdomain"
	"github.com/paddock-run/paddock/internal/gateway/limits"
	"github.com/paddock-run/paddock/internal/gateway/rest"
	"github.com/paddock-run/paddock/internal/image"
	"github.com/paddock-run/paddock/internal/invoke"
	"github.com/paddock-run/paddock/internal/lambda"
	"github.com/paddock-run/paddock/internal/logs"
	"github.com/paddock-run/paddock/internal/runtimes"
	"github.com/paddock-run/paddock/internal/sandbox"
	"github.com/paddock-run/paddock/internal/sqs"
	"github.com/paddock-run/paddock/internal/store/local"
)

// Config is everything that can be set about a daemon. cmd/paddock fills it from
// flags and the environment.
type Config struct {
	Data    string // folder of the state; made where it is missing
	Listen  string // HOST:PORT; port 0 chooses one
	Account string // twelve digits: the account of callers whose access key names none
	Region  string // of callers whose requests name none
	Version string // of Paddock

	Sandbox      string // "auto", "linux" or "process"
	Network      string // of the linux driver: "private", "host" or "none"
	RuntimeMatch string // "nearest" or "exact"
	Concurrency  int    // of an account in a region; 0: 1000
	Memory       string // of all functions together: "80%" (of the machine's), "16GiB", "512MiB"; "0" or "": no limit
	IdleExpiry   time.Duration
	// Zygotes limits the environments in which an interpreter has started that belong
	// to no function yet; 0: none, -1: twice the processors, at least 4.
	Zygotes    int
	NoCPUQuota bool // functions have all processors, whatever their memory

	AccessKeys     map[string]string // ID to secret: when not empty, requests must be signed with one
	Insecure       bool              // listen beyond loopback without AccessKeys
	AllowedHosts   []string
	AllowedOrigins []string
	// MSK are the brokers (host:port) of Amazon MSK clusters, by the ARNs that event
	// source mappings name; PlaintextSASL are brokers that are given passwords
	// without TLS.
	MSK           map[string][]string
	PlaintextSASL []string
	// VPCLinks are where VPC links lead (host:port), by their IDs or by the ARNs of
	// their load balancers.
	VPCLinks map[string]string
	// Secrets are files that stand for secrets of Secrets Manager, by their ARNs:
	// what a file holds is the secret's string, read whenever it is needed.
	Secrets map[string]string

	// TLSListen is the HOST:PORT for TLS; empty: none. TLSCert and TLSKey are files of
	// PEM; empty: Paddock signs certificates itself.
	TLSListen, TLSCert, TLSKey string
	// APICache is what the caches of all stages of REST APIs may hold, in MB; 0: 256.
	APICache int
	// APIRate (requests a second) and APIBurst (requests) are what an account's REST
	// APIs take in a region; 0: API Gateway's 10,000 and 5,000.
	APIRate  float64
	APIBurst int32

	// Issuers says where the keys of user pools are that COGNITO_USER_POOLS
	// authorizers name: by ARN or issuer, the URL of a JSON Web Key Set or of an
	// OpenID configuration.
	Issuers map[string]string

	// Registries are the hosts (host or host:port) of registries, besides Paddock's
	// own, that functions' images may come from.
	Registries []string

	MetricsRetention time.Duration // of CloudWatch's metrics; 0: 15 months

	AllowReset bool // serve POST /_paddock/reset
	ShowLogs   bool // print what functions log

	Grace  time.Duration // how long a stop waits for running requests
	Out    io.Writer     // for people
	Logger *slog.Logger
	// Started, where set, is called with the address once requests are answered.
	Started func(addr net.Addr)
}

// Run serves until ctx ends, then stops in order: no new requests, running ones
// finish, environments get their Shutdown phase, logs reach the disk, the state
// is closed.
func Run(ctx context.Context, cfg Config) (err error) {
	if err := checkNumbers(&cfg); err != nil {
		return err
	}
	if err := checkVPCLinks(cfg.VPCLinks); err != nil {
		return err
	}
	if err := checkExposure(&cfg); err != nil {
		return err
	}
	state, err := local.Open(cfg.Data)
	if err != nil {
		return err
	}
	d := &daemon{cfg: cfg, state: state, log: cfg.Logger}
	defer func() { err = errors.Join(err, d.close()) }()
	// What the services watch ends when the last of them has been closed, not
	// when the signal comes.
	d.life, d.endLife = context.WithCancel(context.WithoutCancel(ctx))

	listener, err := listen("--listen", cfg.Listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	d.addr = listener.Addr()
	var secure net.Listener // nil: no TLS
	if cfg.TLSListen != "" {
		if secure, err = listen("--tls-listen", cfg.TLSListen); err != nil {
			return err
		}
		defer secure.Close()
		d.tlsAddr = secure.Addr()
	}
	if err := d.build(ctx); err != nil {
		return err
	}
	d.greet()
	d.background.Go(func() { d.announceRuntimes(d.life) })
	if cfg.Started != nil {
		cfg.Started(d.addr)
	}
	return d.serve(ctx, listener, secure)
}

// daemon is a running Paddock: its parts in the order in which they are built,
// and closed backwards.
type daemon struct {
	cfg     Config
	log     *slog.Logger
	addr    net.Addr
	tlsAddr net.Addr // nil: no TLS
	life    context.Context
	endLife context.CancelFunc
	// background is what runs besides requests until life ends.
	background sync.WaitGroup

	state    *local.State
	driver   sandbox.Driver
	why      string // why this driver
	runtimes *runtimes.Runtimes
	code     *codestore.Store
	ecr      *ecr.Service
	images   *image.Store // nil: the driver cannot run them
	logs     *logs.Service
	metrics  *cloudwatch.Service
	keys     *accessKeys
	invoker  *invoke.Invoker
	lambda   *lambda.Service
	apis     *apigatewayv2.Service
	rest     *apigateway.Service
	data     *rest.Gateway // of REST APIs
	limits   *limits.Limits
	front    *customdomain.Front
	sqs      *sqs.Service
	kafka    *kafka.Source
	secrets  fileSecrets
	pollers  *eventsource.Supervisor
	edge     *edge.Edge
}

func (d *daemon) build(ctx context.Context) (err error) {
	cfg := &d.cfg
	if d.secrets, err = newFileSecrets(cfg.Secrets); err != nil {
		return err
	}
	if d.driver, d.why, err = chooseDriver(ctx, cfg); err != nil {
		return err
	}
	if d.runtimes, err = runtimes.New(runtimes.Options{Match: cfg.RuntimeMatch, Dir: filepath.Join(cfg.Data, "runtimes"), Logger: d.log}); err != nil {
		return err
	}
	if d.code, err = codestore.New(codestore.Options{Dir: filepath.Join(cfg.Data, "code"), Blobs: d.state.Blobs, Logger: d.log}); err != nil {
		return err
	}
	if err := d.openRegistry(); err != nil {
		return err
	}
	if err := d.openImages(); err != nil {
		return err
	}
	if d.logs, err = logs.New(d.life, d.state.Documents, d.state.Logs, d.log); err != nil {
		return err
	}
	d.metrics = cloudwatch.New(cloudwatch.Options{Series: d.state.Series, Retention: cfg.MetricsRetention, Logger: d.log})
	d.keys = newAccessKeys(cfg.AccessKeys)
	memory, err := memoryBudget(cmp.Or(cfg.Memory, "0"), func() (uint64, error) { return machineMemory(os.DirFS("/")) })
	if err != nil {
		return err
	}
	d.invoker = invoke.New(invoke.Options{
		Driver:      d.driver,
		Runtimes:    d.runtimes,
		Logs:        &logSink{logs: d.logs, show: d.shower()},
		Concurrency: cfg.Concurrency,
		MemoryMB:    memory,
		IdleExpiry:  cfg.IdleExpiry,
		Zygotes:     zygotes(cfg.Zygotes),
		AWS:         &inside{keys: d.keys, handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { d.edge.ServeHTTP(w, r) })},
		AWSPort:     d.port(),
		NoCPUQuota:  cfg.NoCPUQuota,
		Messages:    d.state.Messages,
		Resolve: func(ctx context.Context, arn string) (*function.Version, error) {
			return d.lambda.Current(ctx, arn)
		},
		Deliver:    d.deliver,
		DeadLetter: d.deadLetter,
		Metrics:    d.metrics,
		Logger:     d.log,
	})
	d.kafka = kafka.NewSource(kafka.Options{MSK: cfg.MSK, PlaintextSASL: cfg.PlaintextSASL})
	if d.lambda, err = lambda.New(lambda.Options{Documents: d.state.Documents, Blobs: d.state.Blobs, Code: d.code, Images: d.imagesForLambda(), Invoker: d.invoker, Capacity: d.invoker, Sources: eventSources{d}, Concurrency: cfg.Concurrency, Logger: d.log}); err != nil {
		return err
	}
	if d.apis, err = apigatewayv2.New(d.life, d.state.Documents, d.log); err != nil {
		return err
	}
	if d.rest, err = apigateway.New(d.life, apigateway.Options{
		Documents: d.state.Documents, CheckTemplate: checkTemplate, AccountRate: cfg.APIRate, AccountBurst: cfg.APIBurst, Truststores: truststores{}, Logger: d.log,
	}); err != nil {
		return err
	}
	if d.sqs, err = sqs.New(d.life, ctx, d.state.Documents, d.state.Messages, d.metrics, d.log); err != nil {
		return err
	}
	if d.front, err = d.tlsFront(); err != nil {
		return err
	}
	gateway, err := d.gateway(ctx)
	if err != nil {
		return err
	}
	d.edge, err = edge.New(edge.Options{
		Account:        cfg.Account,
		Region:         cfg.Region,
		Services:       d.services(),
		Registry:       registry.New(registry.Options{Repositories: d.ecr, Enforce: len(cfg.AccessKeys) > 0, Logger: d.log}),
		Gateway:        gateway,
		Internal:       d.internal(),
		AllowedHosts:   slices.Concat(cfg.AllowedHosts, hostsOf(cfg.Listen), hostsOf(cfg.TLSListen)),
		AllowedOrigins: cfg.AllowedOrigins,
		Lookup:         d.keys.lookup(),
		Version:        cfg.Version,
		Logger:         d.log,
	})
	if err != nil {
		return err
	}
	d.superviseEventSources(ctx)
	return d.invoker.ResumeEvents(ctx)
}

// close ends the parts, the last first. It is called when no request runs any more.
func (d *daemon) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), d.cfg.Grace+5*time.Second)
	defer cancel()
	var errs []error
	if d.pollers != nil {
		errs = append(errs, d.stopPolling(ctx))
	}
	if d.lambda != nil {
		errs = append(errs, d.lambda.Close())
	}
	if d.data != nil {
		d.data.Close()
	}
	if d.limits != nil {
		errs = append(errs, d.limits.Close(ctx))
	}
	if d.invoker != nil {
		err := d.invoker.Close(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("functions were still running when the grace was over, and were ended: %w", err)
		}
		errs = append(errs, err)
	}
	if d.driver != nil {
		errs = append(errs, d.driver.Close())
	}
	if d.logs != nil {
		// Whatever took so long before, what functions have logged is stored.
		storing, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		errs = append(errs, d.logs.Close(storing))
		cancel()
	}
	if d.code != nil {
		errs = append(errs, d.code.Close())
	}
	if d.images != nil {
		errs = append(errs, d.images.Close())
	}
	if d.ecr != nil {
		errs = append(errs, d.ecr.Close())
	}
	d.endLife()
	if d.sqs != nil {
		errs = append(errs, d.sqs.Close())
	}
	if d.metrics != nil { // what the others did while they ended is recorded too
		errs = append(errs, d.metrics.Close(ctx))
	}
	d.background.Wait()
	errs = append(errs, d.state.Close())
	return errors.Join(errs...)
}

// listen opens the port, or says what is in the way.
func listen(flag, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("cannot listen on %s: %w (another Paddock or LocalStack may be running: stop it, or choose another port with %s)", address, errors.Unwrap(err), flag)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w (choose another address with %s)", address, errors.Unwrap(err), flag)
	}
	return l, nil
}

// zygotes is the invoker's number for that of the configuration.
func zygotes(n int) int {
	switch n {
	case 0:
		return -1
	case -1:
		return 0
	}
	return n
}

// checkNumbers refuses what is no amount, and an account that is none.
func checkNumbers(cfg *Config) error {
	switch {
	case cfg.Concurrency < 0:
		return fmt.Errorf("--concurrency %d: it is a number of invocations", cfg.Concurrency)
	case cfg.APIRate < 0 || math.IsNaN(cfg.APIRate):
		return fmt.Errorf("--api-rate %g: it is a number of requests a second", cfg.APIRate)
	case cfg.APIBurst < 0:
		return fmt.Errorf("--api-burst %d: it is a number of requests", cfg.APIBurst)
	case cfg.MetricsRetention < 0 || cfg.MetricsRetention > 0 && cfg.MetricsRetention < time.Hour:
		return fmt.Errorf("--metrics-retention %s: it is an hour or more", cfg.MetricsRetention)
	case cfg.IdleExpiry < 0:
		return fmt.Errorf("--idle-expiry %s: it is a duration from now on", cfg.IdleExpiry)
	case cfg.Zygotes < -1:
		return fmt.Errorf("--zygotes %d: it is a number of environments, or -1 for what suits the machine", cfg.Zygotes)
	case cfg.Grace < 0:
		return fmt.Errorf("--grace %s: it is a duration from now on", cfg.Grace)
	case cfg.APICache < 0:
		return fmt.Errorf("--api-cache %d: it is a size in MB", cfg.APICache)
	case !arn.IsAccount(cfg.Account):
		return fmt.Errorf("--account %s: an account is twelve digits", cfg.Account)
	}
	return nil
}

// checkExposure refuses to serve other machines without authentication.
func checkExposure(cfg *Config) error {
	if err := checkAddress(cfg, "--listen", cfg.Listen); err != nil || cfg.TLSListen == "" {
		return err
	}
	return checkAddress(cfg, "--tls-listen", cfg.TLSListen)
}

func checkAddress(cfg *Config, flag, address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%s wants HOST:PORT, such as 127.0.0.1:4566: %w", flag, err)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	if len(cfg.AccessKeys) == 0 && !cfg.Insecure {
		return fmt.Errorf("%s %s would serve other machines without authentication: give --access-key ID=SECRET, or say --insecure if everyone who can reach this port may run code here", flag, address)
	}
	return nil
}

// hostsOf is the host name that the daemon was told to listen on, which clients
// may use: none where that is every address.
func hostsOf(address string) []string {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || host == "" || ip != nil && ip.IsUnspecified() {
		return nil
	}
	return []string{host}
}
