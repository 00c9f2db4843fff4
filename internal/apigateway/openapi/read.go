package openapi

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/paddock-run/paddock/internal/restapi"
)

// reader reads one document.
type reader struct {
	o    ReadOptions
	root cursor
	v3   bool
	doc  *Document
	def  *restapi.Definition
	errs []string
	// spent is what was read so far, in bytes: what references name counts each
	// time that it is read.
	spent int

	schemes    map[string]scheme
	validators map[string]string // name to ID
	parts      *parts
}

// Read reads a document. Its error is an *Error.
func Read(text []byte, o ReadOptions) (*Document, error) {
	r, err := read(text, o)
	if err != nil {
		return nil, err
	}
	if len(r.errs) > 0 || o.FailOnWarnings && len(r.doc.Warnings) > 0 {
		return nil, &Error{Errors: r.errs, Warnings: r.doc.Warnings}
	}
	return r.doc, nil
}

func read(text []byte, o ReadOptions) (*reader, error) {
	root, err := parse(text)
	if err != nil {
		return nil, err
	}
	r := &reader{o: o, doc: &Document{}, schemes: map[string]scheme{}, validators: map[string]string{}, parts: &parts{}}
	r.root = cursor{object: root, r: r}
	switch version := r.root.text("openapi"); {
	case r.root.text("swagger") == "2.0":
	case strings.HasPrefix(version, "3.0."):
		r.v3 = true
	case version != "":
		return nil, invalid("Unsupported OpenAPI version '%s'.", version)
	default:
		return nil, invalid("Neither \"swagger\": \"2.0\" nor \"openapi\": \"3.0.x\" is there.")
	}
	r.read()
	return r, nil
}

// maxMessages that are kept of each kind.
const maxMessages = 100

func (r *reader) warn(format string, args ...any) {
	m := fmt.Sprintf(format, args...)
	if len(r.doc.Warnings) < maxMessages && !slices.Contains(r.doc.Warnings, m) {
		r.doc.Warnings = append(r.doc.Warnings, m)
	}
}

func (r *reader) fail(format string, args ...any) {
	m := fmt.Sprintf(format, args...)
	if len(r.errs) < maxMessages && !slices.Contains(r.errs, m) {
		r.errs = append(r.errs, m)
	}
}

// What a document may come to, in bytes, once its references are followed; and
// what a member counts besides its text.
const (
	maxSpent   = 64 << 20
	memberCost = 32
)

// spend counts what is read. Beyond maxSpent it fails the document, once, and
// reads nothing more.
func (r *reader) spend(n int) bool {
	if r.spent > maxSpent {
		return false
	}
	if r.spent += n; r.spent > maxSpent {
		r.errs = append(r.errs, "The document is too large once its references are followed")
		return false
	}
	return true
}

// cost is what a tree counts that is copied as it is.
func cost(v any) int {
	n := memberCost
	switch v := v.(type) {
	case string:
		n += len(v)
	case []any:
		for _, e := range v {
			n += cost(e)
		}
	case *object:
		for _, k := range v.keys {
			n += len(k) + cost(v.values[k])
		}
	}
	return n
}

// read reads everything, in the order in which one thing names another.
func (r *reader) read() {
	r.def = &restapi.Definition{
		Resources: map[string]*restapi.Resource{}, Models: map[string]*restapi.Model{},
		Validators: map[string]*restapi.RequestValidator{}, Authorizers: map[string]*restapi.Authorizer{},
		GatewayResponses: map[string]*restapi.GatewayResponse{},
	}
	r.doc.Definition = r.def
	root := &restapi.Resource{ID: r.o.NewID(10), Path: "/", Methods: map[string]*restapi.Method{}}
	r.def.RootResourceID = root.ID
	r.def.Resources[root.ID] = root

	r.info()
	r.settings()
	r.gatewayResponses()
	r.requestValidators()
	r.models()
	r.securitySchemes()
	r.paths(r.basePath())
	r.explicitDocumentation()
	if !r.o.IgnoreDocumentation {
		r.doc.Documentation = r.parts.list()
	}
}

func (r *reader) info() {
	info := r.root.child("info")
	if !info.there() {
		r.warn("Parse issue: attribute info is missing")
	}
	r.doc.Name, r.doc.Version, r.doc.Description = info.text("title"), info.text("version"), info.text("description")
	if r.doc.Name == "" {
		r.fail("API name is missing: info.title is required")
	}
	about := newObject()
	for _, k := range []string{"description", "termsOfService", "contact", "license"} {
		if v := info.get(k); v != nil {
			about.set(k, v)
		}
	}
	properties := newObject()
	if about.len() > 0 {
		properties.set("info", about)
	}
	for _, k := range []string{"tags", "externalDocs"} {
		if v := r.root.get(k); v != nil {
			properties.set(k, v)
		}
	}
	r.parts.add(Location{Type: "API"}, properties)
}

