package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/paddock-run/paddock/internal/arn"
)

// MaxSize is how many bytes a document may have: more than any service of AWS takes.
const MaxSize = 64 << 10

// Kind is whom a document's statements are about.
type Kind uint8

const (
	// Identity policies are about who has them: they name no principals.
	Identity Kind = iota
	// Resource policies stand at a resource and say in each statement about whom
	// they are.
	Resource
)

// Parse reads a document. Its errors say what is wrong with it.
func Parse(document []byte, kind Kind) (*Document, error) {
	if len(document) > MaxSize {
		return nil, fmt.Errorf("policy: a document may have at most %d bytes", MaxSize)
	}
	top, err := object(document, "a policy document")
	if err != nil {
		return nil, err
	}
	variables := false
	var statements json.RawMessage
	for name, value := range top {
		switch name {
		case "Version":
			var version string
			if err := json.Unmarshal(value, &version); err != nil || version != "2012-10-17" && version != "2008-10-17" {
				return nil, fmt.Errorf("policy: Version %s: it is 2012-10-17 or 2008-10-17", value)
			}
			variables = version == "2012-10-17"
		case "Id":
			if err := isText(value, name); err != nil {
				return nil, err
			}
		case "Statement":
			statements = value
		default:
			return nil, fmt.Errorf("policy: a document has no element %q", name)
		}
	}
	if statements == nil {
		return nil, errors.New("policy: a document needs a Statement")
	}
	list := []json.RawMessage{statements}
	if statements[0] == '[' {
		if err := json.Unmarshal(statements, &list); err != nil {
			return nil, fmt.Errorf("policy: Statement: %w", err)
		}
	}
	d := &Document{statements: make([]statement, 0, len(list))}
	for i, raw := range list {
		s, err := parseStatement(raw, kind, variables)
		if err != nil {
			return nil, fmt.Errorf("policy: statement %d: %w", i+1, err)
		}
		d.statements = append(d.statements, *s)
	}
	return d, nil
}

func parseStatement(raw json.RawMessage, kind Kind, variables bool) (*statement, error) {
	elements, err := object(raw, "a statement")
	if err != nil {
		return nil, err
	}
	s := &statement{}
	for name, value := range elements {
		var err error
		switch name {
		case "Sid":
			err = isText(value, name)
		case "Effect":
			s.effect, err = parseEffect(value)
		case "Principal", "NotPrincipal":
			if s.principal != nil {
				return nil, errors.New("it has both Principal and NotPrincipal")
			}
			s.principal, err = parsePrincipals(value)
			if err == nil {
				s.principal.not = name == "NotPrincipal"
			}
		case "Action", "NotAction":
			if s.actions.list != nil {
				return nil, errors.New("it has both Action and NotAction")
			}
			s.actions.not = name == "NotAction"
			s.actions.list, err = parsePatterns(value, name, false)
		case "Resource", "NotResource":
			if s.resources.list != nil {
				return nil, errors.New("it has both Resource and NotResource")
			}
			s.resources.not = name == "NotResource"
			s.resources.list, err = parsePatterns(value, name, variables)
		case "Condition":
			s.conditions, err = parseConditions(value, variables)
		default:
			err = fmt.Errorf("there is no element %q", name)
		}
		if err != nil {
			return nil, err
		}
	}
	switch {
	case s.effect == Silent:
		return nil, errors.New("it needs an Effect")
	case s.actions.list == nil:
		return nil, errors.New("it needs an Action or NotAction")
	case s.resources.list == nil:
		return nil, errors.New("it needs a Resource or NotResource")
	case kind == Resource && s.principal == nil:
		return nil, errors.New("it needs a Principal or NotPrincipal")
	case kind == Identity && s.principal != nil:
		return nil, errors.New("it may not name a principal")
	}
	return s, nil
}

func parseEffect(raw json.RawMessage) (Effect, error) {
	switch string(raw) {
	case `"Allow"`:
		return Allow, nil
	case `"Deny"`:
		return Deny, nil
	}
	return Silent, fmt.Errorf("the Effect %s is neither Allow nor Deny", raw)
}

// parsePatterns reads Action and Resource. Actions are compared in lower case.
func parsePatterns(raw json.RawMessage, name string, variables bool) ([]pattern, error) {
	list, err := texts(raw, name)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s is empty", name)
	}
	out := make([]pattern, 0, len(list))
	for _, text := range list {
		if strings.HasSuffix(name, "Action") {
			if text != "*" && !strings.Contains(text, ":") {
				return nil, fmt.Errorf("the action %q names no service", text)
			}
			text = strings.ToLower(text)
		}
		p, err := newPattern(text, true, variables)
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", name, text, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// parsePrincipals reads "*", or an object of lists by the kind of principal.
func parsePrincipals(raw json.RawMessage) (*principals, error) {
	p := &principals{}
	if string(raw) == `"*"` {
		p.anyone = true
		return p, nil
	}
	kinds, err := object(raw, "a principal")
	if err != nil {
		return nil, err
	}
	for kind, value := range kinds {
		list, err := texts(value, "Principal")
		if err != nil {
			return nil, err
		}
		switch kind {
		case "AWS":
			if err := p.addAWS(list); err != nil {
				return nil, err
			}
		case "Service":
			p.services = append(p.services, list...)
		case "Federated", "CanonicalUser":
			// Nobody comes here by those.
		default:
			return nil, fmt.Errorf("there is no kind %q of principals", kind)
		}
	}
	return p, nil
}

func (p *principals) addAWS(list []string) error {
	for _, text := range list {
		if text == "*" {
			p.anyone = true
			continue
		}
		if arn.IsAccount(text) {
			p.accounts = append(p.accounts, text)
			continue
		}
		if strings.HasPrefix(text, "AIDA") || strings.HasPrefix(text, "AROA") {
			continue // what IAM makes of a user or role that has been deleted: nobody
		}
		a, err := arn.Parse(text)
		if err != nil || a.Service != "iam" && a.Service != "sts" {
			return fmt.Errorf("the principal %q is neither an account nor an ARN", text)
		}
		if a.Resource == "root" { // stands for its whole account
			p.accounts = append(p.accounts, a.Account)
			continue
		}
		p.arns = append(p.arns, text)
	}
	return nil
}

func object(raw json.RawMessage, what string) (map[string]json.RawMessage, error) {
	var out map[string]json.RawMessage
	if err := json.Unmarshal(raw, &out); err != nil || out == nil {
		return nil, fmt.Errorf("%s is a JSON object", what)
	}
	return out, nil
}

func isText(raw json.RawMessage, name string) error {
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil || text == nil {
		return fmt.Errorf("%s is a string", name)
	}
	return nil
}

// texts reads a string, or a list of them. Numbers and booleans stand for their
// own text, which conditions use.
func texts(raw json.RawMessage, name string) ([]string, error) {
	list := []json.RawMessage{raw}
	if raw[0] == '[' {
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	out := make([]string, 0, len(list))
	for _, item := range list {
		item = bytes.TrimSpace(item)
		switch {
		case len(item) > 0 && item[0] == '"':
			var text string
			if err := json.Unmarshal(item, &text); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			out = append(out, text)
		case len(item) > 0 && item[0] != '{' && item[0] != '[' && string(item) != "null":
			out = append(out, string(item))
		default:
			return nil, fmt.Errorf("%s is a string, or a list of strings", name)
		}
	}
	return out, nil
}
