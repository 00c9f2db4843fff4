package lambda

import (
	"context"
	"regexp"
	"strings"

	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/identity"
)

const latest = "$LATEST"

// ref names a function, or a version or alias of it.
type ref struct {
	partition, account, region, name string
	// qualifier is a version, an alias or "$LATEST"; empty where there was none.
	qualifier string
}

// arn is the function's unqualified ARN.
func (r ref) arn() string { return functionARN(r.partition, r.region, r.account, r.name) }

// qualified is the ARN with the qualifier that the caller gave, if any.
func (r ref) qualified() string { return qualify(r.arn(), r.qualifier) }

func functionARN(partition, region, account, name string) string {
	return "arn:" + partition + ":lambda:" + region + ":" + account + ":function:" + name
}

func qualify(arn, qualifier string) string {
	if qualifier == "" {
		return arn
	}
	return arn + ":" + qualifier
}

var (
	regionPattern = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-\d$`)
	namePattern   = regexp.MustCompile(`^[a-zA-Z0-9-_]+$`)
	aliasPattern  = regexp.MustCompile(`^\$LATEST(\.PUBLISHED)?$|^[a-zA-Z0-9-_$]+$`)
)

// functionNamePattern is the model's, for the message.
const functionNamePattern = `(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?`

// parseName takes a function's name in every form that the API reference
// lists: name, partial ARN (123456789012:function:name) and ARN, each with or
// without a qualifier. Parts that the text lacks are empty.
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
func parseName(text string) (ref, error) {
	var r ref
	rest := strings.Split(text, ":")
	if rest[0] == "arn" && len(rest) > 3 {
		if rest[2] != "lambda" || !strings.HasPrefix(rest[1], "aws") {
			return ref{}, badName(text)
		}
		r.partition = rest[1]
		rest = rest[3:]
	}
	// Each part is optional and only taken while a name is left after it.
	if len(rest) > 1 && regionPattern.MatchString(rest[0]) {
		r.region, rest = rest[0], rest[1:]
	}
	if len(rest) > 1 && isAccount(rest[0]) {
		r.account, rest = rest[0], rest[1:]
	}
	if len(rest) > 1 && rest[0] == "function" {
		rest = rest[1:]
	}
	if len(rest) > 2 || !namePattern.MatchString(rest[0]) {
		return ref{}, badName(text)
	}
	r.name = rest[0]
	if len(rest) == 2 {
		if !aliasPattern.MatchString(rest[1]) {
			return ref{}, badName(text)
		}
		r.qualifier = rest[1]
	}
	return r, nil
}

func badName(text string) error {
	return awserr.Validation("1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", text, functionNamePattern)
}

func isAccount(s string) bool { return len(s) == 12 && isNumber(s) }

// isNumber reports whether s is a version's number: digits only.
func isNumber(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

// locate resolves the name and qualifier of a request against its account and
// region. action is the IAM action, for the answer about other accounts.
func locate(ctx context.Context, action string, name, qualifier *string) (ref, error) {
	id := identity.Of(ctx)
	r, err := parseName(deref(name))
	if err != nil {
		return ref{}, err
	}
	return r.within(id.Partition, id.Account, id.Region, action, deref(qualifier))
}

// within fills in what a parsed name leaves out, and refuses what belongs to
// another region or account.
func (r ref) within(partition, account, region, action, qualifier string) (ref, error) {
	if r.region != "" && r.region != region {
		return ref{}, notFound("Functions from '%s' are not reachable in this region ('%s')", r.region, region)
	}
	r.region = region
	r.partition = partition
	if r.account != "" && r.account != account {
		// Only a resource policy could allow this, and none is enforced yet.
		return ref{}, awserr.New(403, "AccessDeniedException",
			"User: arn:%s:iam::%s:root is not authorized to perform: lambda:%s on resource: %s because no resource-based policy allows the lambda:%s action",
			partition, account, action, r.qualified(), action)
	}
	r.account = account
	if qualifier != "" {
		if r.qualifier != "" && r.qualifier != qualifier {
			return ref{}, invalidParameter("The derived qualifier from the function name does not match the specified qualifier.")
		}
		r.qualifier = qualifier
	}
	return r, nil
}

// locateFunction is locate for operations on a function as a whole.
func locateFunction(ctx context.Context, action string, name *string) (ref, error) {
	r, err := locate(ctx, action, name, nil)
	if err != nil {
		return ref{}, err
	}
	if r.qualifier != "" && r.qualifier != latest {
		return ref{}, invalidParameter("This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.")
	}
	r.qualifier = ""
	return r, nil
}

// deref is *p, or the zero value of nil.
func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
