package awsmodel

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/paddock-run/paddock/internal/wire/schema"
)

// Overlay is what a service's model leaves out and a server has to know, or
// what Paddock wants different. The zero Overlay changes nothing.
type Overlay struct {
	// Operations limits the service to these; nil takes all.
	Operations []string `json:"operations"`
	// Protocols replaces the model's.
	Protocols []schema.Protocol `json:"protocols"`
	// XMLNamespace is the service's where the model has none.
	XMLNamespace string `json:"xmlNamespace"`
	// QueryNames gives members ("Shape.Member", "List.member", "Map.key",
	// "Map.value") the names that awsQuery knows them by.
	QueryNames map[string]string `json:"queryNames"`
	// XMLNames gives shapes the XML element name that an output of theirs has.
	XMLNames map[string]string `json:"xmlNames"`
	// Unwrapped lists the outputs whose XML root holds their only member's text.
	Unwrapped []string `json:"unwrapped"`
	// Errors gives exceptions codes and statuses.
	Errors map[string]ShapeError `json:"errors"`
	// ValidationCode is the code of input that fails validation.
	ValidationCode string `json:"validationCode"`
	// WrapsBody becomes the schema.Service's.
	WrapsBody bool `json:"wrapsBody"`
	// Unchecked gives members ("Shape.Member") schema.Unchecked.
	Unchecked []string `json:"unchecked"`
	// NotNullElements gives every list and map schema.NotNullElements, but for
	// those that NullElements names.
	NotNullElements bool     `json:"notNullElements"`
	NullElements    []string `json:"nullElements"`
}

func overlayError(errs map[string]ShapeError, name string) *ShapeError {
	if e, ok := errs[name]; ok {
		return &e
	}
	return nil
}

// unusedOverlay says which names of an overlay the model does not have, so
// that an overlay cannot go stale unseen.
func (b *builder) unusedOverlay() error {
	var bad []string
	for _, n := range slices.Concat(slices.Collect(maps.Keys(b.overlay.XMLNames)), slices.Collect(maps.Keys(b.overlay.Errors)), b.overlay.Unwrapped, b.overlay.NullElements) {
		if _, ok := b.ids[n]; !ok {
			bad = append(bad, n)
		}
	}
	for _, n := range slices.Concat(slices.Collect(maps.Keys(b.overlay.QueryNames)), b.overlay.Unchecked) {
		shape, member, _ := strings.Cut(n, ".")
		if _, ok := b.ids[shape]; !ok || !hasMember(b.shapes[shape], member) {
			bad = append(bad, n)
		}
	}
	if bad == nil {
		return nil
	}
	slices.Sort(bad)
	return fmt.Errorf("the overlay names what the model does not have: %s", strings.Join(bad, ", "))
}

func hasMember(s Shape, name string) bool {
	switch name {
	case "member":
		return s.Member != nil
	case "key":
		return s.Key != nil
	case "value":
		return s.Value != nil
	}
	return slices.ContainsFunc(s.Members, func(e Entry[ShapeRef]) bool { return e.Name == name })
}
