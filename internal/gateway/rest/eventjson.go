package rest

import (
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"
)

// appendJSON writes what json.Marshal would, in a fraction of the time: an event
// is made for every request.
func (e *event) appendJSON(b []byte) ([]byte, error) {
	w := jsonObject{append(b, '{')}
	w.text("resource", e.Resource)
	w.text("path", e.Path)
	w.text("httpMethod", e.HTTPMethod)
	w.texts("headers", e.Headers)
	w.lists("multiValueHeaders", e.MultiValueHeaders)
	w.texts("queryStringParameters", e.QueryStringParameters)
	w.lists("multiValueQueryStringParameters", e.MultiValueQueryStringParameters)
	w.texts("pathParameters", e.PathParameters)
	w.texts("stageVariables", e.StageVariables)
	w.name("requestContext")
	if err := e.RequestContext.appendTo(&w); err != nil {
		return nil, err
	}
	w.optional("body", e.Body)
	w.name("isBase64Encoded")
	w.b = append(strconv.AppendBool(w.b, e.IsBase64Encoded), '}')
	return w.b, nil
}

func (c *eventContext) appendTo(w *jsonObject) error {
	w.b = append(w.b, '{')
	w.text("resourceId", c.ResourceID)
	if err := w.other("authorizer", c.Authorizer, len(c.Authorizer) == 0); err != nil {
		return err
	}
	w.text("resourcePath", c.ResourcePath)
	if c.OperationName != "" {
		w.text("operationName", c.OperationName)
	}
	w.text("httpMethod", c.HTTPMethod)
	w.text("extendedRequestId", c.ExtendedRequestID)
	w.text("requestTime", c.RequestTime)
	w.text("path", c.Path)
	w.text("accountId", c.AccountID)
	w.text("protocol", c.Protocol)
	w.text("stage", c.Stage)
	w.text("domainPrefix", c.DomainPrefix)
	w.name("requestTimeEpoch")
	w.b = append(strconv.AppendInt(w.b, c.RequestTimeEpoch, 10), ',')
	w.text("requestId", c.RequestID)
	w.name("identity")
	if err := c.Identity.appendTo(w); err != nil {
		return err
	}
	w.text("domainName", c.DomainName)
	if c.DeploymentID != "" {
		w.text("deploymentId", c.DeploymentID)
	}
	w.text("apiId", c.APIID)
	w.end()
	return nil
}

func (i *eventIdentity) appendTo(w *jsonObject) error {
	w.b = append(w.b, '{')
	w.optional("cognitoIdentityPoolId", i.CognitoIdentityPoolID)
	w.optional("accountId", i.AccountID)
	w.optional("cognitoIdentityId", i.CognitoIdentityID)
	w.optional("caller", i.Caller)
	w.text("sourceIp", i.SourceIP)
	w.optional("principalOrgId", i.PrincipalOrgID)
	w.optional("accessKey", i.AccessKey)
	w.optional("cognitoAuthenticationType", i.CognitoAuthenticationType)
	w.optional("cognitoAuthenticationProvider", i.CognitoAuthenticationProvider)
	w.optional("userArn", i.UserARN)
	w.optional("userAgent", i.UserAgent)
	w.optional("user", i.User)
	if i.APIKey != nil {
		w.text("apiKey", *i.APIKey)
	}
	if i.APIKeyID != nil {
		w.text("apiKeyId", *i.APIKeyID)
	}
	if err := w.other("clientCert", i.ClientCert, i.ClientCert == nil); err != nil {
		return err
	}
	w.end()
	return nil
}

// jsonObject writes the members of objects, each with a comma behind it.
type jsonObject struct{ b []byte }

// end closes an object that has had a member.
func (w *jsonObject) end() {
	w.b[len(w.b)-1] = '}'
	w.b = append(w.b, ',')
}

// name begins a member. Names of ours need no escapes.
func (w *jsonObject) name(name string) {
	w.b = append(append(append(w.b, '"'), name...), '"', ':')
}

func (w *jsonObject) text(name, value string) {
	w.name(name)
	w.b = append(appendQuoted(w.b, value), ',')
}

func (w *jsonObject) optional(name string, value *string) {
	if value != nil {
		w.text(name, *value)
		return
	}
	w.name(name)
	w.b = append(w.b, "null,"...)
}

// other writes what is rare as json.Marshal does, unless it is to be left out.
func (w *jsonObject) other(name string, value any, omit bool) error {
	if omit {
		return nil
	}
	text, err := json.Marshal(value)
	w.name(name)
	w.b = append(append(w.b, text...), ',')
	return err
}

func (w *jsonObject) texts(name string, m map[string]string) {
	appendMap(w, name, m, appendQuoted)
}

func (w *jsonObject) lists(name string, m map[string][]string) {
	appendMap(w, name, m, func(b []byte, values []string) []byte {
		b = append(b, '[')
		for i, v := range values {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendQuoted(b, v)
		}
		return append(b, ']')
	})
}

// appendMap writes a map with its keys in order; null where there is none.
func appendMap[V any](w *jsonObject, name string, m map[string]V, value func([]byte, V) []byte) {
	w.name(name)
	if m == nil {
		w.b = append(w.b, "null,"...)
		return
	}
	var room [24]string
	keys := room[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	w.b = append(w.b, '{')
	for i, k := range keys {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = value(append(appendQuoted(w.b, k), ':'), m[k])
	}
	w.b = append(w.b, '}', ',')
}

// appendQuoted writes a JSON string. What is not UTF-8 becomes U+FFFD.
func appendQuoted(b []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, s[from:i]...), "\ufffd"...)
				from = i + 1
			}
			i += size
			continue
		}
		b = append(b, s[from:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		from = i
	}
	return append(append(b, s[from:]...), '"')
}
