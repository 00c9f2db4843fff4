package rest

import (
	"slices"
	"strings"
)

// mediaTypes are the types of payloads that an API treats as binary.
type mediaTypes struct {
	all   bool
	exact []string // "image/png", "image/*"
}

func newMediaTypes(list []string) mediaTypes {
	var m mediaTypes
	for _, t := range list {
		if t = strings.ToLower(t); t == "*/*" {
			m.all = true
		} else if t != "" {
			m.exact = append(m.exact, t)
		}
	}
	return m
}

// has reports whether a Content-Type, or the first type of an Accept header, is
// one of them.
func (m mediaTypes) has(header string) bool {
	if m.all {
		return true
	}
	if len(m.exact) == 0 || header == "" {
		return false
	}
	t := mediaType(header)
	if slices.Contains(m.exact, t) {
		return true
	}
	major, _, _ := strings.Cut(t, "/")
	return slices.Contains(m.exact, major+"/*")
}

// mediaType is the first type of a Content-Type or an Accept header, lower-case,
// without parameters.
func mediaType(header string) string {
	header, _, _ = strings.Cut(header, ",")
	header, _, _ = strings.Cut(header, ";")
	return strings.ToLower(strings.TrimSpace(header))
}
