package openapi

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// parts collects documentation parts: at most one a location, its properties
// those of all that were added.
type parts struct {
	order      []Location
	properties map[Location]*object
}

func (p *parts) add(l Location, properties *object) {
	if properties.len() == 0 {
		return
	}
	if p.properties == nil {
		p.properties = map[Location]*object{}
	}
	l = l.canonical()
	there := p.properties[l]
	if there == nil {
		there = newObject()
		p.properties[l] = there
		p.order = append(p.order, l)
	}
	for _, k := range properties.keys {
		there.set(k, copyTree(properties.values[k]))
	}
}

// list is the parts in order of location.
func (p *parts) list() []Part {
	order := slices.Clone(p.order)
	slices.SortStableFunc(order, compareLocations)
	out := make([]Part, 0, len(order))
	for _, l := range order {
		out = append(out, Part{Location: l, Properties: compactJSON(p.properties[l])})
	}
	return out
}

func compareLocations(a, b Location) int {
	return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Method, b.Method),
		strings.Compare(a.Type, b.Type), strings.Compare(a.StatusCode, b.StatusCode), strings.Compare(a.Name, b.Name))
}

// fields are the fields of a location that its type has, besides the type.
type fields struct{ path, method, status, name bool }

var locationTypes = map[string]fields{
	"API":             {},
	"AUTHORIZER":      {name: true},
	"MODEL":           {name: true},
	"RESOURCE":        {path: true},
	"METHOD":          {path: true, method: true},
	"PATH_PARAMETER":  {path: true, method: true, name: true},
	"QUERY_PARAMETER": {path: true, method: true, name: true},
	"REQUEST_HEADER":  {path: true, method: true, name: true},
	"REQUEST_BODY":    {path: true, method: true},
	"RESPONSE":        {path: true, method: true, status: true},
	"RESPONSE_HEADER": {path: true, method: true, status: true, name: true},
	"RESPONSE_BODY":   {path: true, method: true, status: true},
}

// canonical gives the fields that the type has, and that are empty, what empty
// means.
func (l Location) canonical() Location {
	f := locationTypes[l.Type]
	if f.path && l.Path == "" {
		l.Path = "/"
	}
	if f.method && l.Method == "" {
		l.Method = "*"
	}
	if f.status && l.StatusCode == "" {
		l.StatusCode = "*"
	}
	return l
}

// CheckLocation returns the location with its defaults, or says, in words, what
// is wrong with it: a field that its type does not have, or a name that is
// missing.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DocumentationPartLocation.html
func CheckLocation(l Location) (Location, string) {
	f, ok := locationTypes[l.Type]
	switch {
	case !ok:
		return l, "Invalid documentation part type '" + l.Type + "'"
	case l.Path != "" && !f.path:
		return l, "Path is not a valid location field for documentation part type " + l.Type
	case l.Method != "" && !f.method:
		return l, "Method is not a valid location field for documentation part type " + l.Type
	case l.StatusCode != "" && !f.status:
		return l, "StatusCode is not a valid location field for documentation part type " + l.Type
	case l.Name != "" && !f.name:
		return l, "Name is not a valid location field for documentation part type " + l.Type
	case l.Name == "" && f.name:
		return l, "Name is a required location field for documentation part type " + l.Type
	}
	return l.canonical(), ""
}

// explicitDocumentation reads x-amazon-apigateway-documentation, whose parts win
// over what the rest of the document says of the same.
func (r *reader) explicitDocumentation() {
	c := r.root.child(ext("documentation"))
	r.doc.DocumentationVersion = c.text("version")
	for _, part := range c.items("documentationParts") {
		at := part.child("location")
		l, wrong := CheckLocation(Location{
			Type: strings.ToUpper(at.text("type")), Path: at.text("path"), Method: strings.ToUpper(at.text("method")),
			StatusCode: at.text("statusCode"), Name: at.text("name"),
		})
		if wrong != "" {
			r.warn("Invalid documentation part at %s: %s. Ignoring.", part.at, wrong)
			continue
		}
		r.parts.add(l, part.child("properties").object)
	}
}

// ReadDocumentation reads the documentation parts of a document: those of
// x-amazon-apigateway-documentation and those that its descriptions make. The
// document need be no whole API: what else is wrong with it does not count. Its
// error is an *Error.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-documenting-api-quick-start-import-export.html
func ReadDocumentation(text []byte, failOnWarnings bool) (parts []Part, warnings []string, err error) {
	n := 0
	r, err := read(text, ReadOptions{NewID: func(int) string { n++; return strconv.Itoa(n) }})
	if err != nil {
		return nil, nil, err
	}
	if failOnWarnings && len(r.doc.Warnings) > 0 {
		return nil, nil, &Error{Warnings: r.doc.Warnings}
	}
	return r.doc.Documentation, r.doc.Warnings, nil
}
