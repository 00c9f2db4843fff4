package gateway

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/paddock-run/paddock/internal/httpapi"
)

// A request is a preflight when a browser says so; others with OPTIONS are the
// API's own.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// allowedOrigin is the Access-Control-Allow-Origin for a request's origin, or
// empty where the configuration does not allow it.
func allowedOrigin(c *httpapi.CORS, origin string) string {
	if origin == "" {
		return ""
	}
	for _, o := range c.AllowOrigins {
		switch {
		case o == "*":
			return "*"
		case strings.EqualFold(o, origin):
			return origin
		case o == "https://*" && strings.HasPrefix(origin, "https://"), o == "http://*" && strings.HasPrefix(origin, "http://"):
			return origin
		}
	}
	return ""
}

// setCORS replaces the CORS headers of a response by those of the
// configuration: what an integration said of CORS is ignored.
func setCORS(c *httpapi.CORS, r *http.Request, h http.Header) {
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			h.Del(name)
		}
	}
	origin := allowedOrigin(c, r.Header.Get("Origin"))
	if origin == "" {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if origin != "*" && !slices.Contains(h.Values("Vary"), "Origin") {
		h.Add("Vary", "Origin")
	}
	if c.AllowCredentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if len(c.ExposeHeaders) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(c.ExposeHeaders, ","))
	}
}

// preflight answers an OPTIONS request by the configuration alone. An origin or
// a method that is not allowed gets the same 204 without the headers, which is
// what makes the browser refuse.
func preflight(c *httpapi.CORS, w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	setCORS(c, r, h)
	if h.Get("Access-Control-Allow-Origin") != "" {
		if len(c.AllowMethods) > 0 {
			h.Set("Access-Control-Allow-Methods", strings.Join(c.AllowMethods, ","))
		}
		if len(c.AllowHeaders) > 0 {
			h.Set("Access-Control-Allow-Headers", strings.Join(c.AllowHeaders, ","))
		}
		if c.MaxAge != nil {
			h.Set("Access-Control-Max-Age", strconv.Itoa(int(*c.MaxAge)))
		}
	}
	w.WriteHeader(http.StatusNoContent)
}
