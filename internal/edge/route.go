package edge

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// service is what the edge knows of a service.
type service struct {
	id           string
	signingName  string
	targetPrefix string
	protocols    []schema.Protocol
	handler      http.Handler
	segments     []string        // the first segments of its paths, where they are literal
	unsigned     map[string]bool // the operations that take unsigned requests
	isS3         bool
	connections  bool // its paths begin with /@connections
}

// routes are the tables by which a request's service is found. They are made
// from the schemas; what several services share is told apart by the path.
type routes struct {
	bySigningName map[string][]*service
	byTarget      map[string]*service
	byEndpoint    map[string][]*service
	bySegment     map[string]*service
	byVersion     map[string][]*service // of the Query services
	byAction      map[string][]*service // likewise
	sqs, s3       *service
}

func newRoutes(services []Service) (*routes, error) {
	rt := &routes{
		bySigningName: map[string][]*service{}, byTarget: map[string]*service{}, byEndpoint: map[string][]*service{},
		bySegment: map[string]*service{}, byVersion: map[string][]*service{}, byAction: map[string][]*service{},
	}
	seen := map[string]bool{}
	for _, s := range services {
		sc := s.Schema
		if s.Handler == nil {
			return nil, fmt.Errorf("edge: service %s has no handler", sc.ID)
		}
		if seen[sc.ID] {
			return nil, fmt.Errorf("edge: service %s is there twice", sc.ID)
		}
		seen[sc.ID] = true
		added := &service{
			id: sc.ID, signingName: sc.SigningName, targetPrefix: sc.TargetPrefix, protocols: sc.Protocols,
			handler: s.Handler, unsigned: map[string]bool{}, isS3: sc.ID == "s3",
		}
		if added.signingName == "" {
			added.signingName = sc.EndpointPrefix
		}
		if err := rt.add(added, sc); err != nil {
			return nil, err
		}
	}
	return rt, nil
}

func (rt *routes) add(s *service, sc *schema.Service) error {
	rt.bySigningName[s.signingName] = append(rt.bySigningName[s.signingName], s)
	rt.byEndpoint[sc.EndpointPrefix] = append(rt.byEndpoint[sc.EndpointPrefix], s)
	if sc.TargetPrefix != "" {
		if other := rt.byTarget[sc.TargetPrefix]; other != nil {
			return fmt.Errorf("edge: services %s and %s have the same target prefix", other.id, s.id)
		}
		rt.byTarget[sc.TargetPrefix] = s
	}
	switch s.id {
	case "s3":
		rt.s3 = s
	case "sqs":
		rt.sqs = s
	}
	if slices.Contains(sc.Protocols, schema.Query) {
		rt.byVersion[sc.APIVersion] = append(rt.byVersion[sc.APIVersion], s)
	}
	for i := range sc.Operations {
		op := &sc.Operations[i]
		if op.NoAuth {
			s.unsigned[op.Name] = true
		}
		if slices.Contains(sc.Protocols, schema.Query) {
			rt.byAction[op.Name] = append(rt.byAction[op.Name], s)
		}
		if !slices.Contains(sc.Protocols, schema.RestJSON) {
			continue
		}
		segment, _ := cutSegment(strings.TrimPrefix(op.URI, "/"))
		segment, _, _ = strings.Cut(segment, "?")
		if segment == "" || strings.Contains(segment, "{") || slices.Contains(s.segments, segment) {
			continue
		}
		s.segments = append(s.segments, segment)
		s.connections = s.connections || "/"+segment == connections
		if rt.bySegment[segment] == nil {
			rt.bySegment[segment] = s
		}
	}
	return nil
}

// finding is the service of a request.
type finding struct {
	service *service
	region  string // where the path says it
	path    string // the escaped path to hand on, where it is not the request's
}

// find tells which service a request is for, by the first of: the credential
// scope, X-Amz-Target, the host, the path of rpcv2Cbor, the Query protocol's
// Action, the path, and else S3.
func (rt *routes) find(x *exchange) (finding, *awserr.Error) {
	path := escapedPath(x.r)
	if x.signed {
		candidates := rt.bySigningName[x.scope.Service]
		if len(candidates) == 0 {
			return finding{}, notImplemented(x.scope.Service)
		}
		return choose(candidates, path)
	}
	if target := x.r.Header["X-Amz-Target"]; len(target) > 0 {
		prefix, _ := cutTarget(target[0])
		if s := rt.byTarget[prefix]; s != nil {
			return finding{service: s}, nil
		}
		return finding{}, notImplemented(prefix)
	}
	if x.host.service != "" {
		candidates := rt.byEndpoint[x.host.service]
		if len(candidates) == 0 {
			return finding{}, notImplemented(x.host.service)
		}
		return choose(candidates, path)
	}
	if first, rest := cutSegment(path[1:]); first == "service" {
		name, rest := cutSegment(rest[1:])
		if s := rt.byTarget[name]; s != nil && strings.HasPrefix(rest, "/operation/") {
			return finding{service: s}, nil
		}
	}
	if action, version := queryAction(x.r); action != "" {
		if s := rt.byQuery(action, version); s != nil {
			region, _ := queuePath(path)
			return finding{service: s, region: region}, nil
		}
		if version != "" {
			return finding{}, notImplemented(action + " of API version " + version)
		}
	}
	return rt.byPath(x.r.Method, path)
}

