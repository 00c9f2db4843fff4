package apigateway

import (
	"slices"
	"strconv"
	"strings"

	"github.com/paddock-run/paddock/internal/restapi"
)

// methodSettings sets each setting of a method by the end of its path.
var methodSettings = map[string]func(m *restapi.MethodSettings, value string) error{
	"metrics/enabled":   func(m *restapi.MethodSettings, v string) error { return settingBool(&m.MetricsEnabled, v) },
	"logging/dataTrace": func(m *restapi.MethodSettings, v string) error { return settingBool(&m.DataTraceEnabled, v) },
	"logging/loglevel": func(m *restapi.MethodSettings, v string) error {
		return settingText(&m.LoggingLevel, v, "logging level", "OFF", "ERROR", "INFO")
	},
	"throttling/burstLimit": func(m *restapi.MethodSettings, v string) error {
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil || n < -1 {
			return badRequest("Invalid throttling burst limit specified: %s", v)
		}
		m.ThrottlingBurst = unlimited(int32(n))
		return nil
	},
	"throttling/rateLimit": func(m *restapi.MethodSettings, v string) error {
		n, err := strconv.ParseFloat(v, 64)
		if err != nil || !(n == -1 || n >= 0 && n <= 1e9) {
			return badRequest("Invalid throttling rate limit specified: %s", v)
		}
		m.ThrottlingRate = unlimited(n)
		return nil
	},
	"caching/enabled":       func(m *restapi.MethodSettings, v string) error { return settingBool(&m.CachingEnabled, v) },
	"caching/dataEncrypted": func(m *restapi.MethodSettings, v string) error { return settingBool(&m.CacheDataEncrypted, v) },
	"caching/ttlInSeconds": func(m *restapi.MethodSettings, v string) error {
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil || n < 0 || n > 3600 {
			return badRequest("Invalid cache TTL specified: %s. It must be between 0 and 3600 seconds", v)
		}
		m.CacheTTLSeconds = new(int32(n))
		return nil
	},
	"caching/requireAuthorizationForCacheControl": func(m *restapi.MethodSettings, v string) error {
		return settingBool(&m.CacheControlAuthorization, v)
	},
	"caching/unauthorizedCacheControlHeaderStrategy": func(m *restapi.MethodSettings, v string) error {
		return settingText(&m.UnauthorizedCacheControl, v, "unauthorized cache control header strategy",
			"FAIL_WITH_403", "SUCCEED_WITH_RESPONSE_HEADER", "SUCCEED_WITHOUT_RESPONSE_HEADER")
	},
}

// unlimited is a limit, or nil for -1, which clients send to take one away.
func unlimited[T int32 | float64](n T) *T {
	if n == -1 {
		return nil
	}
	return &n
}

func settingBool(to **bool, value string) error {
	*to = new(strings.EqualFold(value, "true"))
	return nil
}

func settingText(to **string, value, what string, options ...string) error {
	if !slices.Contains(options, value) {
		return badRequest("Invalid %s specified: %s. Valid options are [%s]", what, value, strings.Join(options, ", "))
	}
	*to = &value
	return nil
}

// setMethodSetting carries out add and replace of "/{resource}/{METHOD}/{setting}".
func setMethodSetting(st *stage, path, value string) error {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(parts) < 4 {
		return badMethodSetting(path)
	}
	cut := len(parts) - 2
	set := methodSettings[strings.Join(parts[cut:], "/")]
	if set == nil || !slices.Contains(append([]string{"*"}, httpMethods...), parts[cut-1]) {
		return badMethodSetting(path)
	}
	key := settingsKey(st, strings.Join(parts[:cut], "/"))
	m := st.Methods[key]
	if m == nil {
		m = &restapi.MethodSettings{}
	}
	if err := set(m, value); err != nil {
		return err
	}
	if st.Methods == nil {
		st.Methods = map[string]*restapi.MethodSettings{}
	}
	st.Methods[key] = m
	return nil
}

// removeMethodSettings carries out remove of "/{resource}/{METHOD}".
func removeMethodSettings(st *stage, path string) error {
	given := strings.TrimPrefix(path, "/")
	key := settingsKey(st, given)
	if st.Methods[key] == nil {
		return badRequest("Cannot remove method setting %s because there is no method setting for this method ", given)
	}
	delete(st.Methods, key)
	return nil
}

// settingsKey is the key of a method's settings: as it was first given, for
// clients look for it so ("pets/GET" and "~1pets/GET" are the same method).
func settingsKey(st *stage, given string) string {
	normal := normalSettingsKey(given)
	for key := range st.Methods {
		if normalSettingsKey(key) == normal {
			return key
		}
	}
	return given
}

// normalSettingsKey is the form that the gateway looks up: the resource's path
// with "~1" for each slash, then the method.
func normalSettingsKey(key string) string {
	cut := strings.LastIndexByte(key, '/')
	if cut < 0 {
		return key
	}
	resource, method := key[:cut], key[cut+1:]
	if resource == "*" {
		return key
	}
	resource = "/" + strings.TrimPrefix(strings.ReplaceAll(resource, "~1", "/"), "/")
	return strings.ReplaceAll(resource, "/", "~1") + "/" + method
}

// normalSettings are a stage's method settings by the form that the gateway
// looks up.
func normalSettings(settings map[string]*restapi.MethodSettings) map[string]*restapi.MethodSettings {
	out := make(map[string]*restapi.MethodSettings, len(settings))
	for key, m := range settings {
		out[normalSettingsKey(key)] = m
	}
	return out
}

// badMethodSetting is AWS's answer to a path that a stage does not have, commas
// as it sets them.
func badMethodSetting(path string) error {
	var list []string
	list = append(list, "/deploymentId", "/description", "/cacheClusterEnabled", "/cacheClusterSize", "/clientCertificateId",
		"/accessLogSettings", "/accessLogSettings/destinationArn", "/accessLogSettings/format")
	of := func(method, between string) {
		list = append(list, method+"/metrics/enabled", method+"/logging/dataTrace", method+"/logging/loglevel",
			method+"/throttling/burstLimit"+between+method+"/throttling/rateLimit"+between+method+"/caching/ttlInSeconds",
			method+"/caching/enabled", method+"/caching/dataEncrypted", method+"/caching/requireAuthorizationForCacheControl",
			method+"/caching/unauthorizedCacheControlHeaderStrategy")
	}
	of("/{resourcePath}/{httpMethod}", "")
	of("/*/*", " ")
	list = append(list, "/variables/{variable_name}", "/tracingEnabled")
	return badRequest("Invalid method setting path: %s. Must be one of: [%s]", path, strings.Join(list, ", "))
}
