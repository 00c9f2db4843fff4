package apigateway

import (
	"context"
	"maps"
	"slices"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// vpcLink is a VPC link, as stored. Where it leads, the operator says.
type vpcLink struct {
	ID, Name    string
	Description string `json:",omitempty"`
	Targets     []string
	Tags        map[string]string `json:",omitempty"`
}

var vpcLinks = shelf[vpcLink]{kind: linksKind, missing: func(context.Context, string) error {
	return notFound("Invalid Vpc Link identifier specified")
}}

// CreateVpcLink makes a VPC link to one network load balancer. It is available at
// once.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateVpcLink.html
func (s *Service) CreateVpcLink(ctx context.Context, in *api.CreateVpcLinkRequest) (*api.VpcLink, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	if *in.Name == "" {
		return nil, badRequest("VpcLink name cannot be empty")
	}
	if len(in.TargetArns) != 1 {
		return nil, badRequest("A VpcLink must have exactly one target ARN")
	}
	if a, err := arn.Parse(in.TargetArns[0]); err != nil || a.Service != "elasticloadbalancing" {
		return nil, badRequest("Invalid VpcLink target ARN specified: %s", in.TargetArns[0])
	}
	l, err := vpcLinks.create(ctx, s, 6, func(id string) (*vpcLink, []store.Write) {
		return &vpcLink{ID: id, Name: *in.Name, Description: text(in.Description), Targets: slices.Clone(in.TargetArns), Tags: maps.Clone(in.Tags)}, nil
	})
	if err != nil {
		return nil, err
	}
	return vpcLinkView(l), nil
}

// GetVpcLink returns a VPC link.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetVpcLink.html
func (s *Service) GetVpcLink(ctx context.Context, in *api.GetVpcLinkRequest) (*api.VpcLink, error) {
	l, _, err := vpcLinks.get(ctx, s, *in.VpcLinkId)
	if err != nil {
		return nil, err
	}
	return vpcLinkView(l), nil
}

// GetVpcLinks lists VPC links by ID.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetVpcLinks.html
func (s *Service) GetVpcLinks(ctx context.Context, in *api.GetVpcLinksRequest) (*api.VpcLinks, error) {
	links, err := vpcLinks.list(ctx, s)
	if err != nil {
		return nil, err
	}
	links, next, err := page(links, func(l *vpcLink) string { return l.ID }, in.Position, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &api.VpcLinks{Items: []*api.VpcLink{}, Position: next}
	for _, l := range links {
		out.Items = append(out.Items, vpcLinkView(l))
	}
	return out, nil
}

// UpdateVpcLink changes a VPC link's name and description by patch operations.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateVpcLink.html
func (s *Service) UpdateVpcLink(ctx context.Context, in *api.UpdateVpcLinkRequest) (*api.VpcLink, error) {
	l, err := vpcLinks.change(ctx, s, *in.VpcLinkId, func(l *vpcLink) ([]store.Write, error) {
		return nil, patchTable{
			{path: "/name", replace: func(_, value string) error {
				if value == "" {
					return badRequest("VpcLink name cannot be empty")
				}
				l.Name = value
				return nil
			}},
			{path: "/description", replace: setText(&l.Description)},
		}.apply(in.PatchOperations)
	})
	if err != nil {
		return nil, err
	}
	return vpcLinkView(l), nil
}

// DeleteVpcLink removes a VPC link, which no integration may name any more.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteVpcLink.html
func (s *Service) DeleteVpcLink(ctx context.Context, in *api.DeleteVpcLinkRequest) (*schema.Unit, error) {
	return &schema.Unit{}, vpcLinks.remove(ctx, s, *in.VpcLinkId, func(l *vpcLink) ([]store.Write, error) {
		user, err := s.linkUser(ctx, l.ID)
		if err == nil && user != "" {
			err = badRequest("Cannot delete vpc link. Vpc link '%s', is referenced in %s", l.ID, user)
		}
		return nil, err
	})
}

// linkUser names a method whose integration goes over a VPC link.
func (s *Service) linkUser(ctx context.Context, link string) (string, error) {
	for r := range s.records.Values() {
		a, err := s.load(ctx, r.ID)
		if isNotFound(err) {
			continue // another account's, or deleted since
		}
		if err != nil {
			return "", err
		}
		for _, resource := range a.Definition.Resources {
			for name, m := range resource.Methods {
				if m.Integration != nil && m.Integration.ConnectionID == link {
					return "[Method:" + name + ":" + resource.Path + ":" + a.ID + "]", nil
				}
			}
		}
	}
	return "", nil
}

func vpcLinkView(l *vpcLink) *api.VpcLink {
	return &api.VpcLink{
		Id: &l.ID, Name: &l.Name, Description: optional(l.Description), TargetArns: l.Targets,
		Status: new(api.VpcLinkStatusAvailable), StatusMessage: new("Your vpc link is ready for use"), Tags: l.Tags,
	}
}
