package rest

import (
	"strconv"
	"strings"
)

// acceptedEncoding is the content coding that an Accept-Encoding header prefers,
// where it is "gzip" or "deflate"; the first of equals.
func acceptedEncoding(header string) string {
	best, bestQ := "", 0.0
	for part := range strings.SplitSeq(header, ",") {
		name, parameters, _ := strings.Cut(part, ";")
		q := 1.0
		if value, ok := strings.CutPrefix(strings.TrimSpace(parameters), "q="); ok {
			parsed, err := strconv.ParseFloat(value, 64)
			if err != nil || parsed < 0 || parsed > 1 {
				continue
			}
			q = parsed
		}
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" && q > bestQ {
			best, bestQ = name, q
		}
	}
	switch best {
	case "gzip", "deflate":
		return best
	case "*":
		return "gzip"
	}
	return ""
}
