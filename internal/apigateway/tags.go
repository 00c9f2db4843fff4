package apigateway

import "strings"

// maxTags is how many tags a resource may have.
const maxTags = 50

// checkTags checks what a resource's tags are to be.
func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return badRequest("A resource can have at most %d tags", maxTags)
	}
	for k, v := range tags {
		switch {
		case k == "" || len([]rune(k)) > 128:
			return badRequest("Tag keys must have between 1 and 128 characters")
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return badRequest("Invalid tag key specified: %s. The aws: prefix is reserved", k)
		case len([]rune(v)) > 256:
			return badRequest("Tag values can have at most 256 characters")
		}
	}
	return nil
}
