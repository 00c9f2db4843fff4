package policy

import (
	"regexp"
	"strings"
	"testing"
)

const here = "arn:aws:execute-api:us-east-1:123456789012:api1/prod/GET/pets/7"

func ask(principal Principal, keys map[string][]string) *Request {
	return &Request{
		Action: "execute-api:Invoke", Resources: []string{here, "execute-api:/prod/GET/pets/7"}, Principal: principal,
		Keys: func(name string) []string { return keys[name] },
	}
}

// statements makes a document, with Action and Resource where they are not given.
func statements(t *testing.T, kind Kind, list ...string) *Document {
	t.Helper()
	for i, s := range list {
		if !strings.Contains(s, "Action") {
			s += `,"Action":"execute-api:Invoke"`
		}
		if !strings.Contains(s, "Resource") {
			s += `,"Resource":"*"`
		}
		if !strings.Contains(s, "Effect") {
			s += `,"Effect":"Allow"`
		}
		list[i] = "{" + s + "}"
	}
	d, err := Parse([]byte(`{"Version":"2012-10-17","Statement":[`+strings.Join(list, ",")+`]}`), kind)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestEffects(t *testing.T) {
	for _, c := range []struct {
		name string
		list []string
		want Effect
	}{
		{"an action in any case", []string{`"Action":"EXECUTE-api:in*"`}, Allow},
		{"every action", []string{`"Action":"*"`}, Allow},
		{"another action", []string{`"Action":["execute-api:InvalidateCache","s3:*"]`}, Silent},
		{"not that action", []string{`"NotAction":"execute-api:InvalidateCache"`}, Allow},
		{"not this action", []string{`"NotAction":"execute-api:*"`}, Silent},
		{"the resource", []string{`"Resource":"` + here + `"`}, Allow},
		{"its short form", []string{`"Resource":"execute-api:/prod/*/pets/?"`}, Allow},
		{"resources are case-sensitive", []string{`"Resource":"execute-api:/PROD/*"`}, Silent},
		{"one character is not two", []string{`"Resource":"execute-api:/prod/GET/pets/7?"`}, Silent},
		{"not those resources", []string{`"NotResource":["*/POST/*"]`}, Allow},
		{"not this resource by its short form", []string{`"NotResource":"execute-api:/prod/*"`}, Silent},
		{"a denial outweighs", []string{`"Resource":"*"`, `"Effect":"Deny","Resource":"*/pets/*"`, `"Resource":"*"`}, Deny},
		{"a denial of something else", []string{`"Resource":"*"`, `"Effect":"Deny","Resource":"*/dogs/*"`}, Allow},
		{"a variable", []string{`"Resource":"*/pets/${aws:userid}"`}, Allow},
		{"a variable's default", []string{`"Resource":"*/pets/${aws:absent, '7'}"`}, Allow},
		{"wildcards in a value are none", []string{`"Resource":"*/pets/${aws:star}"`}, Silent},
		{"escaped wildcards are none", []string{`"Resource":"*/pets/${*}"`}, Silent},
		{"an unknown variable allows nothing", []string{`"Resource":"*/pets/${aws:absent}"`}, Silent},
		{"an unknown variable excepts nothing", []string{`"NotResource":"*/pets/${aws:absent}"`}, Silent},
		{"an unknown variable denies", []string{`"Effect":"Deny","Resource":"*/pets/${aws:absent}"`}, Deny},
		{"an unknown variable excepts nothing from a denial", []string{`"Effect":"Deny","NotResource":"*/pets/${aws:absent}"`}, Deny},
	} {
		got := statements(t, Identity, c.list...).Evaluate(ask(Principal{}, map[string][]string{"aws:userid": {"7"}, "aws:star": {"*"}}))
		if got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestPrincipals(t *testing.T) {
	user := Principal{Account: "123456789012", ARN: "arn:aws:iam::123456789012:user/bob"}
	session := Principal{Account: "123456789012", ARN: "arn:aws:sts::123456789012:assumed-role/r/s", RoleARN: "arn:aws:iam::123456789012:role/r"}
	for _, c := range []struct {
		principal string
		who       Principal
		want      Effect
	}{
		{`"Principal":"*"`, Principal{}, Allow},
		{`"Principal":{"AWS":"*"}`, Principal{}, Allow},
		{`"Principal":{"AWS":"123456789012"}`, user, Allow},
		{`"Principal":{"AWS":"123456789012"}`, Principal{}, Silent},
		{`"Principal":{"AWS":["arn:aws:iam::123456789012:root"]}`, user, Allow},
		{`"Principal":{"AWS":["arn:aws:iam::999999999999:root"]}`, user, Silent},
		{`"Principal":{"AWS":"arn:aws:iam::123456789012:user/bob"}`, user, Allow},
		{`"Principal":{"AWS":"arn:aws:iam::123456789012:user/*"}`, user, Silent}, // no wildcards here
		{`"Principal":{"AWS":"arn:aws:iam::123456789012:role/r"}`, session, Allow},
		{`"Principal":{"AWS":"arn:aws:sts::123456789012:assumed-role/r/s"}`, session, Allow},
		{`"Principal":{"AWS":"AIDAEXAMPLE"}`, user, Silent},
		{`"Principal":{"Service":"events.amazonaws.com","Federated":"x"}`, Principal{Service: "events.amazonaws.com"}, Allow},
		{`"Principal":{"Service":"events.amazonaws.com"}`, user, Silent},
		{`"NotPrincipal":{"AWS":"arn:aws:iam::123456789012:user/bob"}`, user, Silent},
		{`"NotPrincipal":{"AWS":"arn:aws:iam::123456789012:user/bob"}`, session, Allow},
		{`"NotPrincipal":{"AWS":"arn:aws:iam::123456789012:user/bob"}`, Principal{}, Allow},
	} {
		if got := statements(t, Resource, c.principal).Evaluate(ask(c.who, nil)); got != c.want {
			t.Errorf("%s for %+v: %d, want %d", c.principal, c.who, got, c.want)
		}
	}
}

func TestConditions(t *testing.T) {
	keys := map[string][]string{
		"aws:sourceip": {"203.0.113.9"}, "aws:username": {"bob"}, "aws:currenttime": {"2026-07-01T12:00:00Z"}, "aws:epochtime": {"1782907200"},
		"aws:securetransport": {"false"}, "aws:principalarn": {"arn:aws:iam::123456789012:user/team/bob"}, "tags": {"a", "b"}, "bin": {"aGk="}, "v6": {"2001:db8::1"},
	}
	for condition, want := range map[string]bool{
		`"StringEquals":{"aws:UserName":"bob"}`:                                                true,
		`"StringEquals":{"aws:username":"Bob"}`:                                                false,
		`"StringEquals":{"aws:username":["x","bob"]}`:                                          true,
		`"StringEquals":{"aws:username":"b*"}`:                                                 false,
		`"StringEquals":{"absent":"bob"}`:                                                      false,
		`"StringEqualsIfExists":{"absent":"bob"}`:                                              true,
		`"StringEqualsIfExists":{"aws:username":"amy"}`:                                        false,
		`"StringNotEquals":{"aws:username":["x","bob"]}`:                                       false,
		`"StringNotEquals":{"absent":"bob"}`:                                                   true,
		`"StringEqualsIgnoreCase":{"aws:username":"BOB"}`:                                      true,
		`"StringNotEqualsIgnoreCase":{"aws:username":"BOB"}`:                                   false,
		`"StringLike":{"aws:username":"b?b"}`:                                                  true,
		`"StringNotLike":{"aws:username":"b*"}`:                                                false,
		`"StringLike":{"aws:principalarn":"*/${aws:username}"}`:                                true,
		`"StringLike":{"aws:username":"${absent}"}`:                                            false,
		`"StringEquals":{"aws:username":"${absent, 'bob'}"}`:                                   true,
		`"IpAddress":{"aws:SourceIp":["192.0.2.0/24","203.0.113.0/24"]}`:                       true,
		`"IpAddress":{"aws:SourceIp":"203.0.113.8"}`:                                           false,
		`"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}`:                                     false,
		`"IpAddress":{"v6":"2001:db8::/32"}`:                                                   true,
		`"DateGreaterThan":{"aws:CurrentTime":"2026-07-01T00:00:00Z"}`:                         true,
		`"DateLessThan":{"aws:CurrentTime":"2026-07-01"}`:                                      false,
		`"DateLessThanEquals":{"aws:EpochTime":1782907200}`:                                    true,
		`"DateNotEquals":{"aws:EpochTime":"2026-07-01T12:00:00Z"}`:                             false,
		`"NumericGreaterThanEquals":{"aws:EpochTime":"1782907200"}`:                            true,
		`"NumericLessThan":{"aws:EpochTime":"1e3"}`:                                            false,
		`"NumericEquals":{"aws:username":"1"}`:                                                 false,
		`"Bool":{"aws:SecureTransport":false}`:                                                 true,
		`"Bool":{"aws:SecureTransport":"TRUE"}`:                                                false,
		`"Null":{"absent":"true"}`:                                                             true,
		`"Null":{"aws:username":true}`:                                                         false,
		`"Null":{"aws:username":"false"}`:                                                      true,
		`"BinaryEquals":{"bin":"aGk="}`:                                                        true,
		`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/*"}`:                               true,
		`"ArnEquals":{"aws:PrincipalArn":"arn:aws:*:user/team/bob"}`:                           false, // a * does not reach over a colon
		`"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/*"}`:                 true,
		`"ForAnyValue:StringEquals":{"tags":["b","c"]}`:                                        true,
		`"ForAnyValue:StringEquals":{"absent":"c"}`:                                            false,
		`"ForAllValues:StringEquals":{"tags":["b","c"]}`:                                       false,
		`"ForAllValues:StringLike":{"tags":["?"]}`:                                             true,
		`"ForAllValues:StringEquals":{"absent":"c"}`:                                           true,
		`"ForAnyValue:StringNotEquals":{"tags":"a"}`:                                           true,
		`"ForAllValues:StringNotEquals":{"tags":"a"}`:                                          false,
		`"StringEquals":{"aws:username":"bob"},"IpAddress":{"aws:sourceip":"192.0.2.0/24"}`:    false, // all of them
		`"StringEquals":{"aws:username":"bob","aws:sourceip":"203.0.113.9"}`:                   true,
		`"StringEquals":{"aws:username":[]}`:                                                   false,
		`"ForAnyValue:StringEqualsIfExists":{"absent":"c"}`:                                    true,
		`"StringNotEqualsIfExists":{"aws:username":"bob"}`:                                     false,
		`"NumericGreaterThan":{"aws:epochtime":1},"NumericLessThanEquals":{"aws:epochtime":2}`: false,
	} {
		d := statements(t, Identity, `"Condition":{`+condition+`}`)
		if got := d.Evaluate(ask(Principal{}, keys)) == Allow; got != want {
			t.Errorf("%s: %t", condition, got)
		}
	}
	if statements(t, Identity, `"Condition":{"StringEquals":{"a":"b"}}`).Evaluate(&Request{Action: "execute-api:Invoke", Resources: []string{here}}) != Silent {
		t.Error("a request without keys fulfils a condition")
	}
}

// The documents of 2008 have no variables.
func TestOldVersion(t *testing.T) {
	for _, version := range []string{`"Version":"2008-10-17",`, ""} {
		d, err := Parse([]byte(`{`+version+`"Id":"x","Statement":{"Sid":"1","Effect":"Allow","Action":"a:b","Resource":"${aws:username}"}}`), Identity)
		if err != nil {
			t.Fatal(err)
		}
		if d.Evaluate(&Request{Action: "a:b", Resources: []string{"${aws:username}"}}) != Allow {
			t.Error("a text in an old document was taken for a variable")
		}
	}
}

func TestRefusedDocuments(t *testing.T) {
	for _, text := range []string{
		``, `[]`, `null`, `{}`, `{"Statement":null}`, `{"Statement":"x"}`, `{"Statement":[{}]}`, `{"Version":"2020-01-01","Statement":[]}`, `{"Versio":"2012-10-17","Statement":[]}`,
		`{"Statement":{"Effect":"ALLOW","Action":"a:b","Resource":"*"}}`,
		`{"Statement":{"Effect":"Allow","Action":"b","Resource":"*"}}`,
		`{"Statement":{"Effect":"Allow","Action":[],"Resource":"*"}}`,
		`{"Statement":{"Effect":"Allow","Action":"a:b"}}`,
		`{"Statement":{"Effect":"Allow","Resource":"*"}}`,
		`{"Statement":{"Effect":"Allow","Action":"a:b","NotAction":"a:c","Resource":"*"}}`,
		`{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"*","NotResource":"*"}}`,
		`{"Statement":{"Effect":"Allow","Action":"a:b","Resource":{"a":1}}}`,
		`{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"*","Principal":"*"}}`,
		`{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"*","Extra":1}}`,
		`{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"*","Sid":1}}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:b","Resource":"${open"}}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:b","Resource":"${}"}}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:b","Resource":"${a, b}"}}`,
		`{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"Strange":{"a":"b"}}}}`,
		`{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"NullIfExists":{"a":"true"}}}}`,
		`{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"IpAddress":{"a":"b"}}}}`,
		`{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"Bool":{"a":"b"}}}}`,
		`{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"NumericEquals":{"a":"NaN"}}}}`,
		`{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"DateEquals":{"a":"soon"}}}}`,
		`{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"StringEquals":"a"}}}`,
		`{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"StringEquals":{"a":null}}}}`,
		strings.Repeat(" ", MaxSize) + `{"Statement":[]}`,
	} {
		if _, err := Parse([]byte(text), Identity); err == nil {
			t.Errorf("%.120s was accepted", text)
		}
	}
	for _, principal := range []string{`"x"`, `{"AWS":"bob"}`, `{"AWS":"arn:aws:s3:::b"}`, `{"People":"*"}`, `null`} {
		if _, err := Parse([]byte(`{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"*","Principal":`+principal+`}}`), Resource); err == nil {
			t.Errorf("the principal %s was accepted", principal)
		}
	}
	if _, err := Parse([]byte(`{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"*"}}`), Resource); err == nil {
		t.Error("a resource policy without a principal was accepted")
	}
}

// FuzzGlob holds the matcher against regular expressions.
func FuzzGlob(f *testing.F) {
	f.Add("a*b?c", "aXXbYc")
	f.Add("**a*", "äa")
	f.Add("?", "é")
	f.Fuzz(func(t *testing.T, text, value string) {
		if len(text) > 100 || strings.ToValidUTF8(text, "") != text || strings.ToValidUTF8(value, "") != value {
			return
		}
		p, err := newPattern(text, true, false)
		if err != nil {
			t.Fatal(err)
		}
		want := regexp.MustCompile(`(?s)\A` + strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(text)) + `\z`).MatchString(value)
		if got, _ := p.match(&Request{}, value); got != want {
			t.Errorf("%q on %q: %t", text, value, got)
		}
	})
}

// FuzzParse: whatever is accepted can be asked.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"a:*","Resource":"${aws:a, 'b'}*","Condition":{"ForAnyValue:StringLike":{"k":["a*",1]},"ArnLike":{"k":"a:b:*"},"Null":{"x":true}}}}`))
	f.Add([]byte(`{"Statement":[{"Effect":"Deny","NotPrincipal":"*","NotAction":"*","NotResource":["*"],"Condition":{"DateLessThan":{"k":"2020-01-01"},"IpAddress":{"k":"::/0"}}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, kind := range []Kind{Identity, Resource} {
			d, err := Parse(text, kind)
			if err != nil {
				continue
			}
			d.Evaluate(ask(Principal{}, nil))
			d.Evaluate(ask(Principal{Account: "123456789012", ARN: "a"}, map[string][]string{"k": {"a", "1"}, "aws:a": {"x"}}))
		}
	})
}

func BenchmarkEvaluate(b *testing.B) {
	d, err := Parse([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"execute-api:Invoke","Resource":["arn:aws:execute-api:us-east-1:123456789012:api1/*/GET/*"]},{"Effect":"Deny","Action":"execute-api:Invoke","Resource":"arn:aws:execute-api:us-east-1:123456789012:api1/*/DELETE/*"}]}`), Identity)
	if err != nil {
		b.Fatal(err)
	}
	r := &Request{Action: "execute-api:Invoke", Resources: []string{here}}
	for b.Loop() {
		if d.Evaluate(r) != Allow {
			b.Fatal("denied")
		}
	}
}
