// Package policy evaluates policy documents of the form that IAM gave them:
// resource policies, and the policies that Lambda authorizers answer with. A
// document is parsed once; evaluating it neither parses nor changes anything.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
package policy

import "strings"

// Effect is what a document says of a request.
type Effect uint8

const (
	Silent Effect = iota // neither allows nor denies: an implicit denial, unless somebody else allows
	Allow
	Deny // explicitly, whatever else allows
)

// Document is a parsed policy. It is immutable and safe for concurrent use.
type Document struct{ statements []statement }

type statement struct {
	effect     Effect
	principal  *principals // nil: the statement is about whoever has the policy
	actions    patterns
	resources  patterns
	conditions []condition
}

// Request is what a document is asked about.
type Request struct {
	Action string // "execute-api:Invoke"
	// Resources are the names of the one resource: its ARN, and shorter forms where
	// a service knows them.
	Resources []string
	Principal Principal // zero: anonymous
	// Keys returns the values of a condition key, whose name is lower-case; none:
	// the request lacks it. nil: it has no keys at all.
	Keys func(name string) []string
}

// Principal is who asks.
type Principal struct {
	Account string // twelve digits; empty: nobody is known
	ARN     string // of a user, or a role's session
	RoleARN string // of the role that ARN is a session of
	Service string // "apigateway.amazonaws.com", where a service asks
}

func (r *Request) key(name string) []string {
	if r.Keys == nil {
		return nil
	}
	return r.Keys(name)
}

// Evaluate says what the document says of a request: one statement that denies
// outweighs all that allow.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
func (d *Document) Evaluate(r *Request) Effect {
	out, action := Silent, strings.ToLower(r.Action)
	for i := range d.statements {
		s := &d.statements[i]
		if s.effect == Allow && out == Allow || !s.applies(r, action) {
			continue
		}
		if s.effect == Deny {
			return Deny
		}
		out = Allow
	}
	return out
}

func (s *statement) applies(r *Request, action string) bool {
	if s.principal != nil && !s.principal.match(&r.Principal) {
		return false
	}
	// Actions have no variables: nothing about them can be unknown.
	if s.actions.match(r, s.effect, action) == s.actions.not {
		return false
	}
	found := false
	for _, name := range r.Resources {
		found = found || s.resources.match(r, s.effect, name)
	}
	if found == s.resources.not {
		return false
	}
	for i := range s.conditions {
		if !s.conditions[i].holds(r) {
			return false
		}
	}
	return true
}

// patterns is an element such as Action, or with not, NotAction.
type patterns struct {
	list []pattern
	not  bool
}

// match reports whether a pattern fits. One with a variable that the request has
// no value for cannot be told: it is taken so that nothing is allowed by it and
// nothing escapes a denial.
func (p *patterns) match(r *Request, effect Effect, value string) bool {
	for i := range p.list {
		fits, known := p.list[i].match(r, value)
		if !known {
			fits = (effect == Deny) != p.not
		}
		if fits {
			return true
		}
	}
	return false
}

// principals is Principal, or with not, NotPrincipal.
type principals struct {
	not      bool
	anyone   bool
	accounts []string
	arns     []string
	services []string
}

func (p *principals) match(who *Principal) bool { return p.has(who) != p.not }

func (p *principals) has(who *Principal) bool {
	if p.anyone {
		return true
	}
	for _, a := range p.accounts {
		if who.Account == a {
			return true
		}
	}
	for _, a := range p.arns {
		if who.ARN != "" && a == who.ARN || who.RoleARN != "" && a == who.RoleARN {
			return true
		}
	}
	for _, s := range p.services {
		if who.Service != "" && s == who.Service {
			return true
		}
	}
	return false
}
