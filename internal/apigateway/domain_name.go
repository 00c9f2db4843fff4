package apigateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/restapi"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// domainName is a custom domain name with its base path mappings, as stored.
type domainName struct {
	Account, Region string
	Name            string
	ID              string `json:",omitempty"` // of a private one
	EndpointTypes   []string
	IPAddressType   string

	CertificateARN, CertificateName                 string `json:",omitempty"`
	RegionalCertificateARN, RegionalCertificateName string `json:",omitempty"`
	OwnershipARN                                    string `json:",omitempty"`
	// Certificate is what the caller uploaded: PEM with the chain, and its key.
	Certificate, PrivateKey []byte    `json:",omitempty"`
	Uploaded                time.Time `json:",omitzero"`

	SecurityPolicy     string `json:",omitempty"`
	EndpointAccessMode string `json:",omitempty"`
	RoutingMode        string
	Policy             string `json:",omitempty"`
	ManagementPolicy   string `json:",omitempty"`

	TruststoreURI, TruststoreVersion string            `json:",omitempty"`
	Truststore                       []byte            `json:",omitempty"` // PEM
	Mappings                         []restapi.Mapping `json:",omitempty"`
	Tags                             map[string]string `json:",omitempty"`
}

var domainNames = shelf[domainName]{
	kind: domainsKind,
	missing: func(context.Context, string) error {
		return notFound("Invalid domain name identifier specified")
	},
	owner: func(d *domainName) (account, region string) { return d.Account, d.Region },
}

// servedDomain is a domain name as the gateway has it.
func servedDomain(doc store.Document) (*restapi.Domain, error) {
	d, err := decode[domainName](doc)
	return &restapi.Domain{
		Account: d.Account, Region: d.Region, Name: d.Name, Mappings: d.Mappings,
		Truststore: d.Truststore, Certificate: d.Certificate, PrivateKey: d.PrivateKey, SecurityPolicy: d.SecurityPolicy,
	}, err
}

// Truststores reads the trust store that mutual TLS names: PEM, at most 1,000
// certificates. An error that a client may read is a *TruststoreError.
type Truststores interface {
	Truststore(ctx context.Context, uri, version string) ([]byte, error)
}

// TruststoreError says what is wrong with a trust store.
type TruststoreError struct{ Message string }

func (e *TruststoreError) Error() string { return e.Message }

var hostName = regexp.MustCompile(`^(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$`)

// CreateDomainName makes a custom domain name. Its certificate is the one that is
// uploaded with it; for one that is named by an ARN the operator's own serves.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateDomainName.html
func (s *Service) CreateDomainName(ctx context.Context, in *api.CreateDomainNameRequest) (*api.DomainName, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	me := identity.Of(ctx)
	d := &domainName{
		Account: me.Account, Region: me.Region, Name: strings.ToLower(*in.DomainName),
		CertificateARN: text(in.CertificateArn), CertificateName: text(in.CertificateName),
		RegionalCertificateARN: text(in.RegionalCertificateArn), RegionalCertificateName: text(in.RegionalCertificateName),
		OwnershipARN: text(in.OwnershipVerificationCertificateArn), Tags: maps.Clone(in.Tags), Uploaded: s.timestamp(),
		EndpointTypes: []string{string(api.EndpointTypeEdge)}, IPAddressType: string(api.IpAddressTypeIpv4),
		SecurityPolicy: string(api.SecurityPolicyTls12), RoutingMode: string(api.RoutingModeBasePathMappingOnly),
	}
	if !hostName.MatchString(d.Name) || len(d.Name) > 253 {
		return nil, badRequest("Invalid domain name specified: %s", *in.DomainName)
	}
	if err := d.settings(in); err != nil {
		return nil, err
	}
	if err := d.upload(in); err != nil {
		return nil, err
	}
	if !d.hasCertificate() {
		return nil, badRequest("A certificate must be provided for the domain name")
	}
	if m := in.MutualTlsAuthentication; m != nil && text(m.TruststoreUri) != "" {
		d.TruststoreURI, d.TruststoreVersion = text(m.TruststoreUri), text(m.TruststoreVersion)
		if err := s.readTruststore(ctx, d); err != nil {
			return nil, err
		}
	}
	w, err := domainNames.put(ctx, d.Name, d, store.Absent)
	if err != nil {
		return nil, err
	}
	if err := s.commit(ctx, w); errors.Is(err, store.ErrConflict) {
		return nil, badRequest("The domain name you provided already exists.")
	} else if err != nil {
		return nil, err
	}
	return domainNameView(d), nil
}

