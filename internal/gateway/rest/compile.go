package rest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/paddock-run/paddock/internal/restapi"
)

// definition is what a deployment froze, ready for requests.
type definition struct {
	*restapi.Definition
	root      node
	methods   int // how many there are: a method's index is below it
	binary    mediaTypes
	policy    Policy                      // nil: the API has none, or nobody is there to enforce it
	iam       Authorizer                  // nil until a method needs it
	asked     map[string]Authorizer       // by authorizer ID
	broken    error                       // why nobody can be answered
	responses map[string]*gatewayResponse // those that were customized
}

// method is a method with all it needs.
type method struct {
	*restapi.Method
	resource   *resource
	index      int
	authorizer Authorizer // nil: nobody is asked, or nobody is there to be asked
	validator  *validator // nil: nothing is checked
	backend    backend
	// broken says why the method cannot be served: its callers get an
	// API_CONFIGURATION_ERROR, as from AWS, and others' methods work.
	broken error
}

// backend is a method's integration.
type backend interface {
	do(c *call) (*response, *Failure)
}

// stage is a stage with its definitions.
type stage struct {
	served                   *restapi.ServedStage
	main, canary             *definition // canary is nil where there is none
	settings, canarySettings []settings  // by method.index
	canaryVariables          map[string]string
	access                   *accessLog // nil: none
	figures                  *figures
	client                   *clientCertificate // nil: none is shown
	cache                    *stageCache        // nil: none
}

// drawCanary says whether a request is for the canary.
func (s *stage) drawCanary() bool {
	return rand.Float64()*100 < s.served.Canary.Percent
}

// compileStage makes a stage; it takes over what old has of the same definitions.
func (g *Gateway) compileStage(api *restapi.API, served *restapi.ServedStage, old *stage) *stage {
	s := &stage{served: served}
	compiled := func(d *restapi.Definition) *definition {
		switch {
		case d == nil:
			return nil
		case s.main != nil && s.main.Definition == d:
			return s.main
		case old != nil && old.main != nil && old.main.Definition == d:
			return old.main
		case old != nil && old.canary != nil && old.canary.Definition == d:
			return old.canary
		}
		return g.compileDefinition(d)
	}
	s.main = compiled(served.Definition)
	if served.Canary != nil {
		s.canary = compiled(served.CanaryDefinition)
		s.canaryVariables = maps.Clone(served.Variables)
		if s.canaryVariables == nil {
			s.canaryVariables = map[string]string{}
		}
		maps.Copy(s.canaryVariables, served.Canary.Variables)
	}
	s.settings = g.settingsOf(api, served, s.main)
	if s.canary != nil {
		s.canarySettings = g.settingsOf(api, served, s.canary)
		for i := range s.canarySettings {
			if !served.Canary.UseStageCache {
				s.canarySettings[i].caching = nil
			}
		}
	}
	s.access = newAccessLog(served)
	s.figures = g.stageFigures(api, served.Name)
	s.client = newClientCertificate(served)
	s.cache = g.caches.of(api.ID, served)
	return s
}

// compileDefinition makes a routing tree. What does not compile breaks the method
// that it is of, and no other.
func (g *Gateway) compileDefinition(d *restapi.Definition) *definition {
	out := &definition{Definition: d, binary: newMediaTypes(d.BinaryMediaTypes), responses: map[string]*gatewayResponse{}}
	if d.Policy != "" && g.Policies != nil {
		if out.policy, out.broken = g.Policies.Compile(d.Policy); out.broken != nil {
			out.broken = fmt.Errorf("the API's resource policy cannot be enforced: %w", out.broken)
		}
	}
	ids := slices.Sorted(maps.Keys(d.Resources))
	for _, id := range ids {
		r := d.Resources[id]
		if len(r.Methods) == 0 {
			continue
		}
		compiled := &resource{Resource: r, methods: make(map[string]*method, len(r.Methods))}
		if err := out.root.add(compiled); err != nil {
			g.Logger.Error("a resource cannot be served", "path", r.Path, "error", err)
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(r.Methods)) {
			m := g.compileMethod(out, compiled, r.Methods[name])
			if name == "ANY" {
				compiled.any = m
			} else {
				compiled.methods[name] = m
			}
		}
	}
	for name, r := range d.GatewayResponses {
		out.responses[name] = newGatewayResponse(r)
	}
	return out
}

