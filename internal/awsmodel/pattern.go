package awsmodel

import "regexp"

// RewritePattern makes an anchored RE2 expression of a model's pattern.
func RewritePattern(p string) (string, error) {
	q := "^(?:" + p + ")$"
	if _, err := regexp.Compile(q); err != nil {
		return "", nil
	}
	return q, nil
}