// settings takes what has defaults.
func (d *domainName) settings(in *api.CreateDomainNameRequest) (err error) {
	if c := in.EndpointConfiguration; c != nil {
		if len(c.Types) > 1 {
			return badRequest("Cannot create a domain name with multiple Endpoint Types.")
		}
		if len(c.Types) == 1 {
			d.EndpointTypes = []string{string(c.Types[0])}
		}
		if c.IpAddressType != nil {
			d.IPAddressType = string(*c.IpAddressType)
		} else if d.private() {
			d.IPAddressType = string(api.IpAddressTypeDualstack)
		}
		if len(c.VpcEndpointIds) > 0 {
			return badRequest("VPC Endpoint Ids can only be specified for PRIVATE Rest APIs")
		}
	}
	if d.private() {
		d.ID = newID(10)
	}
	if in.SecurityPolicy != nil {
		d.SecurityPolicy = string(*in.SecurityPolicy)
	}
	if in.EndpointAccessMode != nil {
		d.EndpointAccessMode = string(*in.EndpointAccessMode)
	}
	if in.RoutingMode != nil {
		d.RoutingMode = string(*in.RoutingMode)
	}
	if err := d.checkRouting(); err != nil {
		return err
	}
	if in.Policy != nil {
		if !d.private() {
			return badRequest("A policy can only be specified for private custom domain names")
		}
		d.Policy, err = checkPolicy(*in.Policy)
	}
	return err
}

func (d *domainName) private() bool { return d.EndpointTypes[0] == string(api.EndpointTypePrivate) }

func (d *domainName) hasCertificate() bool {
	return d.CertificateARN != "" || d.RegionalCertificateARN != "" || d.Certificate != nil
}

// checkRouting refuses routing rules, which are API Gateway v2's.
func (d *domainName) checkRouting() error {
	if d.RoutingMode != string(api.RoutingModeBasePathMappingOnly) {
		return badRequest("Routing mode %s is not supported here: only %s is", d.RoutingMode, api.RoutingModeBasePathMappingOnly)
	}
	return nil
}

// upload takes a certificate that comes with the request.
func (d *domainName) upload(in *api.CreateDomainNameRequest) error {
	body, key := text(in.CertificateBody), text(in.CertificatePrivateKey)
	if body == "" && key == "" && text(in.CertificateChain) == "" {
		return nil
	}
	d.Certificate = []byte(strings.TrimSpace(strings.TrimSpace(body)+"\n"+text(in.CertificateChain)) + "\n")
	d.PrivateKey = []byte(key)
	pair, err := tls.X509KeyPair(d.Certificate, d.PrivateKey)
	if err != nil {
		return badRequest("Invalid certificate provided: the certificate and its private key do not go together")
	}
	if pair.Leaf.VerifyHostname(strings.Replace(d.Name, "*.", "any.", 1)) != nil {
		return badRequest("Domain name %s is not covered by the provided certificate", d.Name)
	}
	return nil
}

// readTruststore reads the authorities of mutual TLS.
func (s *Service) readTruststore(ctx context.Context, d *domainName) error {
	if d.TruststoreURI == "" {
		d.Truststore = nil
		return nil
	}
	if s.truststores == nil {
		return badRequest("Mutual TLS is not available here: no trust store can be read")
	}
	bundle, err := s.truststores.Truststore(ctx, d.TruststoreURI, d.TruststoreVersion)
	var bad *TruststoreError
	if errors.As(err, &bad) {
		return badRequest("Invalid truststore %s: %s", d.TruststoreURI, bad.Message)
	}
	if err != nil {
		return err
	}
	if !x509.NewCertPool().AppendCertsFromPEM(bundle) || len(bundle) > store.MaxValue/2 {
		return badRequest("Invalid truststore %s: it must hold certificates in PEM, at most %d bytes", d.TruststoreURI, store.MaxValue/2)
	}
	d.Truststore = bundle
	return nil
}

