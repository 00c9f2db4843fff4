package rest

import (
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/gateway/cache"
	"github.com/paddock-run/paddock/internal/restapi"
)

// defaultCache is how many bytes the caches of all stages take together, unless
// the operator says otherwise.
const defaultCache = 256 << 20

// defaultTTL is for how long an answer is kept.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-caching.html
const defaultTTL = 300 * time.Second

// stageCache is a stage's cache, and what it was made for.
type stageCache struct {
	answers *cache.Cache[*response]
	epoch   int64
	gb      string
}

// caches are those of all stages.
type caches struct {
	budget *cache.Budget
	mu     sync.Mutex
	stages map[stageID]*stageCache
}

type stageID struct{ api, stage string }

func newCaches(bytes int64) *caches {
	if bytes == 0 {
		bytes = defaultCache
	}
	return &caches{budget: cache.NewBudget(bytes), stages: map[stageID]*stageCache{}}
}

// of is a stage's cache, nil where it has none. What was flushed, or is of another
// size now, begins empty, as at AWS.
func (c *caches) of(apiID string, served *restapi.ServedStage) *stageCache {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := stageID{apiID, served.Name}
	was := c.stages[id]
	if was != nil && served.CacheClusterEnabled && was.epoch == served.CacheEpoch && was.gb == served.CacheClusterSize {
		return was
	}
	if was != nil {
		was.answers.Close()
		delete(c.stages, id)
	}
	if !served.CacheClusterEnabled {
		return nil
	}
	gb, err := strconv.ParseFloat(served.CacheClusterSize, 64)
	if err != nil {
		gb = 0.5 // AWS's smallest, and its default
	}
	now := &stageCache{answers: cache.New[*response](c.budget, int64(gb*(1<<30))), epoch: served.CacheEpoch, gb: served.CacheClusterSize}
	c.stages[id] = now
	return now
}

// keep forgets the caches of an API's stages that are gone; nil: of all.
func (c *caches) keep(apiID string, stages map[string]*restapi.ServedStage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, was := range c.stages {
		if id.api == apiID && stages[id.stage] == nil {
			was.answers.Close()
			delete(c.stages, id)
		}
	}
}

// caching is how answers to one verb of a method are kept.
type caching struct {
	ttl       time.Duration
	authorize bool // Cache-Control: max-age=0 is for those who may
	strategy  string
}

// cachingOf says which verbs of a method are cached and how, nil: none. Settings
// for all methods are for GET alone: others want settings of their own.
func cachingOf(s *restapi.Stage, m *method) map[string]*caching {
	if !s.CacheClusterEnabled || m.Integration == nil || m.Integration.TransferMode == "STREAM" {
		return nil
	}
	verbs := []string{m.HTTPMethod}
	if m.HTTPMethod == "ANY" {
		verbs = []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}
	}
	var out map[string]*caching
	for _, verb := range verbs {
		merged := MethodSettings(s, m.resource.Path, verb)
		own := ownSettings(s, m.resource.Path, verb)
		if own == nil && m.HTTPMethod == "ANY" {
			if own = ownSettings(s, m.resource.Path, "ANY"); own != nil {
				merged = MethodSettings(s, m.resource.Path, "ANY")
			}
		}
		explicit := own != nil && own.CachingEnabled != nil
		ttl := defaultTTL
		if merged.CacheTTLSeconds != nil {
			ttl = time.Duration(*merged.CacheTTLSeconds) * time.Second
		}
		if merged.CachingEnabled == nil || !*merged.CachingEnabled || ttl == 0 || verb != http.MethodGet && !explicit {
			continue
		}
		rule := &caching{ttl: ttl, authorize: merged.CacheControlAuthorization == nil || *merged.CacheControlAuthorization, strategy: "SUCCEED_WITH_RESPONSE_HEADER"}
		if merged.UnauthorizedCacheControl != nil {
			rule.strategy = *merged.UnauthorizedCacheControl
		}
		if out == nil {
			out = map[string]*caching{}
		}
		out[verb] = rule
	}
	return out
}

