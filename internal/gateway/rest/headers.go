package rest

// destination is the kind of backend that headers go to or come from: what
// happens to them depends on it.
type destination uint8

const (
	toHTTP destination = iota
	toHTTPProxy
	toLambda
)

// fate is what becomes of a header.
type fate uint8

const (
	pass fate = iota
	drop
	remap // X-Amzn-Remapped- before the name
)

// requestFates and responseFates are what API Gateway does with the headers that
// it does not just pass on, by destination (toHTTP, toHTTPProxy, toLambda).
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
var requestFates = map[string][3]fate{
	"Connection":          {drop, drop, drop}, // AWS passes it on to HTTP: but it is about this hop, and connections are ours
	"Content-Encoding":    {pass, drop, pass},
	"Content-Length":      {drop, drop, pass}, // made from the body
	"Content-Md5":         {drop, drop, drop},
	"Expect":              {drop, drop, drop},
	"Host":                {drop, drop, drop}, // the endpoint's own
	"Keep-Alive":          {drop, drop, drop},
	"Max-Forwards":        {drop, drop, drop},
	"Proxy-Authenticate":  {drop, drop, drop},
	"Proxy-Authorization": {drop, drop, drop},
	"Proxy-Connection":    {drop, drop, drop},
	"Server":              {drop, drop, drop},
	"Te":                  {drop, drop, drop},
	"Trailer":             {drop, drop, drop},
	"Transfer-Encoding":   {drop, drop, drop},
	"Upgrade":             {drop, drop, drop},
	"Via":                 {drop, drop, pass},
	"Www-Authenticate":    {drop, drop, drop},
}

var responseFates = map[string][3]fate{
	"Accept":             {drop, pass, pass},
	"Authorization":      {remap, remap, remap},
	"Connection":         {remap, remap, remap},
	"Content-Length":     {remap, remap, remap},
	"Content-Md5":        {remap, remap, remap},
	"Date":               {remap, remap, remap},
	"Expect":             {drop, drop, drop},
	"Host":               {drop, drop, drop},
	"Keep-Alive":         {drop, drop, drop},
	"Max-Forwards":       {remap, remap, remap},
	"Proxy-Authenticate": {drop, drop, drop},
	"Proxy-Connection":   {drop, drop, drop},
	"Server":             {remap, remap, remap},
	"Te":                 {drop, drop, drop},
	"Trailer":            {drop, drop, drop},
	"Transfer-Encoding":  {drop, drop, drop},
	"Upgrade":            {drop, drop, drop},
	"User-Agent":         {remap, remap, remap},
	"Via":                {pass, drop, drop},
	"Www-Authenticate":   {remap, remap, remap},
	// What the gateway itself says is not the backend's to say.
	"X-Amzn-Requestid": {remap, remap, remap},
	"X-Amz-Apigw-Id":   {remap, remap, remap},
}

// responseHeaderName is the name under which a backend's header reaches the
// caller; keep is false where it does not. name is in canonical form.
func responseHeaderName(name string, from destination) (mapped string, keep bool) {
	f, ok := responseFates[name]
	if !ok || f[from] == pass {
		return name, true
	}
	return "X-Amzn-Remapped-" + name, f[from] == remap
}

// forwardable reports whether a caller's header goes to the backend. Signatures
// of ours stay here.
func forwardable(name string, values []string, to destination) bool {
	if f, ok := requestFates[name]; ok && f[to] != pass {
		return false
	}
	return name != "Authorization" || len(values) == 0 || len(values[0]) < 4 || values[0][:4] != "AWS4"
}
