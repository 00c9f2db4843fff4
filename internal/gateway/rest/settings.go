package rest

import (
	"strings"

	"github.com/paddock-run/paddock/internal/metrics"
	"github.com/paddock-run/paddock/internal/restapi"
)

type level uint8

const (
	levelOff level = iota
	levelError
	levelInfo
)

// settings are a stage's for one method.
type settings struct {
	level     level
	dataTrace bool
	figures   *figures            // nil: the method has none of its own
	caching   map[string]*caching // by verb; nil: nothing is cached
}

// settingsOf reads a stage's method settings: what "*/*" says, and over it what
// is said of the method.
func (g *Gateway) settingsOf(api *restapi.API, served *restapi.ServedStage, d *definition) []settings {
	if d == nil {
		return nil
	}
	out := make([]settings, d.methods)
	d.root.each(func(m *method) {
		s := MethodSettings(&served.Stage, m.resource.Path, m.HTTPMethod)
		switch {
		case s.LoggingLevel == nil:
		case *s.LoggingLevel == "INFO":
			out[m.index].level = levelInfo
		case *s.LoggingLevel == "ERROR":
			out[m.index].level = levelError
		}
		out[m.index].caching = cachingOf(&served.Stage, m)
		out[m.index].dataTrace = s.DataTraceEnabled != nil && *s.DataTraceEnabled
		if s.MetricsEnabled != nil && *s.MetricsEnabled {
			out[m.index].figures = g.methodFigures(api, served.Name, m)
		}
	})
	return out
}

// MethodSettings merges a stage's settings for a method over those for all.
func MethodSettings(s *restapi.Stage, path, httpMethod string) restapi.MethodSettings {
	var out restapi.MethodSettings
	if all := s.Methods["*/*"]; all != nil {
		out = *all
	}
	one := ownSettings(s, path, httpMethod)
	if one == nil {
		return out
	}
	over(&out.MetricsEnabled, one.MetricsEnabled)
	over(&out.LoggingLevel, one.LoggingLevel)
	over(&out.DataTraceEnabled, one.DataTraceEnabled)
	over(&out.ThrottlingBurst, one.ThrottlingBurst)
	over(&out.ThrottlingRate, one.ThrottlingRate)
	over(&out.CachingEnabled, one.CachingEnabled)
	over(&out.CacheTTLSeconds, one.CacheTTLSeconds)
	over(&out.CacheDataEncrypted, one.CacheDataEncrypted)
	over(&out.CacheControlAuthorization, one.CacheControlAuthorization)
	over(&out.UnauthorizedCacheControl, one.UnauthorizedCacheControl)
	return out
}

// ownSettings are what a stage says of one method, nil: nothing.
func ownSettings(s *restapi.Stage, path, httpMethod string) *restapi.MethodSettings {
	// "/pets/{id}" is "~1pets~1{id}" in a patch path, and may be stored so.
	for _, key := range []string{strings.ReplaceAll(path, "/", "~1") + "/" + httpMethod, strings.TrimPrefix(path, "/") + "/" + httpMethod} {
		if one := s.Methods[key]; one != nil {
			return one
		}
	}
	return nil
}

func over[T any](to **T, value *T) {
	if value != nil {
		*to = value
	}
}

// each visits every method below a node.
func (n *node) each(visit func(*method)) {
	for _, r := range []*resource{n.here, n.greedy} {
		if r == nil {
			continue
		}
		for _, m := range r.methods {
			visit(m)
		}
		if r.any != nil {
			visit(r.any)
		}
	}
	for _, next := range n.static {
		next.each(visit)
	}
	if n.variable != nil {
		n.variable.each(visit)
	}
}

// figures are what CloudWatch knows of an API, a stage or a method.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
type figures struct {
	count, clientErrors, serverErrors, latency, integrationLatency []metrics.Series
	cacheHits, cacheMisses                                         []metrics.Series
}

// stageFigures are those of the API and of its stage.
func (g *Gateway) stageFigures(api *restapi.API, stage string) *figures {
	name := metrics.Dimension{Name: "ApiName", Value: metricName(api)}
	return g.figuresOf(api, []metrics.Dimension{name}, []metrics.Dimension{name, {Name: "Stage", Value: stage}})
}

func (g *Gateway) methodFigures(api *restapi.API, stage string, m *method) *figures {
	return g.figuresOf(api, []metrics.Dimension{
		{Name: "ApiName", Value: metricName(api)}, {Name: "Method", Value: m.HTTPMethod},
		{Name: "Resource", Value: m.resource.Path}, {Name: "Stage", Value: stage},
	})
}

func (g *Gateway) figuresOf(api *restapi.API, sets ...[]metrics.Dimension) *figures {
	series := func(name, unit string) []metrics.Series {
		var out []metrics.Series
		for _, dimensions := range sets {
			out = append(out, g.Metrics.Series(metrics.ID{
				Account: api.Account, Region: api.Region, Namespace: "AWS/ApiGateway", Name: name, Unit: unit, Dimensions: dimensions,
			}))
		}
		return out
	}
	return &figures{
		count: series("Count", "Count"), clientErrors: series("4XXError", "Count"), serverErrors: series("5XXError", "Count"),
		cacheHits: series("CacheHitCount", "Count"), cacheMisses: series("CacheMissCount", "Count"),
		latency: series("Latency", "Milliseconds"), integrationLatency: series("IntegrationLatency", "Milliseconds"),
	}
}

// metricName is the API's name in ASCII, or its ID.
func metricName(api *restapi.API) string {
	name := strings.Map(func(r rune) rune {
		if r >= ' ' && r < 0x7f {
			return r
		}
		return -1
	}, api.Name)
	if name == "" {
		return api.ID
	}
	return name
}

func (f *figures) record(c *call) {
	add := func(series []metrics.Series, value float64) {
		for _, s := range series {
			s.Add(value)
		}
	}
	flag := func(is bool) float64 {
		if is {
			return 1
		}
		return 0
	}
	add(f.count, 1)
	add(f.clientErrors, flag(c.status >= 400 && c.status < 500))
	add(f.serverErrors, flag(c.status >= 500))
	add(f.latency, float64(c.responseLatency.Microseconds())/1000)
	if c.cached != uncached { // their averages are the rates of hits and misses
		add(f.cacheHits, flag(c.cached == cacheHit))
		add(f.cacheMisses, flag(c.cached == cacheMiss))
	}
	if c.integrated {
		add(f.integrationLatency, float64(c.integrationLatency.Microseconds())/1000)
	}
}

// record notes the request where it is to be noted: figures, access log,
// execution log.
func (c *call) record() {
	c.stage.figures.record(c)
	if c.method != nil {
		if own := c.settings[c.method.index].figures; own != nil {
			own.record(c)
		}
	}
	if c.stage.access != nil && c.gateway.Logs != nil {
		c.stage.access.write(c)
	}
	c.trace.end(c)
}