// integrate makes the method's response: the cache's, or the backend's, which is
// kept then, whatever its status is.
func (c *call) integrate() (*response, *Failure) {
	rule := c.settings[c.method.index].caching[c.HTTPMethod]
	if rule == nil || c.stage.cache == nil {
		return c.method.backend.do(c)
	}
	refresh, warn := false, false
	if asksAnew(c.HTTP.Header) {
		switch {
		case !rule.authorize || c.mayInvalidate():
			refresh = true
		case rule.strategy == "FAIL_WITH_403":
			return nil, fail(accessDenied, "The caller is not authorized to invalidate the cache")
		default:
			warn = rule.strategy == "SUCCEED_WITH_RESPONSE_HEADER"
		}
	}
	out, f := c.throughCache(rule, refresh)
	if f == nil && warn {
		out.header["Warning"] = []string{"199 Cache-control headers were ignored because the caller was unauthorized."}
	}
	return out, f
}

func (c *call) throughCache(rule *caching, refresh bool) (*response, *Failure) {
	answers, key := c.stage.cache.answers, c.cacheKey()
	if !refresh {
		if kept, ok := answers.Get(key, time.Now()); ok {
			c.cached = cacheHit
			return kept.copy(), nil
		}
	}
	c.cached = cacheMiss
	out, f := c.method.backend.do(c)
	if f != nil || out.stream != nil {
		return out, f
	}
	size := int64(len(out.body))
	for name, values := range out.header {
		for _, v := range values {
			size += int64(len(name) + len(v))
		}
	}
	answers.Put(key, out.copy(), size, time.Now().Add(rule.ttl))
	return out, nil
}

// copy is a response whose header may be added to.
func (r *response) copy() *response {
	out := *r
	if out.header = maps.Clone(r.header); out.header == nil {
		out.header = http.Header{}
	}
	return &out
}

// asksAnew says whether a client wants an answer of the backend.
func asksAnew(h http.Header) bool {
	for _, v := range h["Cache-Control"] {
		for directive := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(directive), "max-age=0") {
				return true
			}
		}
	}
	return false
}

// mayInvalidate says whether the caller has execute-api:InvalidateCache: those
// have who signed the request as the API's own account, whose policies let them
// pass.
func (c *call) mayInvalidate() bool {
	return c.decision != nil && c.decision.Caller != nil && c.decision.Caller.AccountID == c.API.Account
}

// cacheKey names an answer: the integration's namespace (its resource's ID unless
// it names one, which methods may share), the verb, and the values of the
// parameters that make a difference. The path is none of them, as at AWS.
// https://docs.aws.amazon.com/apigateway/latest/api/API_Integration.html
func (c *call) cacheKey() string {
	in := c.Method.Integration
	namespace := in.CacheNamespace
	if namespace == "" {
		namespace = c.Resource.ID
	}
	key := make([]byte, 0, 128)
	key = strconv.AppendQuote(key, namespace)
	key = append(key, c.HTTPMethod...)
	for _, name := range in.CacheKeyParameters {
		if mapped, ok := in.Parameters[name]; ok { // "integration.request.…": what it is mapped from
			name = mapped
		}
		key = append(key, ' ')
		for _, v := range c.cacheParameter(name) {
			key = strconv.AppendQuote(key, v)
		}
	}
	return string(key)
}

// cacheParameter returns the values of "method.request.querystring.name" and the
// like, nil where there are none.
func (c *call) cacheParameter(expression string) []string {
	rest, ok := strings.CutPrefix(expression, "method.request.")
	if !ok {
		return nil
	}
	place, name, _ := strings.Cut(rest, ".")
	switch place {
	case "path":
		if v, ok := c.PathParameter(name); ok {
			return []string{v}
		}
	case "querystring", "multivaluequerystring":
		return c.Query()[name]
	case "header", "multivalueheader":
		return c.Header(name)
	}
	return nil
}

// What became of a request that a cache might have answered.
type cacheOutcome uint8

const (
	uncached cacheOutcome = iota
	cacheHit
	cacheMiss
)