func (r *reader) settings() {
	g := &r.doc.given
	if g.compression = r.root.has(ext("minimum-compression-size")); g.compression {
		n := r.root.integer(ext("minimum-compression-size"))
		if n != nil && (*n < 0 || *n > 10<<20) {
			r.fail("Invalid minimum compression size, must be between 0 and %d", 10<<20)
		}
		r.def.MinimumCompressionSize = n
	}
	g.binary = r.root.has(ext("binary-media-types"))
	r.def.BinaryMediaTypes = r.root.texts(ext("binary-media-types"))
	g.keySource = r.root.has(ext("api-key-source"))
	r.def.APIKeySource = r.root.upper(ext("api-key-source"), "", "HEADER", "AUTHORIZER")
	if v := r.root.get(ext("policy")); v != nil {
		g.policy = true
		if s, ok := v.(string); ok {
			r.def.Policy = s
		} else {
			r.def.Policy = compactJSON(v)
		}
	}
	r.doc.SecurityPolicy = r.root.text(ext("security-policy"))
	r.doc.EndpointAccessMode = r.root.text(ext("endpoint-access-mode"))

	endpoint := r.root.child(ext("endpoint-configuration"))
	if servers := r.root.items("servers"); !endpoint.there() && len(servers) > 0 {
		// OpenAPI 3.0 has it in a server.
		endpoint = servers[0].child(ext("endpoint-configuration"))
	}
	if endpoint.there() {
		if endpoint.has("disableExecuteApiEndpoint") {
			g.disabled = true
			r.def.ExecuteAPIDisabled = endpoint.flag("disableExecuteApiEndpoint")
		}
		e := &Endpoint{VPCEndpointIDs: endpoint.texts("vpcEndpointIds"), IPAddressType: endpoint.text("ipAddressType")}
		for _, t := range endpoint.texts("types") {
			e.Types = append(e.Types, strings.ToUpper(t))
		}
		if len(e.Types)+len(e.VPCEndpointIDs)+len(e.IPAddressType) > 0 {
			r.doc.Endpoint = e
		}
	}
}

func (r *reader) gatewayResponses() {
	for kind, c := range r.root.children(ext("gateway-responses")) {
		r.def.GatewayResponses[kind] = &restapi.GatewayResponse{
			Type: kind, StatusCode: c.text("statusCode"),
			Parameters: c.textMap("responseParameters"), Templates: c.textMap("responseTemplates"),
		}
	}
}

func (r *reader) requestValidators() {
	for name, c := range r.root.children(ext("request-validators")) {
		v := &restapi.RequestValidator{
			ID: r.o.NewID(6), Name: name,
			Body: c.flag("validateRequestBody"), Parameters: c.flag("validateRequestParameters"),
		}
		r.def.Validators[v.ID] = v
		r.validators[name] = v.ID
	}
}

// validator finds the request validator that an object names.
func (c cursor) validator() string {
	name := c.text(ext("request-validator"))
	if name == "" {
		return ""
	}
	id, ok := c.r.validators[name]
	if !ok {
		c.r.fail("Unable to find request validator '%s' for %s", name, c.at)
	}
	return id
}

// basePath is what stands before every path, without slashes at its ends.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-import-api-basePath.html
func (r *reader) basePath() string {
	var base string
	if r.v3 {
		servers := r.root.items("servers")
		if len(servers) > 1 {
			r.warn("More than one server provided. Ignoring all but the first for defining endpoint configuration")
		}
		if len(servers) > 0 {
			base = serverPath(servers[0])
		}
	} else {
		base = r.root.text("basePath")
	}
	base = strings.Trim(base, "/")
	switch r.o.BasePath {
	case "prepend":
		return base
	case "split":
		_, base, _ = strings.Cut(base, "/")
		return base
	}
	return ""
}

// serverPath is the path of a server's URL, its variables at their defaults.
func serverPath(server cursor) string {
	text := server.text("url")
	for name, v := range server.children("variables") {
		text = strings.ReplaceAll(text, "{"+name+"}", strings.Trim(v.text("default"), "/"))
	}
	u, err := url.Parse(text)
	if err != nil {
		server.r.warn("Invalid URL '%s' of a server. Ignoring.", text)
		return ""
	}
	return u.Path
}

// ext is the full name of one of API Gateway's extensions.
func ext(name string) string { return "x-amazon-apigateway-" + name }
