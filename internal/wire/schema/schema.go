// Package schema is the compact form of an AWS service model: the shapes,
// operations and traits that the protocols in internal/wire read and write by.
//
// cmd/awsgen writes one *Service value per service as a static table: shapes
// refer to each other by index, so a table costs nothing at program start and
// recursive shapes need no initialisation. Generated Go structs declare their
// fields in the order of Shape.Members, one field a member; that order is how
// a codec finds the field of a member (see Shape).
package schema

import "context"

// Kind is the kind of a shape, after Smithy's simple and aggregate types.
type Kind uint8

const (
	KindInvalid   Kind = iota
	KindBoolean        // *bool
	KindByte           // *int8
	KindShort          // *int16
	KindInteger        // *int32
	KindLong           // *int64
	KindFloat          // *float32
	KindDouble         // *float64
	KindString         // *string, or a pointer to the generated enum type when Enum is set
	KindBlob           // []byte; io.ReadCloser (input) or io.Reader (output) when the member streams
	KindTimestamp      // *time.Time
	KindDocument       // any: free JSON, as encoding/json decodes it with UseNumber
	KindList           // []T (nil is absent, empty is present); []*T for sparse lists
	KindMap            // map[string]T; map[string]*T for sparse maps
	KindStructure      // *T
	KindUnion          // *T with exactly one non-nil field
)

// In lists and maps that are not sparse, T is the value itself for simple
// kinds (string or the generated enum type, int64, time.Time, []byte), for
// lists and for maps, and *T for structures and unions. In sparse ones simple
// kinds are *T too, and a nil blob, list, map or document is the null. A map's
// key is always a plain string, an enum's too.

// TimestampFormat says how a timestamp is written on the wire.
type TimestampFormat uint8

const (
	TimestampDefault TimestampFormat = iota // the protocol's own default for that place
	TimestampEpoch                          // seconds since 1970, with fraction
	TimestampISO8601                        // 2006-01-02T15:04:05.999Z
	TimestampHTTP                           // Mon, 02 Jan 2006 15:04:05 GMT
)

// Location says where in an HTTP message a member of an input or output stands.
type Location uint8

const (
	InBody        Location = iota
	InURI                  // a {label} or {label+} of Operation.URI
	InQuery                // ?locationName=value
	InQueryParams          // a map of all the query parameters, those that other members take too
	InHeader               // one header
	InHeaders              // a map of the headers whose names begin with LocationName
	InStatusCode           // the HTTP status of a response
)

// ShapeID is the index of a shape in Service.Shapes.
type ShapeID uint16

// NoShape stands where an operation has no input or output.
const NoShape ShapeID = 0xFFFF

// ShapeTrait is a set of yes-or-no traits of a shape.
type ShapeTrait uint16

const (
	Sensitive       ShapeTrait = 1 << iota
	Flattened                  // a list or map without a wrapper element (XML, query)
	Sparse                     // a list or map that may hold nulls
	EventStream                // a union whose members are the events of a stream
	EventShape                 // a structure that is one event of a stream
	Wrapper                    // botocore's "wrapper", used by old XML services
	Exception                  // an error shape
	RequiresLength             // a streaming blob that needs Content-Length
	JSONValue                  // a string whose header form is base64 of JSON
	Unwrapped                  // a restXml output whose root element holds its only body member's text (S3's GetBucketLocation)
	NotNullElements            // a list or map whose elements' constraints AWS lists with "Member must not be null"
)

// Has reports whether t has every trait of u.
func (t ShapeTrait) Has(u ShapeTrait) bool { return t&u == u }

// MemberTrait is a set of yes-or-no traits of a member.
type MemberTrait uint16

const (
	Required        MemberTrait = 1 << iota
	Payload                     // this member alone is the HTTP body
	Streaming                   // a blob that is read and written as a stream
	MemberFlattened             // a list or map without a wrapper element (XML, query)
	XMLAttribute
	IdempotencyToken
	EventPayload // the payload of an event in an event stream
	EventHeader  // a header of an event in an event stream
	HostLabel
	MemberJSONValue // a string sent in a header as base64 of JSON
	Unchecked       // validation looks only for its absence: the service checks the value, in words of its own
)

// Has reports whether t has every trait of u.
func (t MemberTrait) Has(u MemberTrait) bool { return t&u == u }

// Constraint limits a shape's value. Length limits apply to strings
// (characters), blobs (bytes), lists and maps (entries); range limits to numbers.
type Constraint struct {
	Min, Max       int64
	HasMin, HasMax bool
	Pattern        string // as the model has it: AWS quotes it in its messages
	Regexp         string // Pattern rewritten for Go's RE2 and anchored; empty when Pattern is
}

