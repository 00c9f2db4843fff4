package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// rest measures REST APIs through the daemon over loopback: MOCK and HTTP_PROXY
// beside nginx and httputil.ReverseProxy before the same upstream, AWS_PROXY
// beside the Invoke API, and beside serverless-offline with the same handler.
func (b *bench) rest() error {
	p, err := b.startPaddock(filepath.Join(b.dir, "rest"), "--cpu-quota=false", "--api-rate=1e9", "--api-burst=1000000000")
	if err != nil {
		return err
	}
	defer p.stop()
	for _, measure := range []func(*server) error{b.restProxies, b.restRoutes, b.restInvoke, b.restNode} {
		if err := measure(p); err != nil {
			return err
		}
	}
	return nil
}

// contender is a side of a comparison.
type contender struct {
	name string
	exchange
	server *server // whose processor time is measured; nil: nobody's

	rates, busy []float64 // requests a second; microseconds of the server's processors a request
	p50, p99    []time.Duration
}

// contend has the sides take turns, and prints the medians of the rounds.
func (b *bench) contend(title string, connections int, sides []*contender) error {
	for round := range b.rounds {
		for i := range sides {
			s := sides[i]
			if round%2 == 1 {
				s = sides[len(sides)-1-i]
			}
			if _, err := drive(connections, 200*time.Millisecond, s.exchange); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			before, err := cpu(s.server.cmd.Process.Pid)
			if err != nil {
				return err
			}
			got, err := drive(connections, b.length, s.exchange)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			after, err := cpu(s.server.cmd.Process.Pid)
			if err != nil {
				return err
			}
			s.rates = append(s.rates, got.perSecond())
			s.busy = append(s.busy, float64((after-before).Microseconds())/float64(len(got.latencies)))
			s.p50, s.p99 = append(s.p50, got.quantile(0.5)), append(s.p99, got.quantile(0.99))
		}
	}
	fmt.Printf("\n| %s, %d connections | requests a second | p50 | p99 | the server's CPU a request |\n|---|---|---|---|---|\n", title, connections)
	for _, s := range sides {
		fmt.Printf("| %s | %.0f | %s | %s | %.0f µs |\n", s.name, median(s.rates), ms(median(s.p50)), ms(median(s.p99)), median(s.busy))
	}
	return nil
}

func (b *bench) restProxies(p *server) error {
	up, upAddress, err := b.startSelf("upstream", "")
	if err != nil {
		return err
	}
	defer up.stop()
	reverse, reverseAddress, err := b.startSelf("reverse-proxy", upAddress)
	if err != nil {
		return err
	}
	defer reverse.stop()
	id, err := importAPI(p, map[string]any{
		"/mock":  map[string]any{"get": mockMethod()},
		"/proxy": map[string]any{"get": integrated(map[string]any{"type": "http_proxy", "httpMethod": "GET", "uri": "http://" + upAddress + "/"})},
	})
	if err != nil {
		return err
	}
	own := func(path string) exchange { return apiExchange(p, id, path) }
	nginx, nginxAddress, err := b.startNginx(upAddress)
	if err != nil && !errors.Is(err, exec.ErrNotFound) {
		return err
	}
	if nginx != nil {
		defer nginx.stop()
	}
	for _, connections := range []int{16, 64} {
		sides := []*contender{
			{name: "Paddock, MOCK", exchange: own("/mock"), server: p},
			{name: "Paddock, HTTP_PROXY", exchange: own("/proxy"), server: p},
			{name: "Go's httputil.ReverseProxy", exchange: newExchange(reverseAddress, "GET", reverseAddress, "/", nil), server: reverse},
			{name: "the upstream itself", exchange: newExchange(upAddress, "GET", upAddress, "/", nil), server: up},
		}
		if nginx != nil {
			sides = append(sides, &contender{name: "nginx", exchange: newExchange(nginxAddress, "GET", nginxAddress, "/", nil), server: nginx})
		}
		if err := b.contend("REST API", connections, sides); err != nil {
			return err
		}
	}
	return nil
}

// restRoutes measures what more routes cost.
func (b *bench) restRoutes(p *server) error {
	var sides []*contender
	for _, n := range []int{10, 1000} {
		paths := map[string]any{}
		for i := range n {
			paths[fmt.Sprintf("/a%d/{id}/b", i)] = map[string]any{"get": mockMethod()}
		}
		id, err := importAPI(p, paths)
		if err != nil {
			return err
		}
		sides = append(sides, &contender{name: fmt.Sprintf("%d routes", n), exchange: apiExchange(p, id, fmt.Sprintf("/a%d/7/b", n/2)), server: p})
	}
	return b.contend("MOCK by the number of routes", 16, sides)
}

