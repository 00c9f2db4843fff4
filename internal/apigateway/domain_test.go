package apigateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
)

const someCertificate = "arn:aws:acm:us-east-1:000000000000:certificate/1"

func (f *fixture) domainNamed(name string) *api.DomainName {
	f.t.Helper()
	return must(f.CreateDomainName(f.ctx, &api.CreateDomainNameRequest{
		DomainName: &name, RegionalCertificateArn: new(someCertificate),
		EndpointConfiguration: &api.EndpointConfiguration{Types: []api.EndpointType{api.EndpointTypeRegional}},
	}))(f.t)
}

// trust is a reader of trust stores.
type trust map[string][]byte

func (t trust) Truststore(_ context.Context, uri, _ string) ([]byte, error) {
	if b, ok := t[uri]; ok {
		return b, nil
	}
	return nil, &TruststoreError{"there is none"}
}

func TestDomainNamesAndMappings(t *testing.T) {
	f := setup(t)
	f.stage("dev")
	d := f.domainNamed("API.example.com")
	if *d.DomainName != "api.example.com" || *d.RegionalDomainName != "api.example.com" || *d.DomainNameStatus != api.DomainNameStatusAvailable {
		t.Errorf("domain %+v", d)
	}
	_, err := f.CreateDomainName(f.ctx, &api.CreateDomainNameRequest{DomainName: d.DomainName, CertificateArn: new(someCertificate)})
	wantError(t, err, "BadRequestException", "already exists")
	_, err = f.CreateDomainName(f.ctx, &api.CreateDomainNameRequest{DomainName: new("no_host"), CertificateArn: new(someCertificate)})
	wantError(t, err, "BadRequestException", "Invalid domain name")
	_, err = f.CreateDomainName(f.ctx, &api.CreateDomainNameRequest{DomainName: new("a.example.com")})
	wantError(t, err, "BadRequestException", "certificate must be provided")

	if got := f.Domain("Api.Example.com."); got == nil || len(got.Mappings) != 0 {
		t.Fatalf("served %+v", got)
	}
	mapped := must(f.CreateBasePathMapping(f.ctx, &api.CreateBasePathMappingRequest{DomainName: d.DomainName, RestApiId: f.api, Stage: new("dev")}))(t)
	if *mapped.BasePath != "(none)" {
		t.Errorf("mapping %+v", mapped)
	}
	must(f.CreateBasePathMapping(f.ctx, &api.CreateBasePathMappingRequest{DomainName: d.DomainName, RestApiId: f.api, BasePath: new("v1/x")}))(t)
	_, err = f.CreateBasePathMapping(f.ctx, &api.CreateBasePathMappingRequest{DomainName: d.DomainName, RestApiId: f.api, BasePath: new("v1/x")})
	wantError(t, err, "ConflictException", "Base path already exists for this domain name")
	_, err = f.CreateBasePathMapping(f.ctx, &api.CreateBasePathMappingRequest{DomainName: d.DomainName, RestApiId: f.api, BasePath: new("a b")})
	wantError(t, err, "BadRequestException", "Invalid base path")
	_, err = f.CreateBasePathMapping(f.ctx, &api.CreateBasePathMappingRequest{DomainName: d.DomainName, RestApiId: new("nosuch"), BasePath: new("c")})
	wantError(t, err, "BadRequestException", "Invalid REST API identifier specified")
	if got := f.Domain("api.example.com"); len(got.Mappings) != 2 || got.Mappings[0].Stage != "dev" || got.Mappings[1].BasePath != "v1/x" {
		t.Errorf("served %+v", got.Mappings)
	}
	up := must(f.UpdateBasePathMapping(f.ctx, &api.UpdateBasePathMappingRequest{DomainName: d.DomainName, BasePath: new("v1/x"),
		PatchOperations: patch("replace", "/basePath", "v2", "replace", "/stage", "dev")}))(t)
	if *up.BasePath != "v2" || *up.Stage != "dev" {
		t.Errorf("updated %+v", up)
	}
	list := must(f.GetBasePathMappings(f.ctx, &api.GetBasePathMappingsRequest{DomainName: d.DomainName, Limit: new(int32(1))}))(t)
	rest := must(f.GetBasePathMappings(f.ctx, &api.GetBasePathMappingsRequest{DomainName: d.DomainName, Position: list.Position}))(t)
	if *list.Items[0].BasePath != "(none)" || len(rest.Items) != 1 || *rest.Items[0].BasePath != "v2" {
		t.Errorf("pages %+v %+v", list.Items, rest.Items)
	}
	must(f.DeleteBasePathMapping(f.ctx, &api.DeleteBasePathMappingRequest{DomainName: d.DomainName, BasePath: new("(none)")}))(t)
	_, err = f.GetBasePathMapping(f.ctx, &api.GetBasePathMappingRequest{DomainName: d.DomainName, BasePath: new("(none)")})
	wantError(t, err, "NotFoundException", "Invalid base path mapping identifier specified")

	got := must(f.UpdateDomainName(f.ctx, &api.UpdateDomainNameRequest{DomainName: d.DomainName, PatchOperations: patch(
		"replace", "/securityPolicy", "TLS_1_0", "replace", "/endpointConfiguration/types/REGIONAL", "EDGE", "replace", "/certificateArn", someCertificate)}))(t)
	if *got.SecurityPolicy != api.SecurityPolicyTls10 || got.EndpointConfiguration.Types[0] != api.EndpointTypeEdge || got.DistributionDomainName == nil {
		t.Errorf("updated %+v", got)
	}
	_, err = f.UpdateDomainName(f.ctx, &api.UpdateDomainNameRequest{DomainName: d.DomainName, PatchOperations: patch("replace", "/routingMode", "ROUTING_RULE_ONLY")})
	wantError(t, err, "BadRequestException", "ROUTING_RULE_ONLY is not supported")

	elsewhere := as(t.Context(), "000000000000", "eu-west-1")
	_, err = f.GetDomainName(elsewhere, &api.GetDomainNameRequest{DomainName: d.DomainName})
	wantError(t, err, "NotFoundException", "Invalid domain name identifier specified")
	if list := must(f.GetDomainNames(elsewhere, &api.GetDomainNamesRequest{}))(t); len(list.Items) != 0 {
		t.Errorf("names of another region %+v", list.Items)
	}
	f.domainNamed("*.wild.example.com")
	if got := f.Domain("a.wild.example.com"); got == nil || got.Name != "*.wild.example.com" {
		t.Errorf("wildcard %+v", got)
	}
	if got := f.Domain("a.b.wild.example.com"); got != nil {
		t.Errorf("a wildcard covers one label, but %+v", got)
	}
	must(f.DeleteDomainName(f.ctx, &api.DeleteDomainNameRequest{DomainName: d.DomainName}))(t)
	if f.Domain("api.example.com") != nil {
		t.Error("a deleted domain is served")
	}
}

