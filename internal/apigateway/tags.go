package apigateway

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// maxTags is how many tags a resource may have.
const maxTags = 50

// checkTags checks what a resource's tags are to be.
func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return badRequest("A resource can have at most %d tags", maxTags)
	}
	for k, v := range tags {
		switch {
		case k == "" || len([]rune(k)) > 128:
			return badRequest("Tag keys must have between 1 and 128 characters")
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return badRequest("Invalid tag key specified: %s. The aws: prefix is reserved", k)
		case len([]rune(v)) > 256:
			return badRequest("Tag values can have at most 256 characters")
		}
	}
	return nil
}

// A tagger finds the tags of a kind of resources by what follows the kind in
// an ARN, and stores what fn makes of them; a nil fn only reads.
type tagger func(ctx context.Context, s *Service, id []string, fn changeTags) (map[string]string, error)

type changeTags func(map[string]string) (map[string]string, error)

// taggers are the kinds of resources that have tags, as their ARNs begin.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-tagging-supported-resources.html
var taggers = map[string]tagger{
	"restapis":                     tagRestAPI,
	"apikeys":                      tagShelf(apiKeys, func(k *apiKey) *map[string]string { return &k.Tags }),
	"usageplans":                   tagShelf(usagePlans, func(p *usagePlan) *map[string]string { return &p.Tags }),
	"vpclinks":                     tagShelf(vpcLinks, func(l *vpcLink) *map[string]string { return &l.Tags }),
	"clientcertificates":           tagShelf(clientCertificates, func(c *clientCertificate) *map[string]string { return &c.Tags }),
	"domainnames":                  tagDomainName,
	"domainnameaccessassociations": tagDomainAccess,
}

var errBadARN = &api.BadRequestException{Message: new("Invalid ARN specified in the request")}

// tags reads or changes the tags of "arn:aws:apigateway:{region}::/{kind}/{id}…".
func (s *Service) tags(ctx context.Context, resource string, fn changeTags) (map[string]string, error) {
	a, err := arn.Parse(resource)
	if err != nil || a.Service != "apigateway" || a.Region != identity.Of(ctx).Region {
		return nil, errBadARN
	}
	parts := strings.Split(strings.TrimPrefix(a.Resource, "/"), "/")
	find := taggers[parts[0]]
	if find == nil || len(parts) < 2 {
		return nil, errBadARN
	}
	return find(ctx, s, parts[1:], fn)
}

// tagRestAPI finds the tags of "{api}" and of "{api}/stages/{stage}".
func tagRestAPI(ctx context.Context, s *Service, id []string, fn changeTags) (map[string]string, error) {
	if len(id) != 1 && (len(id) != 3 || id[1] != "stages") {
		return nil, errBadARN
	}
	of := func(a *apiState) (*map[string]string, error) {
		if len(id) == 1 {
			return &a.Tags, nil
		}
		st := a.Stages[id[2]]
		if st == nil {
			return nil, errNoStage
		}
		return &st.Tags, nil
	}
	if fn == nil {
		a, err := s.load(ctx, id[0])
		if err != nil {
			return nil, err
		}
		tags, err := of(a)
		if err != nil {
			return nil, err
		}
		return *tags, nil
	}
	_, err := s.change(ctx, id[0], func(a *apiState) error {
		tags, err := of(a)
		if err != nil {
			return err
		}
		*tags, err = fn(*tags)
		return err
	})
	return nil, err
}

// tagShelf finds the tags of what stands on a shelf.
func tagShelf[T any](k shelf[T], of func(*T) *map[string]string) tagger {
	return func(ctx context.Context, s *Service, id []string, fn changeTags) (map[string]string, error) {
		if len(id) != 1 {
			return nil, errBadARN
		}
		if fn == nil {
			v, _, err := k.get(ctx, s, id[0])
			if err != nil {
				return nil, err
			}
			return *of(v), nil
		}
		_, err := k.change(ctx, s, id[0], func(v *T) ([]store.Write, error) {
			next, err := fn(*of(v))
			*of(v) = next
			return nil, err
		})
		return nil, err
	}
}

// GetTags returns a resource's tags.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetTags.html
func (s *Service) GetTags(ctx context.Context, in *api.GetTagsRequest) (*api.Tags, error) {
	all, err := s.tags(ctx, *in.ResourceArn, nil)
	if err != nil {
		return nil, err
	}
	names, _, err := page(slices.Collect(maps.Keys(all)), func(name string) string { return name }, in.Position, cmp.Or(in.Limit, new(int32(maxTags))))
	if err != nil {
		return nil, err
	}
	out := &api.Tags{Tags: map[string]string{}}
	for _, name := range names {
		out.Tags[name] = all[name]
	}
	return out, nil
}

// TagResource adds tags to a resource, or gives those that it has new values.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_TagResource.html
func (s *Service) TagResource(ctx context.Context, in *api.TagResourceRequest) (*schema.Unit, error) {
	_, err := s.tags(ctx, *in.ResourceArn, func(tags map[string]string) (map[string]string, error) {
		next := maps.Clone(tags)
		if next == nil {
			next = map[string]string{}
		}
		maps.Copy(next, in.Tags)
		return next, checkTags(next)
	})
	return &schema.Unit{}, err
}

// UntagResource removes tags from a resource. Those it does not have are no
// error.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UntagResource.html
func (s *Service) UntagResource(ctx context.Context, in *api.UntagResourceRequest) (*schema.Unit, error) {
	_, err := s.tags(ctx, *in.ResourceArn, func(tags map[string]string) (map[string]string, error) {
		next := maps.Clone(tags)
		for _, k := range in.TagKeys {
			delete(next, k)
		}
		if len(next) == 0 {
			return nil, nil
		}
		return next, nil
	})
	return &schema.Unit{}, err
}
