// Package awsmodel reads AWS service models in the form botocore ships them
// (service-2.json) and turns them into a schema.Service.
//
// Three steps, a file or two each: Parse reads JSON into a Model, Build makes
// the schema (model.go knows the JSON, build.go what it means), and
// RewritePattern makes a Go regular expression of a model's pattern.
package awsmodel

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Model is a service model as botocore's JSON has it; documentation is not read.
type Model struct {
	Metadata   Metadata             `json:"metadata"`
	Operations map[string]Operation `json:"operations"`
	Shapes     map[string]Shape     `json:"shapes"`
}

// Metadata is what a model says of the service as a whole.
type Metadata struct {
	APIVersion         string          `json:"apiVersion"`
	EndpointPrefix     string          `json:"endpointPrefix"`
	SigningName        string          `json:"signingName"`
	ServiceFullName    string          `json:"serviceFullName"`
	ServiceID          string          `json:"serviceId"`
	TargetPrefix       string          `json:"targetPrefix"`
	JSONVersion        string          `json:"jsonVersion"`
	Protocol           string          `json:"protocol"`
	Protocols          []string        `json:"protocols"`
	XMLNamespace       XMLNamespace    `json:"xmlNamespace"`
	AWSQueryCompatible json.RawMessage `json:"awsQueryCompatible"`
}

// Operation is an operation of a model.
type Operation struct {
	Name string `json:"name"`
	HTTP struct {
		Method       string `json:"method"`
		RequestURI   string `json:"requestUri"`
		ResponseCode int    `json:"responseCode"`
	} `json:"http"`
	Input        *ShapeRef  `json:"input"`
	Output       *ShapeRef  `json:"output"`
	Errors       []ShapeRef `json:"errors"`
	AuthType     string     `json:"authtype"`
	Auth         []string   `json:"auth"`
	HTTPChecksum struct {
		RequestChecksumRequired bool `json:"requestChecksumRequired"`
	} `json:"httpChecksum"`
	HTTPChecksumRequired bool `json:"httpChecksumRequired"`
}

// Shape is a shape of a model.
type Shape struct {
	Type            string            `json:"type"`
	Members         Ordered[ShapeRef] `json:"members"`
	Required        []string          `json:"required"`
	Member          *ShapeRef         `json:"member"` // of a list
	Key             *ShapeRef         `json:"key"`    // of a map
	Value           *ShapeRef         `json:"value"`  // of a map
	Enum            []string          `json:"enum"`
	Min             *json.Number      `json:"min"`
	Max             *json.Number      `json:"max"`
	Pattern         string            `json:"pattern"`
	Payload         string            `json:"payload"`
	LocationName    string            `json:"locationName"`
	TimestampFormat string            `json:"timestampFormat"`
	XMLNamespace    XMLNamespace      `json:"xmlNamespace"`
	Flattened       bool              `json:"flattened"`
	Sparse          bool              `json:"sparse"`
	Sensitive       bool              `json:"sensitive"`
	Streaming       bool              `json:"streaming"`
	RequiresLength  bool              `json:"requiresLength"`
	Wrapper         bool              `json:"wrapper"`
	Union           bool              `json:"union"`
	Document        bool              `json:"document"`
	JSONValue       bool              `json:"jsonvalue"`
	EventStream     bool              `json:"eventstream"`
	Event           bool              `json:"event"`
	Exception       bool              `json:"exception"`
	Fault           bool              `json:"fault"`
	Error           *ShapeError       `json:"error"`
}

// ShapeError is what an exception shape says of its HTTP form.
type ShapeError struct {
	Code           string `json:"code"`
	HTTPStatusCode int    `json:"httpStatusCode"`
	SenderFault    bool   `json:"senderFault"`
}

// ShapeRef is a use of a shape: a member, a list's element, a map's key or
// value, an operation's input, output or error.
type ShapeRef struct {
	Shape            string       `json:"shape"`
	Location         string       `json:"location"`
	LocationName     string       `json:"locationName"`
	QueryName        string       `json:"queryName"`
	ResultWrapper    string       `json:"resultWrapper"`
	TimestampFormat  string       `json:"timestampFormat"`
	XMLNamespace     XMLNamespace `json:"xmlNamespace"`
	XMLAttribute     bool         `json:"xmlAttribute"`
	Flattened        bool         `json:"flattened"`
	Streaming        bool         `json:"streaming"`
	IdempotencyToken bool         `json:"idempotencyToken"`
	JSONValue        bool         `json:"jsonvalue"`
	HostLabel        bool         `json:"hostLabel"`
	EventPayload     bool         `json:"eventpayload"`
	EventHeader      bool         `json:"eventheader"`
	Enum             []string     `json:"enum"`
}

// XMLNamespace is a namespace, written as a string or as an object.
type XMLNamespace struct {
	URI    string
	Prefix string
}

// UnmarshalJSON reads either form.
func (x *XMLNamespace) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &x.URI)
	}
	var v struct{ URI, Prefix string }
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	x.URI, x.Prefix = v.URI, v.Prefix
	return nil
}

// Entry is one member of a JSON object.
type Entry[T any] struct {
	Name  string
	Value T
}

// Ordered is a JSON object that keeps the order of its members, which is the
// order of a structure's fields in the model.
type Ordered[T any] []Entry[T]

// UnmarshalJSON reads an object; null is empty.
func (o *Ordered[T]) UnmarshalJSON(b []byte) error {
	*o = nil
	dec := json.NewDecoder(bytes.NewReader(b))
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	if tok == nil {
		return nil
	}
	if tok != json.Delim('{') {
		return fmt.Errorf("awsmodel: %v where an object should begin", tok)
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var v T
		if err := dec.Decode(&v); err != nil {
			return err
		}
		*o = append(*o, Entry[T]{Name: name.(string), Value: v})
	}
	_, err = dec.Token()
	return err
}

// Parse reads a model's JSON.
func Parse(r io.Reader) (*Model, error) {
	m := new(Model)
	if err := json.NewDecoder(r).Decode(m); err != nil {
		return nil, fmt.Errorf("awsmodel: %w", err)
	}
	return m, nil
}

// ReadFile reads the model of a service and API version out of a botocore data
// folder, where it is <service>/<version>/service-2.json, gzipped or plain.
func ReadFile(data fs.FS, service, version string) (*Model, error) {
	path := service + "/" + version + "/service-2.json"
	zipped, err := fs.ReadFile(data, path+".gz")
	if errors.Is(err, fs.ErrNotExist) {
		plain, err := fs.ReadFile(data, path)
		if err != nil {
			return nil, err
		}
		return Parse(bytes.NewReader(plain))
	}
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		return nil, fmt.Errorf("awsmodel: %s.gz: %w", path, err)
	}
	return Parse(z)
}