// Member is a member of a structure or union, the element of a list (one
// member named "member"), or the key and value of a map (two members).
type Member struct {
	Name            string // the model's name: also the JSON and CBOR key where LocationName is empty
	LocationName    string // the name on the wire where it differs, or the header, query or label name
	Target          ShapeID
	Location        Location
	Traits          MemberTrait
	TimestampFormat TimestampFormat
	XMLNamespace    string
	XMLPrefix       string
	// QueryName is the member's name in awsQuery requests and responses where
	// it differs from WireName: SQS's JSON says "Attributes", its old Query
	// form "Attribute.1.Name". A flattened list or map takes the name of the
	// structure's member, not its element's.
	QueryName string
	// Default is the value of a scalar member that is absent, where the model
	// has one (Smithy models only): nil, or a JSON literal.
	Default string
}

// WireName is the member's name on the wire.
func (m *Member) WireName() string {
	if m.LocationName != "" {
		return m.LocationName
	}
	return m.Name
}

// ErrorTrait is what an exception shape says of its HTTP form.
type ErrorTrait struct {
	Code        string // the code on the wire where it is not the shape's name; in awsQueryCompatible services the query code
	Status      int    // 0: 400 for sender faults, 500 for the server's
	SenderFault bool
}

// Shape is one shape of a model.
//
// For KindStructure and KindUnion the i-th member is the i-th field of the
// generated Go struct; an exception's Go struct has the same fields.
type Shape struct {
	Name            string
	Kind            Kind
	Traits          ShapeTrait
	TimestampFormat TimestampFormat
	Constraint      *Constraint
	Enum            []string
	Members         []Member
	Error           *ErrorTrait
	XMLName         string // the element's name where it differs from the context's: the root of an output
	XMLNamespace    string
	XMLPrefix       string
}

// Protocol names one of AWS's wire protocols, as botocore does.
type Protocol string

const (
	RestJSON Protocol = "rest-json"
	RestXML  Protocol = "rest-xml"
	AWSJSON  Protocol = "json" // 1.0 or 1.1 by Service.JSONVersion
	Query    Protocol = "query"
	CBOR     Protocol = "smithy-rpc-v2-cbor"
)

// Operation is one operation of a service.
type Operation struct {
	Name   string
	Method string // HTTP method of the REST protocols
	URI    string // URI pattern of the REST protocols, query literals included
	Status int    // HTTP status of success; 0 is 200
	Input  ShapeID
	Output ShapeID
	Errors []ShapeID
	// ResultWrapper is the element that awsQuery puts around an output; empty
	// is Name + "Result".
	ResultWrapper string
	// InputName and InputNamespace are the element and the namespace of a
	// restXml body without a payload member.
	InputName, InputNamespace string
	// ChecksumRequired: the request must carry Content-MD5 or x-amz-checksum-*.
	ChecksumRequired bool
	// NoAuth: the operation takes unsigned requests.
	NoAuth bool

	// NewInput makes a pointer to a zero input.
	NewInput func() any
	// Call calls the operation's method on h, a Handler of the service.
	Call func(ctx context.Context, h any, in any) (any, error)
}

// Service is one service's model.
type Service struct {
	ID              string // the folder name: "lambda", "cognito-idp"
	FullName        string // "AWS Lambda"
	APIVersion      string // "2015-03-31"
	SigningName     string // the service in a SigV4 credential scope
	EndpointPrefix  string // the first label of its host names
	TargetPrefix    string // of X-Amz-Target, and the service's name in rpcv2Cbor paths
	JSONVersion     string // "1.0" or "1.1"
	XMLNamespace    string
	Protocols       []Protocol // every protocol a client may speak; the first is preferred
	QueryCompatible bool       // awsQueryCompatible: errors carry x-amzn-query-error
	// Namespace, where not empty, stands before "#" and the code in the __type
	// of an error, as some services send it ("com.amazonaws.sqs").
	Namespace string
	// WrappedErrors says of a restXml service that its errors stand in an
	// ErrorResponse element. S3's do not.
	WrappedErrors  bool
	ValidationCode string // the code of input that fails validation; empty is ValidationException
	// WrapsBody: in its validation messages the members of the body stand
	// within one named after the operation, "putMethodInput.type" (API Gateway).
	WrapsBody  bool
	Shapes     []Shape
	Operations []Operation // sorted by name
}

// Shape returns the shape with the given index.
func (s *Service) Shape(id ShapeID) *Shape { return &s.Shapes[id] }

// ModeledError is implemented by every generated exception.
type ModeledError interface {
	error
	// ErrorShape is the exception's shape in its service's table.
	ErrorShape() ShapeID
}

// Unit is the input or output of an operation whose model has none.
type Unit struct{}

// NotImplementedError says that Paddock does not implement an operation. The
// edge answers it with 501 in the protocol's form, naming the operation.
type NotImplementedError struct{ Service, Operation string }

func (e *NotImplementedError) Error() string {
	return "Paddock does not implement " + e.Service + ":" + e.Operation + " yet"
}

// EventStreamOf is the Go type of an output member that targets an event
// stream: the codec calls it once the response's head has been written, and
// each call of emit writes and flushes one event. An error that it returns
// ends the stream with an exception event.
type EventStreamOf[T any] func(emit func(*T) error) error