// choose picks the one of several services with the same signing name or
// endpoint whose paths the request's is of: API Gateway's REST and HTTP APIs
// share theirs. A path that is no service's is the first's to refuse.
func choose(candidates []*service, path string) (finding, *awserr.Error) {
	if candidates[0].connections {
		before, ok := cutConnections(path)
		if !ok {
			// The API's ID, where the URL had it in front, is off already.
			if i := strings.Index(path, connections+"/"); i >= 0 {
				before, ok = path[:i], true
			}
		}
		if !ok {
			return finding{}, awserr.New(http.StatusNotFound, "NotFoundException",
				"This URL names no API. Call APIs at http://{apiId}.execute-api.{region}.localhost, or below /_aws/execute-api/{apiId}/")
		}
		return finding{service: candidates[0], path: path[len(before):]}, nil
	}
	if len(candidates) > 1 {
		first, _ := cutSegment(path[1:])
		for _, s := range candidates {
			if slices.Contains(s.segments, first) {
				return finding{service: s}, nil
			}
		}
	}
	return finding{service: candidates[0]}, nil
}

func (rt *routes) byQuery(action, version string) *service {
	candidates := rt.byAction[action]
	if version != "" {
		sameVersion := rt.byVersion[version]
		for _, s := range candidates {
			if slices.Contains(sameVersion, s) {
				return s
			}
		}
		candidates = sameVersion // an action that is not its own: it answers so
	}
	if len(candidates) == 0 || version == "" && len(candidates) > 1 {
		return nil
	}
	return candidates[0]
}

func (rt *routes) byPath(method, path string) (finding, *awserr.Error) {
	first, _ := cutSegment(path[1:])
	if s := rt.bySegment[first]; s != nil {
		return finding{service: s}, nil
	}
	if region, ok := queuePath(path); ok && rt.sqs != nil {
		return finding{service: rt.sqs, region: region}, nil
	}
	if rt.s3 != nil && (method != http.MethodPost || path != "/") {
		return finding{service: rt.s3}, nil
	}
	return finding{}, awserr.New(http.StatusNotFound, "UnknownServiceException",
		"Paddock cannot tell which AWS service this request is for: it has no Signature Version 4 credential scope and no X-Amz-Target, and its host, Action and path are no service's")
}

func notImplemented(name string) *awserr.Error {
	return awserr.New(http.StatusNotImplemented, "NotImplementedException", "Paddock does not implement the service %s yet", name)
}

func cutTarget(target string) (prefix, operation string) {
	i := strings.LastIndexByte(target, '.')
	if i < 0 {
		return target, ""
	}
	return target[:i], target[i+1:]
}

// takesUnsigned reports whether an unsigned request is for an operation that
// takes those.
func (s *service) takesUnsigned(r *http.Request) bool {
	if len(s.unsigned) == 0 {
		return false
	}
	if target := r.Header["X-Amz-Target"]; len(target) > 0 {
		_, operation := cutTarget(target[0])
		return s.unsigned[operation]
	}
	action, _ := queryAction(r)
	return s.unsigned[action]
}

// maxPeek is how many bytes of a form are read ahead for its Action: clients
// send it first, or among the first.
const maxPeek = 8 << 10

const formType = "application/x-www-form-urlencoded"

// queryAction returns the Action and Version of a Query request. Reading them
// from a form reads ahead and leaves the body as it was.
func queryAction(r *http.Request) (action, version string) {
	if q := r.URL.RawQuery; q != "" {
		if action = parameter(q, "Action"); action != "" {
			return action, parameter(q, "Version")
		}
	}
	if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), formType) || r.Body == nil {
		return "", ""
	}
	head := make([]byte, maxPeek)
	n, err := io.ReadFull(r.Body, head)
	head = head[:n]
	rest := io.Reader(r.Body)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		rest = failedReader{err}
	}
	r.Body = peekedBody{io.MultiReader(bytes.NewReader(head), rest), r.Body}
	if err == nil { // there may be more: the last pair may be half a pair
		head = head[:bytes.LastIndexByte(head, '&')+1]
	}
	form := string(head)
	return parameter(form, "Action"), parameter(form, "Version")
}

type peekedBody struct {
	io.Reader
	io.Closer
}

// failedReader gives the error of a read ahead to who reads that far.
type failedReader struct{ err error }

func (f failedReader) Read([]byte) (int, error) { return 0, f.err }

// parameter returns the first value of a parameter in a raw query or form. It
// decodes names and values as the Query protocol does, for what is asked here
// (does this change anything? may it be unsigned?) must be asked of the very
// parameter that the service acts on, %41ction=… included. What does not decode
// no service takes.
func parameter(raw, name string) string {
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		key, value, _ := strings.Cut(pair, "=")
		if key != name {
			if strings.IndexByte(key, '%') < 0 {
				continue
			}
			if decoded, err := url.QueryUnescape(key); err != nil || decoded != name {
				continue
			}
		}
		if decoded, err := url.QueryUnescape(value); err == nil {
			return decoded
		}
		return value
	}
	return ""
}
