package apigatewayv2

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	api "github.com/paddock-run/paddock/internal/api/apigatewayv2"
	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// CreateApi makes an HTTP API. With a target that is a Lambda function's ARN it
// is a quick create: the API has an integration, a route ($default unless
// RouteKey says otherwise) and a $default stage, and is served at once.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis.html
func (s *Service) CreateApi(ctx context.Context, in *api.CreateApiRequest) (*api.CreateApiResponse, error) {
	if err := checkNewAPI(in); err != nil {
		return nil, err
	}
	id := identity.Of(ctx)
	r := &record{
		Account: id.Account, Region: id.Region,
		Name: *in.Name, Description: in.Description, Version: in.Version,
		Created:                   s.now().UTC().Truncate(time.Second),
		DisableExecuteAPIEndpoint: in.DisableExecuteApiEndpoint != nil && *in.DisableExecuteApiEndpoint,
		IPAddressType:             string(api.IpAddressTypeIpv4),
		CORS:                      in.CorsConfiguration,
		Tags:                      in.Tags,
	}
	if in.IpAddressType != nil {
		r.IPAddressType = string(*in.IpAddressType)
	}
	if in.Target != nil {
		r.Quick = &quick{IntegrationID: newID(7), RouteID: newID(7), DeploymentID: newID(6), RouteKey: defaultStage}
		if in.RouteKey != nil {
			r.Quick.RouteKey = *in.RouteKey
		}
		if err := r.Quick.setTarget(*in.Target); err != nil {
			return nil, err
		}
	}
	for {
		r.ID = newID(10)
		err := s.save(ctx, r, store.Absent)
		if errors.Is(err, store.ErrConflict) {
			continue // that ID is taken: there are 36^10
		}
		if err != nil {
			return nil, err
		}
		return createOutput(ctx, r), nil
	}
}

func checkNewAPI(in *api.CreateApiRequest) error {
	if in.ProtocolType != nil && *in.ProtocolType != api.ProtocolTypeHttp {
		return &schema.NotImplementedError{Service: "apigatewayv2", Operation: "CreateApi with ProtocolType " + string(*in.ProtocolType)}
	}
	if err := checkName(*in.Name); err != nil {
		return err
	}
	if in.RouteKey != nil && in.Target == nil {
		return badRequest("A target must be specified with a route key")
	}
	if in.RouteKey != nil {
		if err := checkRouteKey(*in.RouteKey); err != nil {
			return err
		}
	}
	if in.CredentialsArn != nil {
		return &schema.NotImplementedError{Service: "apigatewayv2", Operation: "CreateApi with CredentialsArn"}
	}
	if in.ApiKeySelectionExpression != nil || in.DisableSchemaValidation != nil {
		return badRequest("ApiKeySelectionExpression and DisableSchemaValidation are supported only for WEBSOCKET APIs")
	}
	if in.RouteSelectionExpression != nil && *in.RouteSelectionExpression != routeSelection {
		return badRequest("RouteSelectionExpression must be %q for HTTP APIs", routeSelection)
	}
	return checkCORS(in.CorsConfiguration)
}

func checkName(name string) error {
	if n := utf8.RuneCountInString(name); n < 1 || n > 128 {
		return badRequest("Invalid API name specified. The name must be between 1 and 128 characters.")
	}
	return nil
}

// routeSelection is the only route selection expression of HTTP APIs.
const routeSelection = "$request.method $request.path"

var routeKeyPattern = regexp.MustCompile(`^(ANY|GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) (/\S*)$`)

// checkRouteKey takes "$default" and a method with a path, whose segments are
// plain text, {name}, or {name+} at the end.
func checkRouteKey(key string) error {
	if key == defaultStage {
		return nil
	}
	m := routeKeyPattern.FindStringSubmatch(key)
	if m == nil {
		return badRequest("The provided route key is not formatted properly for HTTP protocol. Format should be \"<HTTP METHOD> /<RESOURCE PATH>\" or \"$default\"")
	}
	segments := strings.Split(strings.Trim(m[2], "/"), "/")
	var names []string
	for i, seg := range segments {
		if !strings.ContainsAny(seg, "{}") {
			continue
		}
		name, ok := strings.CutPrefix(seg, "{")
		name, closed := strings.CutSuffix(name, "}")
		name, greedy := strings.CutSuffix(name, "+")
		if !ok || !closed || name == "" || strings.ContainsAny(name, "{}+") || greedy && i != len(segments)-1 || slices.Contains(names, name) {
			return badRequest("The provided route key is not formatted properly for HTTP protocol: path variables are {name}, or {name+} at the end, each name once")
		}
		names = append(names, name)
	}
	return nil
}

// setTarget takes a Lambda function's ARN; HTTP targets are not served yet.
func (q *quick) setTarget(target string) error {
	if strings.HasPrefix(target, "http://") || strings.HasPrefix(target, "https://") {
		return &schema.NotImplementedError{Service: "apigatewayv2", Operation: "CreateApi with an HTTP target (HTTP_PROXY)"}
	}
	a, err := arn.Parse(target)
	if err != nil || a.Service != "lambda" || !strings.HasPrefix(a.Resource, "function:") {
		return badRequest("Invalid target specified: %s", target)
	}
	q.FunctionARN = target
	return nil
}

// checkCORS refuses what a browser would refuse too.
func checkCORS(c *api.Cors) error {
	if c == nil {
		return nil
	}
	if c.AllowCredentials != nil && *c.AllowCredentials && slices.Contains(c.AllowOrigins, "*") {
		return badRequest("allowCredentials is not supported for '*' allowOrigins")
	}
	if c.MaxAge != nil && (*c.MaxAge < -1 || *c.MaxAge > 86400) {
		return badRequest("maxAge must be between -1 and 86400 seconds")
	}
	for _, o := range c.AllowOrigins {
		if o != "*" && !strings.HasPrefix(o, "http://") && !strings.HasPrefix(o, "https://") {
			return badRequest("Invalid format for origin %q: the scheme is missing", o)
		}
	}
	return nil
}