func (g *Gateway) compileMethod(d *definition, r *resource, def *restapi.Method) *method {
	m := &method{Method: def, resource: r, index: d.methods}
	d.methods++
	if m.authorizer, m.broken = g.compileAuthorizer(d, def); m.broken != nil {
		return m
	}
	if m.validator, m.broken = newValidator(d.Definition, def); m.broken != nil {
		return m
	}
	if def.Integration == nil {
		m.broken = fmt.Errorf("no integration defined for method")
		return m
	}
	m.backend, m.broken = g.newBackend(d, def)
	return m
}

// compileAuthorizer readies the authorizer of a method, which others may share.
func (g *Gateway) compileAuthorizer(d *definition, m *restapi.Method) (a Authorizer, err error) {
	if m.AuthorizationType == "" || m.AuthorizationType == "NONE" || g.Authorize == nil {
		return nil, nil
	}
	if m.AuthorizationType == "AWS_IAM" {
		if d.iam == nil {
			d.iam, err = g.Authorize.Compile(nil)
		}
		return d.iam, err
	}
	if a = d.asked[m.AuthorizerID]; a != nil {
		return a, nil
	}
	def := d.Authorizers[m.AuthorizerID]
	if def == nil {
		return nil, fmt.Errorf("the method's authorizer %s does not exist", m.AuthorizerID)
	}
	if a, err = g.Authorize.Compile(def); err != nil {
		return nil, fmt.Errorf("the authorizer %s cannot be asked: %w", def.Name, err)
	}
	if d.asked == nil {
		d.asked = map[string]Authorizer{}
	}
	d.asked[def.ID] = a
	return a, nil
}

// newBackend compiles an integration.
func (g *Gateway) newBackend(d *definition, m *restapi.Method) (backend, error) {
	in := m.Integration
	lambdaARN := lambdaFunction(in.URI)
	switch in.Type {
	case "MOCK":
		return newCustom(d, m, mock{})
	case "AWS_PROXY":
		if lambdaARN == "" {
			return nil, fmt.Errorf("AWS_PROXY integrations are for Lambda functions: %q is none", in.URI)
		}
		return newLambdaProxy(in, lambdaARN)
	case "AWS":
		if lambdaARN != "" {
			target, err := newLambdaTarget(in, lambdaARN)
			if err != nil {
				return nil, err
			}
			return newCustom(d, m, target)
		}
		target, err := newServiceTarget(in)
		if err != nil {
			return nil, err
		}
		return newCustom(d, m, target)
	case "HTTP_PROXY":
		return newHTTPProxy(in)
	case "HTTP":
		target, err := newHTTPTarget(in)
		if err != nil {
			return nil, err
		}
		return newCustom(d, m, target)
	}
	return nil, fmt.Errorf("integrations of type %q are unknown", in.Type)
}

// lambdaFunction is the ARN in the URI of a Lambda integration, empty in others:
// arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{arn}/invocations.
func lambdaFunction(uri string) string {
	_, rest, ok := strings.Cut(uri, ":lambda:path/")
	if !ok || !strings.Contains(uri[:len(uri)-len(rest)], ":apigateway:") {
		return ""
	}
	_, rest, ok = strings.Cut(rest, "/functions/")
	if !ok {
		return ""
	}
	for _, end := range []string{"/invocations", "/response-streaming-invocations"} {
		if arn, ok := strings.CutSuffix(rest, end); ok {
			return arn
		}
	}
	return ""
}

// timeout is the integration's in milliseconds, or 29 seconds.
func timeoutMillis(in *restapi.Integration) int32 {
	if in.TimeoutMillis > 0 {
		return in.TimeoutMillis
	}
	return int32(defaultTimeout.Milliseconds())
}