// restInvoke measures what a REST API adds to the Invoke API: the same function,
// given the same event.
func (b *bench) restInvoke(p *server) error {
	program := filepath.Join(b.dir, "answer")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-tags", "lambda.norpc", "-o", program, "./bench/answer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("the function does not build: %w\n%s", err, out)
	}
	code, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	if err := b.createEcho(p, "answer", echoing{"Go", "provided.al2023", "bootstrap", map[string][]byte{"bootstrap": code}}); err != nil {
		return err
	}
	id, err := importAPI(p, map[string]any{"/hello": map[string]any{"get": lambdaMethod("answer")}})
	if err != nil {
		return err
	}
	address := strings.TrimPrefix(p.url, "http://")
	return b.contend("a Go function", 16, []*contender{
		{name: "Paddock, AWS_PROXY", exchange: apiExchange(p, id, "/hello"), server: p},
		{name: "Paddock, Invoke", server: p, exchange: newExchange(address, "POST", address, functions+"/answer/invocations", []byte(proxyEvent),
			"Content-Type", "application/json", "Authorization", signed)},
	})
}

// proxyEvent is of the size and form that the gateway's are of.
const proxyEvent = `{"resource":"/hello","path":"/hello","httpMethod":"GET","headers":{"Accept":"*/*","Host":"abc.execute-api.us-east-1.localhost:4566","User-Agent":"bench","X-Amzn-Trace-Id":"Root=1-6723f0a1-0123456789abcdef01234567","X-Forwarded-For":"127.0.0.1","X-Forwarded-Port":"4566","X-Forwarded-Proto":"http"},"multiValueHeaders":{"Accept":["*/*"],"Host":["abc.execute-api.us-east-1.localhost:4566"],"User-Agent":["bench"],"X-Amzn-Trace-Id":["Root=1-6723f0a1-0123456789abcdef01234567"],"X-Forwarded-For":["127.0.0.1"],"X-Forwarded-Port":["4566"],"X-Forwarded-Proto":["http"]},"queryStringParameters":null,"multiValueQueryStringParameters":null,"pathParameters":null,"stageVariables":null,"requestContext":{"resourceId":"abc123","resourcePath":"/hello","httpMethod":"GET","extendedRequestId":"JKJaXmPLvHcESHA=","requestTime":"20/Feb/2026:22:20:05 +0000","path":"/b/hello","accountId":"000000000000","protocol":"HTTP/1.1","stage":"b","domainPrefix":"abc","requestTimeEpoch":1771626005000,"requestId":"8476a536-e9f4-11e8-9739-2dfe598c3fcd","identity":{"cognitoIdentityPoolId":null,"accountId":null,"cognitoIdentityId":null,"caller":null,"sourceIp":"127.0.0.1","principalOrgId":null,"accessKey":null,"cognitoAuthenticationType":null,"cognitoAuthenticationProvider":null,"userArn":null,"userAgent":"bench","user":null},"domainName":"abc.execute-api.us-east-1.localhost","deploymentId":"d1d1d1","apiId":"abc"},"body":null,"isBase64Encoded":false}`

const nodeHandler = `exports.handler = async (event) => ({
  statusCode: 200,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ message: 'hello', path: event.path }),
});
`

// restNode measures the same Node.js handler behind Paddock and behind
// serverless-offline.
func (b *bench) restNode(p *server) error {
	other, address, err := b.startServerlessOffline()
	if errors.Is(err, exec.ErrNotFound) {
		fmt.Println("\nserverless-offline is left out: there is no npm.")
		return nil
	}
	if err != nil {
		return err
	}
	defer other.stop()
	if err := b.createEcho(p, "node", echoing{"Node.js", "nodejs20.x", "app.handler", map[string][]byte{"app.js": []byte(nodeHandler)}}); err != nil {
		return err
	}
	id, err := importAPI(p, map[string]any{"/hello": map[string]any{"get": lambdaMethod("node")}})
	if err != nil {
		return err
	}
	return b.contend("a Node.js function", 16, []*contender{
		{name: "Paddock, AWS_PROXY", exchange: apiExchange(p, id, "/hello"), server: p},
		{name: "serverless-offline " + serverlessOffline, exchange: newExchange(address, "GET", address, "/hello", nil), server: other},
	})
}

func apiExchange(p *server, id, path string) exchange {
	address := strings.TrimPrefix(p.url, "http://")
	_, port, _ := strings.Cut(address, ":")
	return newExchange(address, "GET", id+".execute-api.us-east-1.localhost:"+port, "/b"+path, nil)
}

func integrated(integration map[string]any) map[string]any {
	return map[string]any{
		"responses":                       map[string]any{"200": map[string]any{"description": "fine"}},
		"x-amazon-apigateway-integration": integration,
	}
}

func mockMethod() map[string]any {
	return integrated(map[string]any{
		"type": "mock", "requestTemplates": map[string]any{"application/json": `{"statusCode": 200}`},
		"responses": map[string]any{"default": map[string]any{"statusCode": "200", "responseTemplates": map[string]any{"application/json": `{"message": "hello"}`}}},
	})
}