// domain reads a domain name of the caller's. id is that of a private one.
func (s *Service) domain(ctx context.Context, name, id *string) (*domainName, error) {
	d, _, err := domainNames.get(ctx, s, strings.ToLower(*name))
	if err == nil {
		err = d.is(ctx, id)
	}
	return d, err
}

// is checks the identifier that a request gives besides the name.
func (d *domainName) is(ctx context.Context, id *string) error {
	if id != nil && *id != d.ID {
		return domainNames.missing(ctx, d.Name)
	}
	return nil
}

// GetDomainName returns a custom domain name.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetDomainName.html
func (s *Service) GetDomainName(ctx context.Context, in *api.GetDomainNameRequest) (*api.DomainName, error) {
	d, err := s.domain(ctx, in.DomainName, in.DomainNameId)
	if err != nil {
		return nil, err
	}
	return domainNameView(d), nil
}

// GetDomainNames lists the caller's custom domain names by name. Those of other
// accounts are never shown: resourceOwner OTHER_ACCOUNTS has none.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetDomainNames.html
func (s *Service) GetDomainNames(ctx context.Context, in *api.GetDomainNamesRequest) (*api.DomainNames, error) {
	names, err := domainNames.list(ctx, s)
	if err != nil {
		return nil, err
	}
	if in.ResourceOwner != nil && *in.ResourceOwner == api.ResourceOwnerOtherAccounts {
		names = nil
	}
	names, next, err := page(names, func(d *domainName) string { return d.Name }, in.Position, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &api.DomainNames{Items: []*api.DomainName{}, Position: next}
	for _, d := range names {
		out.Items = append(out.Items, domainNameView(d))
	}
	return out, nil
}

// DeleteDomainName removes a custom domain name with its mappings.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteDomainName.html
func (s *Service) DeleteDomainName(ctx context.Context, in *api.DeleteDomainNameRequest) (*schema.Unit, error) {
	return &schema.Unit{}, domainNames.remove(ctx, s, strings.ToLower(*in.DomainName), func(d *domainName) ([]store.Write, error) {
		return nil, d.is(ctx, in.DomainNameId)
	})
}

// UpdateDomainName changes a custom domain name by patch operations.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateDomainName.html
func (s *Service) UpdateDomainName(ctx context.Context, in *api.UpdateDomainNameRequest) (*api.DomainName, error) {
	d, err := domainNames.change(ctx, s, strings.ToLower(*in.DomainName), func(d *domainName) ([]store.Write, error) {
		if err := d.is(ctx, in.DomainNameId); err != nil {
			return nil, err
		}
		if err := domainPatches(d).apply(in.PatchOperations); err != nil {
			return nil, err
		}
		if !d.hasCertificate() {
			return nil, badRequest("A certificate must be provided for the domain name")
		}
		// The same trust store may hold something else by now.
		if slices.ContainsFunc(in.PatchOperations, func(o *api.PatchOperation) bool { return strings.HasPrefix(text(o.Path), "/mutualTlsAuthentication/") }) {
			return nil, s.readTruststore(ctx, d)
		}
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	return domainNameView(d), nil
}

func domainPatches(d *domainName) patchTable {
	policy := func(to *string) func(name, value string) error {
		return func(_, value string) (err error) {
			if !d.private() {
				return badRequest("A policy can only be specified for private custom domain names")
			}
			*to, err = checkPolicy(value)
			return err
		}
	}
	setType := func(value string) error {
		t := api.EndpointType(value)
		if t != api.EndpointTypeEdge && t != api.EndpointTypeRegional || d.private() {
			return badRequest("Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE")
		}
		d.EndpointTypes = []string{value}
		return nil
	}
	return patchTable{
		{path: "/certificateName", replace: setText(&d.CertificateName)},
		{path: "/certificateArn", replace: setText(&d.CertificateARN)},
		{path: "/regionalCertificateName", replace: setText(&d.RegionalCertificateName)},
		{path: "/regionalCertificateArn", replace: setText(&d.RegionalCertificateARN)},
		{path: "/ownershipVerificationCertificateArn", replace: setText(&d.OwnershipARN)},
		{path: "/securityPolicy", replace: enumPatch(&d.SecurityPolicy, "security policy", securityPolicies)},
		{path: "/endpointAccessMode", replace: enumPatch(&d.EndpointAccessMode, "endpoint access mode",
			[]string{string(api.EndpointAccessModeBasic), string(api.EndpointAccessModeStrict)})},
		{path: "/endpointConfiguration/types", add: func(_, value string) error { return setType(value) }},
		{path: "/endpointConfiguration/types/{type}", replace: func(_, value string) error { return setType(value) }, remove: func(name, _ string) error {
			if slices.Contains(d.EndpointTypes, name) {
				return badRequest("Invalid patch operation specified. A domain name must have an endpoint type")
			}
			return nil
		}},
		{path: "/endpointConfiguration/ipAddressType", replace: enumPatch(&d.IPAddressType, "ip address type",
			[]string{string(api.IpAddressTypeIpv4), string(api.IpAddressTypeDualstack)})},
		{path: "/mutualTlsAuthentication/truststoreUri", replace: func(_, value string) error {
			d.TruststoreURI, d.TruststoreVersion = value, ""
			return nil
		}, remove: func(_, _ string) error {
			d.TruststoreURI, d.TruststoreVersion = "", ""
			return nil
		}},
		{path: "/mutualTlsAuthentication/truststoreVersion", replace: setText(&d.TruststoreVersion), remove: clearText(&d.TruststoreVersion)},
		{path: "/policy", replace: policy(&d.Policy), remove: clearText(&d.Policy)},
		{path: "/managementPolicy", replace: policy(&d.ManagementPolicy), remove: clearText(&d.ManagementPolicy)},
		{path: "/routingMode", replace: func(_, value string) error {
			d.RoutingMode = value
			return d.checkRouting()
		}},
	}
}

// domainNameView is a domain name as clients see it.
func domainNameView(d *domainName) *api.DomainName {
	out := &api.DomainName{
		DomainName: &d.Name, DomainNameId: optional(d.ID),
		CertificateArn: optional(d.CertificateARN), CertificateName: optional(d.CertificateName), CertificateUploadDate: &d.Uploaded,
		RegionalCertificateArn: optional(d.RegionalCertificateARN), RegionalCertificateName: optional(d.RegionalCertificateName),
		OwnershipVerificationCertificateArn: optional(d.OwnershipARN),
		EndpointConfiguration:               &api.EndpointConfiguration{IpAddressType: new(api.IpAddressType(d.IPAddressType))},
		DomainNameStatus:                    new(api.DomainNameStatusAvailable), SecurityPolicy: new(api.SecurityPolicy(d.SecurityPolicy)),
		RoutingMode: new(api.RoutingMode(d.RoutingMode)), Policy: optional(d.Policy), ManagementPolicy: optional(d.ManagementPolicy), Tags: d.Tags,
	}
	for _, t := range d.EndpointTypes {
		out.EndpointConfiguration.Types = append(out.EndpointConfiguration.Types, api.EndpointType(t))
	}
	if d.EndpointAccessMode != "" {
		out.EndpointAccessMode = new(api.EndpointAccessMode(d.EndpointAccessMode))
	}
	resource := "/domainnames/" + d.Name
	// A client is to send its requests to the name itself, wherever that leads.
	switch {
	case d.private():
		resource += "+" + d.ID
	case d.EndpointTypes[0] == string(api.EndpointTypeEdge):
		out.DistributionDomainName = &d.Name
	default:
		out.RegionalDomainName = &d.Name
	}
	out.DomainNameArn = new(arn.ARN{Partition: arn.PartitionOf(d.Region), Service: "apigateway", Region: d.Region, Resource: resource}.String())
	if d.private() {
		out.DomainNameArn = new(arn.ARN{Partition: arn.PartitionOf(d.Region), Service: "apigateway", Region: d.Region, Account: d.Account, Resource: resource}.String())
	}
	if d.TruststoreURI != "" {
		out.MutualTlsAuthentication = &api.MutualTlsAuthentication{TruststoreUri: &d.TruststoreURI, TruststoreVersion: optional(d.TruststoreVersion)}
		if n := pemBlocks(d.Truststore); n > 1000 {
			out.MutualTlsAuthentication.TruststoreWarnings = []string{"The truststore has more than 1000 certificates"}
		}
	}
	return out
}

func pemBlocks(text []byte) int {
	n := 0
	for b, rest := pem.Decode(text); b != nil; b, rest = pem.Decode(rest) {
		n++
	}
	return n
}
