package vtl

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Java counts a string in UTF-16 units. For ASCII these are the bytes.

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func units(s string) []uint16 { return utf16.Encode([]rune(s)) }

func unitLen(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r >= 0x10000 {
			n++
		}
	}
	return n
}

// slice is the units from i to j, which are within bounds. Half of a character
// outside of the first 65536 is a question mark, as which Java prints it.
func slice(s string, i, j int) string {
	if ascii(s) {
		return s[i:j]
	}
	return strings.ReplaceAll(string(utf16.Decode(units(s)[i:j])), "\ufffd", "?")
}

// unitAt turns a byte's place into a unit's; -1 stays.
func unitAt(s string, at int) int {
	if at < 0 {
		return at
	}
	return unitLen(s[:at])
}

// byteAt turns a unit's place, at most the length, into a byte's.
func byteAt(s string, unit int) int {
	if ascii(s) {
		return min(unit, len(s))
	}
	for i, r := range s {
		if unit <= 0 {
			return i
		}
		unit--
		if r >= 0x10000 {
			unit--
		}
	}
	return len(s)
}

func isBlankText(s string) bool {
	return strings.TrimFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) && r != '\u00a0' && r != '\u0085' || r >= 0x1c && r <= 0x1f
	}) == ""
}

// trim is String.trim: of all characters up to the blank.
func trim(s string) string { return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' }) }

func isJavaSpace(r rune) bool {
	return r >= 0x1c && r <= 0x1f || unicode.IsSpace(r) && r != '\u00a0' && r != '\u2007' && r != '\u202f' && r != '\u0085'
}

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }

// compareStrings is String.compareTo: by the first unit that differs, else length.
func compareStrings(a, b string) int {
	if ascii(a) && ascii(b) {
		n := min(len(a), len(b))
		for i := range n {
			if a[i] != b[i] {
				return int(a[i]) - int(b[i])
			}
		}
		return len(a) - len(b)
	}
	x, y := units(a), units(b)
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return int(x[i]) - int(y[i])
		}
	}
	return len(x) - len(y)
}

// stringMethod is a method of a string, or a static one of String.
func (e *execution) stringMethod(s, name string, args []Value) (Value, error) {
	if err := e.work(len(s) / 64); err != nil {
		return nil, err
	}
	switch len(args) {
	case 0:
		return e.stringMethod0(s, name)
	case 1:
		if t, ok := args[0].(string); ok {
			if v, found, err := e.stringMethodText(s, name, t); found || err != nil {
				return v, err
			}
		}
		if i, ok := asInteger(args[0]); ok {
			if v, found, err := e.stringMethodAt(s, name, int(i)); found || err != nil {
				return v, err
			}
		}
		if args[0] == nil && takesText(name) {
			return nil, errNull
		}
		switch name {
		case "valueOf":
			return e.text(args[0], 0)
		case "compareTo":
			return nil, errClass("compareTo wants a string")
		}
		return e.objectMethod(s, name, args)
	case 2:
		return e.stringMethod2(s, name, args[0], args[1])
	}
	return nil, nil
}

// takesText is whether a method fails when it is given null.
func takesText(name string) bool {
	switch name {
	case "concat", "contains", "startsWith", "endsWith", "compareTo", "compareToIgnoreCase", "split", "matches", "indexOf", "lastIndexOf":
		return true
	}
	return false
}

func (e *execution) stringMethod0(s, name string) (Value, error) {
	switch name {
	case "length":
		if ascii(s) {
			return boxInt(len(s)), nil
		}
		return boxInt(unitLen(s)), nil
	case "isEmpty":
		return s == "", nil
	case "isBlank":
		return strings.TrimFunc(s, isJavaSpace) == "", nil
	case "toLowerCase":
		return strings.ToLower(s), nil
	case "toUpperCase":
		return strings.ToUpper(strings.ReplaceAll(s, "ß", "SS")), nil
	case "trim":
		return trim(s), nil
	case "strip":
		return strings.TrimFunc(s, isJavaSpace), nil
	case "stripLeading":
		return strings.TrimLeftFunc(s, isJavaSpace), nil
	case "stripTrailing":
		return strings.TrimRightFunc(s, isJavaSpace), nil
	case "toString", "intern":
		return s, nil
	case "toCharArray":
		l := &List{kind: fixedArray}
		for _, r := range s {
			l.items = append(l.items, string(r))
		}
		return l, e.work(len(l.items))
	}
	return e.objectMethod(s, name, nil)
}