func lambdaMethod(name string) map[string]any {
	return integrated(map[string]any{"type": "aws_proxy", "httpMethod": "POST",
		"uri": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:" + name + "/invocations"})
}

// importAPI makes a REST API of paths, deploys it to the stage b, and returns its
// ID.
func importAPI(p *server, paths map[string]any) (string, error) {
	document, err := json.Marshal(map[string]any{"swagger": "2.0", "info": map[string]any{"title": "bench", "version": "1"}, "paths": paths})
	if err != nil {
		return "", err
	}
	var made struct {
		ID string `json:"id"`
	}
	if err := manage(p, "/restapis?mode=import", document, &made); err != nil {
		return "", err
	}
	return made.ID, manage(p, "/restapis/"+made.ID+"/deployments", []byte(`{"stageName":"b"}`), nil)
}

func manage(p *server, path string, body []byte, into any) error {
	req, err := http.NewRequest(http.MethodPost, p.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", strings.Replace(signed, "/lambda/", "/apigateway/", 1))
	text, err := ask(http.DefaultClient, req, http.StatusCreated)
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// startSelf starts this program as another server of the comparison.
func (b *bench) startSelf(role, to string) (*server, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	s, err := startServer(exec.Command(self, "-role", role, "-at", address, "-to", to), "http://"+address+"/")
	return s, address, err
}

// serveReverseProxy is Go's own proxy with idle connections enough for the load.
func serveReverseProxy(address, to string) error {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: to})
	proxy.Transport = &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}
	return (&http.Server{Addr: address, Handler: proxy, ReadHeaderTimeout: time.Minute}).ListenAndServe()
}

// startNginx starts nginx with a worker for each processor and connections to the
// upstream that stay open. exec.ErrNotFound: it is not installed.
func (b *bench) startNginx(to string) (*server, string, error) {
	path, err := exec.LookPath("nginx")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/nginx")
	}
	if err != nil {
		fmt.Println("\nnginx is left out: it is not installed (apt-get install nginx).")
		return nil, "", exec.ErrNotFound
	}
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	dir := filepath.Join(b.dir, "nginx")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, "", err
	}
	conf := fmt.Sprintf(`daemon off; worker_processes auto; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
  upstream up { server %[2]s; keepalive 256; keepalive_requests 1000000000; }
  server { listen %[3]s; location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; } }
}
`, dir, to, address)
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o644); err != nil {
		return nil, "", err
	}
	s, err := startServer(exec.Command(path, "-e", dir+"/error.log", "-p", dir, "-c", filepath.Join(dir, "nginx.conf")), "http://"+address+"/")
	return s, address, err
}

// serverlessOffline is the version that Paddock is measured beside, on the last
// Serverless Framework that runs without an account.
const (
	serverlessOffline   = "14.8.2"
	serverlessFramework = "3.40.0"
)

// startServerlessOffline installs serverless-offline where it is missing, and
// starts it with the handler. exec.ErrNotFound: there is no npm.
func (b *bench) startServerlessOffline() (*server, string, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return nil, "", exec.ErrNotFound
	}
	home, err := filepath.Abs(filepath.Join(".deps", "serverless-offline-"+serverlessOffline))
	if err != nil {
		return nil, "", err
	}
	program := filepath.Join(home, "node_modules", "serverless", "bin", "serverless.js")
	if _, err := os.Stat(program); err != nil {
		if err := os.MkdirAll(home, 0o755); err != nil {
			return nil, "", err
		}
		install := exec.Command(npm, "install", "--silent", "--no-progress", "--ignore-scripts", "--legacy-peer-deps", "--prefix", home,
			"serverless-offline@"+serverlessOffline, "serverless@"+serverlessFramework)
		if out, err := install.CombinedOutput(); err != nil {
			return nil, "", fmt.Errorf("serverless-offline does not install: %w\n%s", err, out)
		}
	}
	dir := filepath.Join(b.dir, "serverless")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, "", err
	}
	if err := os.Symlink(filepath.Join(home, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		return nil, "", err
	}
	for name, text := range map[string]string{"app.js": nodeHandler, "serverless.yml": `service: bench
provider: { name: aws, runtime: nodejs20.x }
plugins: [serverless-offline]
functions:
  hello:
    handler: app.handler
    events: [http: GET /hello]
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, "", err
		}
	}
	var ports [3]string
	for i := range ports {
		port, err := freePort()
		if err != nil {
			return nil, "", err
		}
		ports[i] = fmt.Sprint(port)
	}
	cmd := exec.Command("node", program, "offline", "--noPrependStageInUrl", "--host", "127.0.0.1", "--httpPort", ports[0], "--lambdaPort", ports[1],
		"--websocketPort", ports[2])
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SLS_TELEMETRY_DISABLED=1", "SLS_NOTIFICATIONS_MODE=off")
	address := "127.0.0.1:" + ports[0]
	s, err := startServer(cmd, "http://"+address+"/hello")
	return s, address, err
}
