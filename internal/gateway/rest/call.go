package rest

import (
	"net/http"
	"strconv"
	"time"

	"github.com/paddock-run/paddock/internal/gateway/mapping"
	"github.com/paddock-run/paddock/internal/restapi"
)

// call is one request on its way.
type call struct {
	Request
	gateway    *Gateway
	writer     http.ResponseWriter
	stage      *stage
	definition *definition
	settings   []settings // by method.index
	method     *method    // nil until it is found, and where there is none
	escaped    string     // path below the stage's root, as it came
	start      time.Time
	body       []byte
	decision   *Decision // nil: nobody was asked
	key        *restapi.Key
	trace      *trace // nil: no execution log
	room       [4]string

	// What is known of the outcome, for $context, the access log and the figures.
	failure            *Failure
	status             int
	responseLength     int64
	responseLatency    time.Duration
	integrated         bool
	integrationStatus  int // of the service that ran the integration
	backendStatus      int // of the backend's own answer
	integrationLatency time.Duration
	integrationError   string
	cached             cacheOutcome
	endpointRequestID  string
	event              *mapping.Event // nil until a template is rendered
}

// response is what a method answers.
type response struct {
	status int
	header http.Header
	body   []byte
	// head says that a backend answered HEAD: what its body would have measured,
	// only announced says, the answer's Content-Length.
	head      bool
	announced string
	// stream, where it is set, is the body, sent on as it comes.
	stream *stream
}

// serve takes the request through the method.
func (c *call) serve() {
	c.path = plainPath(c.escaped)
	name := c.HTTP.Method
	if override := c.HTTP.Header.Get("X-Http-Method-Override"); override != "" && validMethod(override) {
		name = override
	}
	c.HTTPMethod = name
	if c.method, c.values = c.definition.root.match(name, c.escaped, c.room[:0]); c.method != nil {
		c.names, c.Resource, c.Method = c.method.resource.names, c.method.resource.Resource, c.method.Method
		if level := c.settings[c.method.index].level; level != levelOff && c.gateway.Logs != nil {
			c.trace = newTrace(c, level, c.settings[c.method.index].dataTrace)
		}
	}
	whole := c.respond(c.answer())
	c.record()
	if !whole {
		// The head has gone out: cutting the body off is all that tells the caller.
		panic(http.ErrAbortHandler)
	}
}

func validMethod(name string) bool {
	switch name {
	case "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS":
		return true
	}
	return false
}

// answer makes the response: the integration's, or a gateway response.
func (c *call) answer() *response {
	c.trace.begin(c)
	if f := c.admit(); f != nil {
		return c.refuse(f)
	}
	c.trace.requestBody(c)
	if f := c.validate(); f != nil {
		return c.refuse(f)
	}
	out, f := c.integrate()
	if f != nil {
		return c.refuse(f)
	}
	c.trace.succeeded(out)
	return out
}

// admit decides whether the request may reach its integration, in AWS's order.
func (c *call) admit() *Failure {
	m := c.method
	if m == nil {
		return fail(missingToken, "No method of the API matches the request's path")
	}
	if m.broken != nil {
		return fail(configurationError, m.broken.Error())
	}
	iam := m.AuthorizationType == "AWS_IAM"
	if iam {
		c.setReadDeadline(time.Now().Add(defaultTimeout)) // signatures may be of the body too
	}
	f := c.authorize()
	if iam {
		c.setReadDeadline(time.Time{})
	}
	if f != nil {
		return f
	}
	if f := c.limit(); f != nil {
		return f
	}
	return c.readBody()
}

// authorize asks the resource policy and the method's authorizer. Where nobody is
// there to be asked, the request is refused: a setting that is not enforced would
// be worse than none.
func (c *call) authorize() *Failure {
	ctx, policy := c.HTTP.Context(), c.definition.policy
	switch {
	case c.definition.Policy == "":
	case c.definition.broken != nil:
		return fail(configurationError, c.definition.broken.Error())
	case policy == nil:
		return notThere("resource policies")
	default:
		if f := policy.Check(ctx, &c.Request, nil); f != nil {
			return f
		}
	}
	if kind := c.Method.AuthorizationType; kind == "" || kind == "NONE" {
		return nil
	} else if c.method.authorizer == nil {
		return notThere(kind + " authorization")
	}
	decision, f := c.method.authorizer.Authorize(ctx, &c.Request)
	if f != nil {
		return f
	}
	c.decision = decision
	if policy != nil {
		return policy.Check(ctx, &c.Request, decision)
	}
	return decision.Silent
}

// limit asks for the API key and counts the request.
func (c *call) limit() *Failure {
	required := c.Method.APIKeyRequired
	if c.gateway.Limits == nil {
		if required {
			return notThere("API keys")
		}
		return nil
	}
	key := c.HTTP.Header.Get("X-Api-Key")
	if c.definition.APIKeySource == "AUTHORIZER" {
		if key = ""; c.decision != nil {
			key = c.decision.UsageKey
		}
	}
	var f *Failure
	c.key, f = c.gateway.Limits.Admit(c.HTTP.Context(), &c.Request, key, required)
	return f
}

func notThere(what string) *Failure {
	f := fail(default5XX, "This Paddock does not enforce "+what+", and answers nobody instead")
	f.Status, f.Code = http.StatusNotImplemented, "NotImplementedException"
	f.Message = "This Paddock does not enforce " + what + " yet, and so does not let the request pass"
	return f
}

// forbidden answers where there is no API or no stage: there are no gateway
// responses to customize it.
func (c *call) forbidden() {
	h := c.writer.Header()
	h["X-Amzn-Errortype"] = []string{"ForbiddenException"}
	h["Content-Type"] = jsonType
	const body = `{"message":"Forbidden"}`
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	c.writer.WriteHeader(http.StatusForbidden)
	if c.HTTP.Method != http.MethodHead {
		c.write([]byte(body))
	}
}

var jsonType = []string{"application/json"}

// respond writes a response out; whole is false where a stream broke off.
func (c *call) respond(out *response) (whole bool) {
	c.compress(out)
	h := c.writer.Header()
	for name, values := range out.header {
		h[name] = values
	}
	c.status = out.status
	if out.stream != nil {
		c.responseLength, whole = out.stream.send(c, out.status)
		c.responseLatency = time.Since(c.start)
		return whole
	}
	bodiless := out.status == http.StatusNoContent || out.status == http.StatusNotModified
	if !bodiless {
		if h["Content-Type"] == nil {
			h["Content-Type"] = jsonType
		}
		if length := c.length(out); length != "" {
			h["Content-Length"] = []string{length}
		}
	}
	c.writer.WriteHeader(out.status)
	if c.HTTP.Method != http.MethodHead && !bodiless {
		c.write(out.body)
	}
	c.responseLength, c.responseLatency = int64(len(out.body)), time.Since(c.start)
	return true
}

// length is a response's Content-Length; empty where nobody knows it.
func (c *call) length(out *response) string {
	if c.HTTP.Method == http.MethodHead && out.head {
		return out.announced
	}
	return strconv.Itoa(len(out.body))
}

func (c *call) write(body []byte) {
	if _, err := c.writer.Write(body); err != nil {
		c.gateway.Logger.Debug("a client went away", "request", c.ID, "error", err)
	}
}
