// Package openapi reads Swagger 2.0 and OpenAPI 3.0 documents, in JSON or YAML,
// into the definition of a REST API, and writes them from one, with API
// Gateway's extensions to the specification. Its functions keep no state.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-import-api.html
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
package openapi

import (
	"fmt"
	"strings"

	"github.com/paddock-run/paddock/internal/restapi"
)

// The bounds of a document.
const (
	// MaxSize of a document in bytes, as AWS's quota "API definition file size" has it.
	MaxSize = 6 << 20
	// maxDepth of objects and lists inside each other.
	maxDepth = 100
	// maxNodes of a document, a YAML alias counting as what it stands for.
	maxNodes = 1 << 20
)

// Document is what a document says of an API.
type Document struct {
	Name        string // info.title
	Description string
	Version     string
	Definition  *restapi.Definition

	// What a Definition does not hold, because a deployment does not freeze it.
	// Nil and empty: the document does not say.
	Endpoint             *Endpoint
	SecurityPolicy       string
	EndpointAccessMode   string
	DocumentationVersion string
	Documentation        []Part

	// Warnings are what was ignored, in AWS's words where they are known.
	Warnings []string

	given given
}

// Endpoint is x-amazon-apigateway-endpoint-configuration.
type Endpoint struct {
	Types          []string // "EDGE", "REGIONAL", "PRIVATE"
	VPCEndpointIDs []string
	IPAddressType  string // "ipv4", "dualstack"
}

// given says which of a definition's own settings a document has, for a merge
// keeps the others.
type given struct {
	compression, binary, keySource, policy, disabled bool
}

// Part is a documentation part.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DocumentationPart.html
type Part struct {
	Location   Location
	Properties string // JSON, an object
}

// Location is what a documentation part is about. An empty Path is "/", an
// empty Method and StatusCode are "*", for the types that have them.
type Location struct {
	Type       string // "API", "METHOD", "PATH_PARAMETER", …
	Path       string
	Method     string
	StatusCode string
	Name       string
}

// ReadOptions are what an import is asked for.
type ReadOptions struct {
	// APIID is the API's, which references to models hold.
	APIID string
	// NewID makes an identifier of n lower-case letters and digits.
	NewID func(n int) string
	// BasePath is what becomes of the document's base path: "ignore" (or empty),
	// "prepend", "split".
	BasePath string
	// IgnoreDocumentation leaves Document.Documentation empty.
	IgnoreDocumentation bool
	// FailOnWarnings makes warnings errors.
	FailOnWarnings bool
}

// Error is a document that cannot be imported: AWS answers it with a
// BadRequestException of this text.
type Error struct {
	// Invalid is set where the document is none: not JSON or YAML, of no known
	// version, outside the bounds. Errors and Warnings are empty then.
	Invalid string
	// Errors are those of the import, Warnings what was found beside them.
	Errors, Warnings []string
}

// Error is AWS's message.
func (e *Error) Error() string {
	if e.Invalid != "" {
		return "Invalid OpenAPI input. " + e.Invalid
	}
	var b strings.Builder
	if len(e.Errors) > 0 {
		b.WriteString("Errors found during import:\n\t" + strings.Join(e.Errors, "\n\t"))
	}
	if len(e.Warnings) > 0 {
		if len(e.Errors) > 0 {
			b.WriteString("\nAdditionally, these warnings were found:\n\t")
		} else {
			b.WriteString("Warnings found during import:\n\t")
		}
		b.WriteString(strings.Join(e.Warnings, "\n\t"))
	}
	return b.String()
}

func invalid(format string, args ...any) error {
	return &Error{Invalid: fmt.Sprintf(format, args...)}
}

// modelURL is what a reference to a model is in a stored schema.
const modelURL = "https://apigateway.amazonaws.com/restapis/"

// ModelReference is the URL by which schemas refer to a model of an API.
func ModelReference(apiID, model string) string { return modelURL + apiID + "/models/" + model }

// modelOf takes the model's name out of a ModelReference, of whichever API.
func modelOf(reference string) (string, bool) {
	rest, ok := strings.CutPrefix(reference, modelURL)
	if !ok {
		return "", false
	}
	_, name, ok := strings.Cut(rest, "/models/")
	return name, ok && name != "" && !strings.Contains(name, "/")
}
