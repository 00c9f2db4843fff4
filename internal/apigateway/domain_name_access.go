package apigateway

import (
	"context"
	"maps"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// domainAccess is a VPC endpoint's access to a private custom domain name, as
// stored.
type domainAccess struct {
	ID        string
	ARN       string
	DomainARN string
	Source    string            // a VPC endpoint's ID
	Tags      map[string]string `json:",omitempty"`
}

var domainAccesses = shelf[domainAccess]{kind: "domainaccess", missing: func(context.Context, string) error {
	return notFound("Invalid domain name access association identifier specified")
}}

// CreateDomainNameAccessAssociation lets a VPC endpoint use a private custom
// domain name. It is kept; Paddock has no VPC endpoints that it could keep out.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateDomainNameAccessAssociation.html
func (s *Service) CreateDomainNameAccessAssociation(ctx context.Context, in *api.CreateDomainNameAccessAssociationRequest) (*api.DomainNameAccessAssociation, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	d, err := s.privateDomain(ctx, *in.DomainNameArn)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(*in.AccessAssociationSource, "vpce-") {
		return nil, badRequest("Invalid access association source specified: %s", *in.AccessAssociationSource)
	}
	all, err := domainAccesses.list(ctx, s)
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if a.DomainARN == *in.DomainNameArn && a.Source == *in.AccessAssociationSource {
			return nil, conflict("Domain name access association already exists")
		}
	}
	me := identity.Of(ctx)
	out, err := domainAccesses.create(ctx, s, 10, func(id string) (*domainAccess, []store.Write) {
		return &domainAccess{
			ID: id, DomainARN: *in.DomainNameArn, Source: *in.AccessAssociationSource, Tags: maps.Clone(in.Tags),
			ARN: arn.ARN{
				Partition: arn.PartitionOf(me.Region), Service: "apigateway", Region: me.Region, Account: me.Account,
				Resource: "/domainnameaccessassociations/domainname/" + d.Name + "/vpcesource/" + *in.AccessAssociationSource + "+" + id,
			}.String(),
		}, nil
	})
	if err != nil {
		return nil, err
	}
	return domainAccessView(out), nil
}

// privateDomain finds the private custom domain name of an ARN.
func (s *Service) privateDomain(ctx context.Context, text string) (*domainName, error) {
	_, resource, _ := strings.Cut(text, ":/domainnames/")
	name, id, _ := strings.Cut(resource, "+")
	d, err := s.domain(ctx, &name, &id)
	if isNotFound(err) {
		return nil, badRequest("Invalid domain name ARN specified: %s", text)
	}
	if err != nil {
		return nil, err
	}
	if !d.private() {
		return nil, badRequest("Domain name access associations are supported only for private custom domain names")
	}
	return d, nil
}

// GetDomainNameAccessAssociations lists the caller's associations by ARN.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetDomainNameAccessAssociations.html
func (s *Service) GetDomainNameAccessAssociations(ctx context.Context, in *api.GetDomainNameAccessAssociationsRequest) (*api.DomainNameAccessAssociations, error) {
	all, err := domainAccesses.list(ctx, s)
	if err != nil {
		return nil, err
	}
	if in.ResourceOwner != nil && *in.ResourceOwner == api.ResourceOwnerOtherAccounts {
		all = nil
	}
	all, next, err := page(all, func(a *domainAccess) string { return a.ARN }, in.Position, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &api.DomainNameAccessAssociations{Items: []*api.DomainNameAccessAssociation{}, Position: next}
	for _, a := range all {
		out.Items = append(out.Items, domainAccessView(a))
	}
	return out, nil
}

// DeleteDomainNameAccessAssociation takes a VPC endpoint's access away.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteDomainNameAccessAssociation.html
func (s *Service) DeleteDomainNameAccessAssociation(ctx context.Context, in *api.DeleteDomainNameAccessAssociationRequest) (*schema.Unit, error) {
	return &schema.Unit{}, s.deleteDomainAccess(ctx, *in.DomainNameAccessAssociationArn, nil)
}

// RejectDomainNameAccessAssociation takes it away from the domain name's side.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_RejectDomainNameAccessAssociation.html
func (s *Service) RejectDomainNameAccessAssociation(ctx context.Context, in *api.RejectDomainNameAccessAssociationRequest) (*schema.Unit, error) {
	return &schema.Unit{}, s.deleteDomainAccess(ctx, *in.DomainNameAccessAssociationArn, in.DomainNameArn)
}

func (s *Service) deleteDomainAccess(ctx context.Context, accessARN string, domainARN *string) error {
	id := accessARN[strings.LastIndexByte(accessARN, '+')+1:]
	return domainAccesses.remove(ctx, s, id, func(a *domainAccess) ([]store.Write, error) {
		if a.ARN != accessARN || domainARN != nil && a.DomainARN != *domainARN {
			return nil, domainAccesses.missing(ctx, id)
		}
		return nil, nil
	})
}

func domainAccessView(a *domainAccess) *api.DomainNameAccessAssociation {
	return &api.DomainNameAccessAssociation{
		DomainNameAccessAssociationArn: &a.ARN, DomainNameArn: &a.DomainARN,
		AccessAssociationSourceType: new(api.AccessAssociationSourceTypeVpce), AccessAssociationSource: &a.Source, Tags: a.Tags,
	}
}

// tagDomainName finds the tags of "{name}" and of a private "{name}+{id}".
func tagDomainName(ctx context.Context, s *Service, id []string, fn changeTags) (map[string]string, error) {
	name, privateID, private := strings.Cut(strings.ToLower(strings.Join(id, "/")), "+")
	if private {
		if _, err := s.domain(ctx, &name, &privateID); err != nil {
			return nil, err
		}
	}
	return tagShelf(domainNames, func(d *domainName) *map[string]string { return &d.Tags })(ctx, s, []string{name}, fn)
}

// tagDomainAccess finds the tags of "domainname/{name}/vpcesource/{source}+{id}".
func tagDomainAccess(ctx context.Context, s *Service, id []string, fn changeTags) (map[string]string, error) {
	_, last, _ := strings.Cut(id[len(id)-1], "+")
	return tagShelf(domainAccesses, func(a *domainAccess) *map[string]string { return &a.Tags })(ctx, s, []string{last}, fn)
}
