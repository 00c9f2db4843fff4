package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// violations are what is wrong with a body, in the words that API Gateway gives
// in $context.error.validationErrorString where it is known which they are.
func violations(err error, body any) []string {
	v, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return []string{err.Error()}
	}
	var out []string
	collect(v, body, &out)
	return out
}

func collect(v *jsonschema.ValidationError, body any, out *[]string) {
	if len(v.Causes) == 0 {
		*out = append(*out, violation(v, body))
		return
	}
	for _, cause := range v.Causes {
		collect(cause, body, out)
	}
}

// typeOf is the type of what stands at a place of the body. API Gateway tells
// integers from other numbers.
func typeOf(body any, at []string, otherwise string) string {
	for _, name := range at {
		switch b := body.(type) {
		case map[string]any:
			body = b[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(b) {
				return otherwise
			}
			body = b[i]
		}
	}
	if n, ok := body.(json.Number); ok && !strings.ContainsAny(n.String(), ".eE") {
		return "integer"
	}
	return otherwise
}

func violation(v *jsonschema.ValidationError, body any) string {
	k := v.ErrorKind
	switch k := k.(type) {
	case *kind.Required:
		return "object has missing required properties (" + list(k.Missing) + ")"
	case *kind.Type:
		return fmt.Sprintf("instance type (%s) does not match any allowed primitive type (allowed: %s)", typeOf(body, v.InstanceLocation, k.Got), list(k.Want))
	case *kind.AdditionalProperties:
		return "object instance has properties which are not allowed by the schema: " + list(k.Properties)
	case *kind.Enum:
		return fmt.Sprintf("instance value (%s) not found in enum (possible values: %s)", number(k.Got), number(k.Want))
	case *kind.MinLength:
		return fmt.Sprintf("string is too short (length: %d, required minimum: %d)", k.Got, k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("string is too long (length: %d, maximum allowed: %d)", k.Got, k.Want)
	case *kind.MinItems:
		return fmt.Sprintf("array is too short: must have at least %d elements but instance has %d elements", k.Want, k.Got)
	case *kind.MaxItems:
		return fmt.Sprintf("array is too long: must have at most %d elements but instance has %d elements", k.Want, k.Got)
	case *kind.Minimum:
		return fmt.Sprintf("numeric instance is lower than the required minimum (minimum: %s, found: %s)", k.Want.RatString(), k.Got.RatString())
	case *kind.Maximum:
		return fmt.Sprintf("numeric instance is greater than the required maximum (maximum: %s, found: %s)", k.Want.RatString(), k.Got.RatString())
	case *kind.Pattern:
		return fmt.Sprintf("ECMA 262 regex %q does not match input string %q", k.Want, k.Got)
	}
	return k.LocalizedString(english)
}

var english = message.NewPrinter(language.English)

func list(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range slices.Sorted(slices.Values(names)) {
		quoted[i] = quote(name)
	}
	return "[" + strings.Join(quoted, ",") + "]"
}
