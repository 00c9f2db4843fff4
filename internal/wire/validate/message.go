package validate

import (
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/paddock-run/paddock/internal/wire/schema"
)

// message is AWS's text for violations, of which there is at least one.
//
// What a structure's member violates is said of the member. What an element
// of a list, a key or a value of a map violates is said of the list or map,
// once, with all the constraints that its elements have: "Member must satisfy
// constraint: [Member must have length less than or equal to 128, Member must
// have length greater than or equal to 1]". No page of AWS's says so; the
// words are those that its services are seen to answer with.
func message(found []Violation) string {
	var parts []string
	said := map[string]bool{} // what lists and maps have been said to violate
	for i := range found {
		v := &found[i]
		if v.holder == nil {
			parts = append(parts, "Value"+shown(v)+" at '"+pathOf(v, len(v.Path))+"' failed to satisfy constraint: "+rule(v))
			continue
		}
		failed := " at '" + pathOf(v, v.holder.depth) + "' failed to satisfy constraint: " + heldRule(v)
		if said[failed] {
			continue
		}
		said[failed] = true
		value := ""
		if !v.holder.sensitive {
			value = " '" + display(v.svc, v.holder.node.shape, v.holder.value) + "'"
		}
		parts = append(parts, "Value"+value+failed)
	}
	s := "s"
	if len(parts) == 1 {
		s = ""
	}
	return strconv.Itoa(len(parts)) + " validation error" + s + " detected: " + strings.Join(parts, "; ")
}

// heldRule words the constraints of the elements, keys or values of a list or
// map, one of which a violation is of.
func heldRule(v *Violation) string {
	n := v.holder.node
	word, s := "Member must satisfy constraint: [", n.elemShape
	switch v.Path[v.holder.depth].Kind {
	case ToKey:
		word, s = "Map keys must satisfy constraint: [", n.keyShape
	case ToValue:
		word = "Map value must satisfy constraint: ["
	}
	rules := rulesOf(s)
	if v.Kind == NotNull || n.shape.Traits.Has(schema.NotNullElements) {
		rules = append(rules, "Member must not be null")
	}
	return word + strings.Join(rules, ", ") + "]"
}

// shown is a violating value as its message shows it, with a space before it;
// a sensitive one is left out.
func shown(v *Violation) string {
	switch {
	case v.Sensitive:
		return ""
	case v.Kind == NotNull:
		return " null"
	}
	return " '" + display(v.svc, v.Shape, reflect.ValueOf(v.Value)) + "'"
}

// pathOf writes the first steps of a violation's path as AWS does: members
// begin in lower case, elements are counted from 1, and what a list or map
// holds is its "member".
func pathOf(v *Violation, steps int) string {
	var b strings.Builder
	if v.svc.WrapsBody && v.Path[0].Member.Location == schema.InBody {
		b.WriteString(lowerFirst(strings.TrimSuffix(v.root.Name, "Request")) + "Input.")
	}
	for i, s := range v.Path[:steps] {
		if i > 0 {
			b.WriteByte('.')
		}
		switch s.Kind {
		case ToMember:
			b.WriteString(lowerFirst(s.Member.Name))
		case ToElement:
			b.WriteString(strconv.Itoa(s.Index + 1))
			b.WriteString(".member")
		default:
			b.WriteString(cut(s.Key))
			b.WriteString(".member")
		}
	}
	return b.String()
}

func lowerFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[n:]
}

// rule words the constraint that a violation is of.
func rule(v *Violation) string {
	c := v.Shape.Constraint
	switch v.Kind {
	case NotNull:
		return "Member must not be null"
	case Enum:
		return enumRule(v.Shape)
	case Pattern:
		return patternRule(c)
	}
	if tooHigh(v) {
		return maxRule(v.Shape)
	}
	return minRule(v.Shape)
}

// rulesOf words all the constraints of a shape, in AWS's order.
func rulesOf(s *schema.Shape) []string {
	var rules []string
	if c := s.Constraint; c != nil {
		if c.HasMax {
			rules = append(rules, maxRule(s))
		}
		if c.HasMin {
			rules = append(rules, minRule(s))
		}
		if c.Pattern != "" {
			rules = append(rules, patternRule(c))
		}
	}
	if s.Enum != nil {
		rules = append(rules, enumRule(s))
	}
	return rules
}

func enumRule(s *schema.Shape) string {
	return "Member must satisfy enum value set: [" + strings.Join(s.Enum, ", ") + "]"
}

func patternRule(c *schema.Constraint) string {
	return "Member must satisfy regular expression pattern: " + c.Pattern
}

func maxRule(s *schema.Shape) string {
	return "Member must have " + measured(s) + " less than or equal to " + limit(s, s.Constraint.Max)
}

func minRule(s *schema.Shape) string {
	return "Member must have " + measured(s) + " greater than or equal to " + limit(s, s.Constraint.Min)
}

// measured is what of a value a shape's limits are about.
func measured(s *schema.Shape) string {
	switch s.Kind {
	case schema.KindString, schema.KindBlob, schema.KindList, schema.KindMap:
		return "length"
	}
	return "value"
}

func limit(s *schema.Shape, n int64) string {
	if s.Kind == schema.KindFloat || s.Kind == schema.KindDouble {
		return strconv.FormatInt(n, 10) + ".0"
	}
	return strconv.FormatInt(n, 10)
}