func TestMutualTLS(t *testing.T) {
	f := setup(t)
	name := new("mtls.example.com")
	in := &api.CreateDomainNameRequest{DomainName: name, RegionalCertificateArn: new(someCertificate),
		MutualTlsAuthentication: &api.MutualTlsAuthenticationInput{TruststoreUri: new("s3://b/good")}}
	_, err := f.CreateDomainName(f.ctx, in)
	wantError(t, err, "BadRequestException", "Mutual TLS is not available here")
	good, _, err := selfSigned(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	f.truststores = trust{"s3://b/good": good, "s3://b/bad": []byte("no PEM")}
	must(f.CreateDomainName(f.ctx, in))(t)
	if !bytes.Equal(f.Domain(*name).Truststore, good) {
		t.Error("the trust store is not served")
	}
	for uri, want := range map[string]string{"s3://b/bad": "certificates in PEM", "s3://b/none": "there is none"} {
		_, err := f.UpdateDomainName(f.ctx, &api.UpdateDomainNameRequest{DomainName: name, PatchOperations: patch("replace", "/mutualTlsAuthentication/truststoreUri", uri)})
		wantError(t, err, "BadRequestException", want)
	}
	must(f.UpdateDomainName(f.ctx, &api.UpdateDomainNameRequest{DomainName: name, PatchOperations: patch("replace", "/mutualTlsAuthentication/truststoreUri", "")}))(t)
	if f.Domain(*name).Truststore != nil {
		t.Error("the trust store is still served")
	}
}

func TestPrivateDomainAccess(t *testing.T) {
	f := setup(t)
	d := must(f.CreateDomainName(f.ctx, &api.CreateDomainNameRequest{DomainName: new("p.example.com"), CertificateArn: new(someCertificate),
		EndpointConfiguration: &api.EndpointConfiguration{Types: []api.EndpointType{api.EndpointTypePrivate}}}))(t)
	in := &api.CreateDomainNameAccessAssociationRequest{DomainNameArn: d.DomainNameArn, AccessAssociationSource: new("vpce-1"),
		AccessAssociationSourceType: new(api.AccessAssociationSourceTypeVpce)}
	a := must(f.CreateDomainNameAccessAssociation(f.ctx, in))(t)
	_, err := f.CreateDomainNameAccessAssociation(f.ctx, in)
	wantError(t, err, "ConflictException", "already exists")
	must(f.TagResource(f.ctx, &api.TagResourceRequest{ResourceArn: a.DomainNameAccessAssociationArn, Tags: map[string]string{"k": "v"}}))(t)
	if list := must(f.GetDomainNameAccessAssociations(f.ctx, &api.GetDomainNameAccessAssociationsRequest{}))(t); len(list.Items) != 1 || list.Items[0].Tags["k"] != "v" {
		t.Errorf("associations %+v", list.Items)
	}
	_, err = f.RejectDomainNameAccessAssociation(f.ctx, &api.RejectDomainNameAccessAssociationRequest{DomainNameAccessAssociationArn: a.DomainNameAccessAssociationArn, DomainNameArn: new("x")})
	wantError(t, err, "NotFoundException", "Invalid domain name access association")
	must(f.DeleteDomainNameAccessAssociation(f.ctx, &api.DeleteDomainNameAccessAssociationRequest{DomainNameAccessAssociationArn: a.DomainNameAccessAssociationArn}))(t)
	_, err = f.GetDomainName(f.ctx, &api.GetDomainNameRequest{DomainName: d.DomainName, DomainNameId: new("other")})
	wantError(t, err, "NotFoundException", "Invalid domain name identifier")
}

func TestClientCertificates(t *testing.T) {
	f := setup(t)
	f.stage("dev")
	c := must(f.GenerateClientCertificate(f.ctx, &api.GenerateClientCertificateRequest{Description: new("d")}))(t)
	block, _ := pem.Decode([]byte(*c.PemEncodedCertificate))
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := parsed.CheckSignature(parsed.SignatureAlgorithm, parsed.RawTBSCertificate, parsed.Signature); err != nil {
		t.Error(err)
	}
	if !parsed.NotAfter.Equal(*c.ExpirationDate) {
		t.Errorf("good until %v, but says %v", parsed.NotAfter, c.ExpirationDate)
	}
	up := must(f.UpdateClientCertificate(f.ctx, &api.UpdateClientCertificateRequest{ClientCertificateId: c.ClientCertificateId, PatchOperations: patch("replace", "/description", "e")}))(t)
	if *up.Description != "e" {
		t.Errorf("updated %+v", up)
	}
	must(f.updateStage(patch("replace", "/clientCertificateId", *c.ClientCertificateId)...))(t)
	st := f.RESTAPI(*f.api).Stages["dev"]
	if _, err := tls.X509KeyPair(st.ClientCertificate, st.ClientKey); err != nil {
		t.Errorf("what the stage shows: %v", err)
	}
	_, err = f.DeleteClientCertificate(f.ctx, &api.DeleteClientCertificateRequest{ClientCertificateId: c.ClientCertificateId})
	wantError(t, err, "BadRequestException", "in use by stage 'dev'")
	must(f.updateStage(patch("remove", "/clientCertificateId", "")...))(t)
	must(f.DeleteClientCertificate(f.ctx, &api.DeleteClientCertificateRequest{ClientCertificateId: c.ClientCertificateId}))(t)
	if list := must(f.GetClientCertificates(f.ctx, &api.GetClientCertificatesRequest{}))(t); len(list.Items) != 0 {
		t.Errorf("certificates %+v", list.Items)
	}
}

func TestVPCLinks(t *testing.T) {
	f := setup(t)
	nlb := "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/net/n/1"
	l := must(f.CreateVpcLink(f.ctx, &api.CreateVpcLinkRequest{Name: new("l"), TargetArns: []string{nlb}}))(t)
	if got := f.VPCLinkTarget("000000000000", "us-east-1", *l.Id); got != nlb {
		t.Errorf("the link leads to %q", got)
	}
	if *l.Status != api.VpcLinkStatusAvailable {
		t.Errorf("link %+v", l)
	}
	_, err := f.CreateVpcLink(f.ctx, &api.CreateVpcLinkRequest{Name: new("l"), TargetArns: []string{"x"}})
	wantError(t, err, "BadRequestException", "Invalid VpcLink target ARN")
	r := f.resource(f.root, "private")
	f.method(r, "GET")
	must(f.PutIntegration(f.ctx, &api.PutIntegrationRequest{RestApiId: f.api, ResourceId: r, HttpMethod: new("GET"), Type: new(api.IntegrationTypeHttpProxy),
		IntegrationHttpMethod: new("GET"), Uri: new("http://x.example.com/"), ConnectionType: new(api.ConnectionTypeVpcLink), ConnectionId: l.Id}))(t)
	_, err = f.DeleteVpcLink(f.ctx, &api.DeleteVpcLinkRequest{VpcLinkId: l.Id})
	wantError(t, err, "BadRequestException", "is referenced in [Method:GET:/private:"+*f.api+"]")
	must(f.UpdateVpcLink(f.ctx, &api.UpdateVpcLinkRequest{VpcLinkId: l.Id, PatchOperations: patch("replace", "/name", "m")}))(t)
	if got := must(f.GetVpcLinks(f.ctx, &api.GetVpcLinksRequest{}))(t); len(got.Items) != 1 || *got.Items[0].Name != "m" {
		t.Errorf("links %+v", got.Items)
	}
	must(f.DeleteIntegration(f.ctx, &api.DeleteIntegrationRequest{RestApiId: f.api, ResourceId: r, HttpMethod: new("GET")}))(t)
	must(f.DeleteVpcLink(f.ctx, &api.DeleteVpcLinkRequest{VpcLinkId: l.Id}))(t)
	_, err = f.GetVpcLink(f.ctx, &api.GetVpcLinkRequest{VpcLinkId: l.Id})
	wantError(t, err, "NotFoundException", "Invalid Vpc Link identifier specified")
}

func TestSDKs(t *testing.T) {
	f := setup(t)
	f.stage("dev")
	if list := must(f.GetSdkTypes(f.ctx, &api.GetSdkTypesRequest{}))(t); len(list.Items) != 6 {
		t.Errorf("%d types", len(list.Items))
	}
	if got := must(f.GetSdkType(f.ctx, &api.GetSdkTypeRequest{Id: new("java")}))(t); *got.FriendlyName != "Java SDK" {
		t.Errorf("type %+v", got)
	}
	_, err := f.GetSdk(f.ctx, &api.GetSdkRequest{RestApiId: f.api, StageName: new("dev"), SdkType: new("java")})
	wantError(t, err, "NotImplementedException", "does not generate SDKs")
	_, err = f.GetSdk(f.ctx, &api.GetSdkRequest{RestApiId: f.api, StageName: new("dev"), SdkType: new("cobol")})
	wantError(t, err, "NotFoundException", "Invalid SDK type")
}
