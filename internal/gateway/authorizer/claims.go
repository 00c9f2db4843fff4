package authorizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"
)

// parseToken reads the claims of a token.
// https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html
func parseToken(payload []byte) (*token, error) {
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber()
	var claims map[string]any
	if err := decoder.Decode(&claims); err != nil {
		return nil, errors.New("they are not a JSON object")
	}
	t := &token{claims: make(map[string]string, len(claims))}
	var err error
	if t.ends, err = moment(claims["exp"]); err != nil || t.ends.IsZero() {
		return nil, errors.New("exp is missing, or no time")
	}
	if t.begins, err = moment(claims["nbf"]); err != nil {
		return nil, errors.New("nbf is no time")
	}
	t.use, _ = claims["token_use"].(string)
	t.audience = list(claims["aud"])
	if client, ok := claims["client_id"].(string); ok && len(t.audience) == 0 {
		t.audience = []string{client} // Cognito's access tokens have no aud
	}
	if scope, ok := claims["scope"].(string); ok {
		t.scopes = strings.Fields(scope)
	} else {
		t.scopes = list(claims["scope"])
	}
	for name, value := range claims {
		t.claims[name] = claimText(name, value)
	}
	return t, nil
}

// moment reads seconds since 1970; nothing is the zero time.
func moment(v any) (time.Time, error) {
	n, ok := v.(json.Number)
	if !ok {
		if v == nil {
			return time.Time{}, nil
		}
		return time.Time{}, errors.New("not a number")
	}
	seconds, err := n.Float64()
	if err != nil || math.Abs(seconds) > 1e12 {
		return time.Time{}, errors.New("not a time")
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9)), nil
}

// list reads a string, or a list of them.
func list(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// claimText is a claim as integrations get it: a string always. API Gateway writes
// the times of a token as dates, and joins lists.
func claimText(name string, v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		if t, err := moment(v); err == nil && (name == "exp" || name == "iat") {
			return t.UTC().Format("Mon Jan 02 15:04:05 UTC 2006")
		}
		return v.String()
	case []any:
		texts := make([]string, len(v))
		for i, item := range v {
			texts[i] = claimText("", item)
		}
		return strings.Join(texts, ",")
	case nil:
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "" // what was decoded encodes
	}
	return string(text)
}
