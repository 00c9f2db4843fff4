package apigateway

import (
	"context"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/restapi"
)

// Tester carries out test invocations: the data plane. Its values are immutable.
type Tester interface {
	// TestMethod sends a request through a method of a definition that no stage
	// serves: neither authorizers nor keys are asked. What goes wrong on the way
	// is a response and a line of the log; an error is a fault of the machine.
	TestMethod(ctx context.Context, t TestMethod) (*TestMethodResult, error)
	// TestAuthorizer asks an authorizer.
	TestAuthorizer(ctx context.Context, t TestAuthorizer) (*TestAuthorizerResult, error)
}

// TestMethod is a request that TestInvokeMethod makes.
type TestMethod struct {
	Account, Region string
	APIID           string
	Definition      *restapi.Definition
	ResourceID      string
	HTTPMethod      string
	// PathWithQuery is "/pets/1?kind=dog"; empty: the resource's own path.
	PathWithQuery string
	Body          string
	Headers       map[string][]string
	// ClientCertificate is PEM, its key PKCS #8; nil: none is shown.
	ClientCertificate, ClientKey []byte
	StageVariables               map[string]string
}

// TestMethodResult is what came of it.
type TestMethodResult struct {
	Status  int
	Headers map[string][]string
	Body    string
	Log     string
	Latency time.Duration
}

// TestAuthorizer is a request that TestInvokeAuthorizer makes.
type TestAuthorizer struct {
	Account, Region   string
	APIID             string
	Definition        *restapi.Definition
	AuthorizerID      string
	Headers           map[string][]string
	PathWithQuery     string
	Body              string
	StageVariables    map[string]string
	AdditionalContext map[string]string
}

// TestAuthorizerResult is what the authorizer said.
type TestAuthorizerResult struct {
	ClientStatus  int // of the answer that a caller would get: 200, 401, 403, 500
	Log           string
	Latency       time.Duration
	PrincipalID   string
	Policy        string              // JSON; empty: none
	Authorization map[string][]string // context that the authorizer returned
	Claims        map[string]string   // of a Cognito token
}

// testerBox lets the tester be set after the service is made: the data plane is
// made from the service.
type testerBox struct {
	mu     sync.RWMutex
	tester Tester
}

// SetTester sets what carries test invocations out.
func (s *Service) SetTester(t Tester) {
	s.tester.mu.Lock()
	defer s.tester.mu.Unlock()
	s.tester.tester = t
}

// theTester returns what SetTester set, or nil.
func (s *Service) theTester() Tester {
	s.tester.mu.RLock()
	defer s.tester.mu.RUnlock()
	return s.tester.tester
}