// stringMethodText is a method that takes one string.
func (e *execution) stringMethodText(s, name, t string) (v Value, found bool, err error) {
	switch name {
	case "equals":
		return s == t, true, nil
	case "equalsIgnoreCase":
		return equalFold(s, t), true, nil
	case "contains":
		return strings.Contains(s, t), true, nil
	case "contentEquals":
		return s == t, true, nil
	case "startsWith":
		return strings.HasPrefix(s, t), true, nil
	case "endsWith":
		return strings.HasSuffix(s, t), true, nil
	case "indexOf":
		return int32(unitAt(s, strings.Index(s, t))), true, nil
	case "lastIndexOf":
		return int32(unitAt(s, strings.LastIndex(s, t))), true, nil
	case "concat":
		if len(s)+len(t) > MaxOutput {
			return nil, true, ErrOutput
		}
		return s + t, true, e.workFor(s + t)
	case "compareTo":
		return int32(compareStrings(s, t)), true, nil
	case "compareToIgnoreCase":
		return int32(compareStrings(foldJava(s), foldJava(t))), true, nil
	case "split":
		v, err = e.split(s, t, 0)
		return v, true, err
	case "matches":
		re, err := compileRegex(t, true)
		if err != nil {
			return nil, true, err
		}
		return re.MatchString(s), true, e.work(regexWork * len(s))
	}
	return nil, false, nil
}

func foldJava(s string) string { return strings.ToLower(strings.ToUpper(s)) }

// stringMethodAt is a method that takes one integer.
func (e *execution) stringMethodAt(s, name string, i int) (v Value, found bool, err error) {
	switch name {
	case "substring":
		n := unitLen(s)
		if i < 0 || i > n {
			return nil, true, outOfBounds(i, n)
		}
		return slice(s, i, n), true, nil
	case "charAt":
		n := unitLen(s)
		if i < 0 || i >= n {
			return nil, true, outOfBounds(i, n)
		}
		return character(slice(s, i, i+1)), true, nil
	case "codePointAt":
		n := unitLen(s)
		if i < 0 || i >= n {
			return nil, true, outOfBounds(i, n)
		}
		r, _ := utf8.DecodeRuneInString(s[byteAt(s, i):])
		return r, true, nil
	case "repeat":
		if i < 0 {
			return nil, true, errNegative
		}
		if len(s) > 0 && i > MaxOutput/len(s) {
			return nil, true, ErrOutput
		}
		r := strings.Repeat(s, i)
		return r, true, e.workFor(r)
	case "indexOf":
		return int32(unitAt(s, strings.IndexRune(s, rune(i)))), true, nil
	case "lastIndexOf":
		return int32(unitAt(s, strings.LastIndex(s, string(rune(i))))), true, nil
	}
	return nil, false, nil
}

func (e *execution) stringMethod2(s, name string, a, b Value) (Value, error) {
	t, text := a.(string)
	if text {
		if u, ok := b.(string); ok {
			return e.replaceMethod(s, name, t, u)
		}
		if i, ok := asInteger(b); ok {
			return e.searchFrom(s, name, t, int(i))
		}
		if items, ok := asCollection(b); ok && name == "join" {
			return e.join(t, items)
		}
		return nil, nil
	}
	from, ok := asInteger(a)
	if !ok {
		return nil, nil
	}
	if to, ok := asInteger(b); ok {
		n := unitLen(s)
		switch name {
		case "substring", "subSequence":
			if from < 0 || int(to) > n || from > to {
				return nil, outOfBounds(int(max(from, to)), n)
			}
			return slice(s, int(from), int(to)), nil
		case "indexOf", "lastIndexOf":
			return e.searchFrom(s, name, string(from), int(to))
		}
	}
	return nil, nil
}

// replaceMethod is a method that takes two strings.
func (e *execution) replaceMethod(s, name, t, u string) (Value, error) {
	switch name {
	case "replace":
		if n := strings.Count(s, t); len(u) > len(t) && len(s)+n*(len(u)-len(t)) > MaxOutput {
			return nil, ErrOutput
		}
		r := strings.ReplaceAll(s, t, u)
		return r, e.workFor(r)
	case "replaceAll", "replaceFirst":
		return e.replaceRegex(s, t, u, name == "replaceAll")
	case "join":
		return u, nil
	}
	return nil, nil
}

// searchFrom is a method that takes a string and an integer.
func (e *execution) searchFrom(s, name, t string, i int) (Value, error) {
	n := unitLen(s)
	switch name {
	case "startsWith":
		return i >= 0 && i <= n && strings.HasPrefix(s[byteAt(s, i):], t), nil
	case "indexOf":
		at := byteAt(s, min(max(i, 0), n))
		found := strings.Index(s[at:], t)
		if found >= 0 {
			found += at
		}
		return int32(unitAt(s, found)), nil
	case "lastIndexOf":
		if i < 0 {
			return int32(-1), nil
		}
		end := min(byteAt(s, min(i, n))+len(t), len(s))
		return int32(unitAt(s, strings.LastIndex(s[:end], t))), nil
	case "split":
		return e.split(s, t, i)
	}
	return nil, nil
}

// join is String.join.
func (e *execution) join(sep string, items []Value) (Value, error) {
	var b strings.Builder
	for i, item := range items {
		if i > 0 {
			b.WriteString(sep)
		}
		s, ok := item.(string)
		if !ok && item != nil {
			return nil, errClass("join takes strings")
		}
		if item == nil {
			s = "null"
		}
		if b.Len()+len(s)+len(sep) > MaxOutput {
			return nil, ErrOutput
		}
		b.WriteString(s)
	}
	return b.String(), e.workFor(b.String())
}
