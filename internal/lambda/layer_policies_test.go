package lambda

import (
	"context"
	"fmt"
	"strings"
	"testing"

	api "github.com/paddock-run/paddock/internal/api/lambda"
)

func TestLayerVersionPolicy(t *testing.T) {
	w := newWorld(t)
	w.layer("l", "shared")
	arn := layerBase + "l:1"
	theirs := ctxFor(other, region)
	read := func(ctx context.Context) error {
		_, err := w.GetLayerVersionByArn(ctx, &api.GetLayerVersionByArnRequest{Arn: new(arn)})
		return err
	}
	denied := "403 AccessDeniedException: User: arn:aws:iam::" + other + ":root is not authorized to perform: lambda:GetLayerVersion on resource: " + arn + " because no resource-based policy allows the lambda:GetLayerVersion action"
	add := func(sid, principal string, change ...func(*api.AddLayerVersionPermissionRequest)) (*api.AddLayerVersionPermissionResponse, error) {
		in := &api.AddLayerVersionPermissionRequest{LayerName: new("l"), VersionNumber: new(int64(1)), StatementId: new(sid), Action: new("lambda:GetLayerVersion"), Principal: new(principal)}
		for _, f := range change {
			f(in)
		}
		return w.AddLayerVersionPermission(ctx(), in)
	}
	remove := func(sid string, revision *string) error {
		_, err := w.RemoveLayerVersionPermission(ctx(), &api.RemoveLayerVersionPermissionRequest{LayerName: new("l"), VersionNumber: new(int64(1)), StatementId: new(sid), RevisionId: revision})
		return err
	}
	policy := func() (*api.GetLayerVersionPolicyResponse, error) {
		return w.GetLayerVersionPolicy(ctx(), &api.GetLayerVersionPolicyRequest{LayerName: new("l"), VersionNumber: new(int64(1))})
	}
	const (
		none  = "ResourceNotFoundException: No policy is associated with the given resource."
		stale = "PreconditionFailedException: The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id"
	)
	_, err := policy()
	wantErr(t, err, none)
	wantErr(t, remove("s1", nil), none)
	wantErr(t, read(theirs), denied)

	// An organization is nobody's here.
	org, err := add("org", "*", func(in *api.AddLayerVersionPermissionRequest) { in.OrganizationId = new("o-1234567890") })
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Sid":"org","Effect":"Allow","Principal":"*","Action":"lambda:GetLayerVersion","Resource":"` + arn + `","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1234567890"}}}`
	if *org.Statement != want {
		t.Errorf("%s", *org.Statement)
	}
	wantErr(t, read(theirs), denied)
	_, err = add("org", "*")
	wantErr(t, err, "ResourceConflictException: The statement id (org) provided already exists. Please provide a new statement id, or remove the existing statement.")
	_, err = add("s1", other, func(in *api.AddLayerVersionPermissionRequest) { in.RevisionId = new("wrong") })
	wantErr(t, err, stale)
	_, err = add("s1", other, func(in *api.AddLayerVersionPermissionRequest) { in.OrganizationId = new("o-1234567890") })
	wantErr(t, err, "InvalidParameterValueException: OrganizationId can only be used with the principal *.")
	s1, err := add("s1", other, func(in *api.AddLayerVersionPermissionRequest) { in.RevisionId = org.RevisionId })
	if err != nil {
		t.Fatal(err)
	}
	got, err := policy()
	if err != nil || *got.RevisionId != *s1.RevisionId || *got.Policy != `{"Version":"2012-10-17","Id":"default","Statement":[`+want+`,`+*s1.Statement+`]}` {
		t.Errorf("%+v %v", got, err)
	}

	// The other account may read it and use it, and no third.
	if err := read(theirs); err != nil {
		t.Error(err)
	}
	wantErr(t, read(ctxFor("333333333333", region)), strings.Replace(denied, other, "333333333333", 1))
	in := createRequest(t, "f")
	in.Layers = []string{arn}
	if _, err := w.CreateFunction(theirs, in); err != nil {
		t.Fatal(err)
	}
	_, err = w.ListLayerVersions(theirs, &api.ListLayerVersionsRequest{LayerName: new(layerBase + "l")})
	wantErr(t, err, "403 AccessDeniedException: …")

	wantErr(t, remove("s2", nil), "ResourceNotFoundException: Statement s2 is not found in resource policy.")
	wantErr(t, remove("s1", new("wrong")), stale)
	if err := remove("s1", s1.RevisionId); err != nil {
		t.Fatal(err)
	}
	wantErr(t, read(theirs), denied)
	if _, err := w.Invoke(theirs, &api.InvocationRequest{FunctionName: new("f")}); err != nil || len(w.invoker.last().Version.LayerDirs) != 1 {
		t.Errorf("a function that had the layer: %v", err)
	}
	if err := remove("org", nil); err != nil {
		t.Fatal(err)
	}
	_, err = policy()
	wantErr(t, err, none)
	if _, err := add("all", "*"); err != nil {
		t.Fatal(err)
	}
	if err := read(theirs); err != nil {
		t.Error(err)
	}

	// A policy goes with its version.
	w.deleteLayer("l", 1)
	wantErr(t, read(theirs), denied)
	missing := "ResourceNotFoundException: Layer version " + arn + " does not exist."
	_, err = policy()
	wantErr(t, err, missing)
	_, err = add("s", "*")
	wantErr(t, err, missing)
	wantErr(t, remove("all", nil), missing)
	if docs, err := w.docs.List(ctx(), layersPrefix(account, region), "", 0); err != nil || len(docs) != 1 {
		t.Errorf("%d documents are left of the layer, want its numbers: %v", len(docs), err)
	}
}

func TestLayerPolicyLimit(t *testing.T) {
	w := newWorld(t)
	w.layer("l", "x")
	var err error
	for i := range 1000 {
		_, err = w.AddLayerVersionPermission(ctx(), &api.AddLayerVersionPermissionRequest{
			LayerName: new("l"), VersionNumber: new(int64(1)), StatementId: new(fmt.Sprintf("%d%s", i, strings.Repeat("s", 90))),
			Action: new("lambda:GetLayerVersion"), Principal: new("*"),
		})
		if err != nil {
			break
		}
	}
	wantErr(t, err, "PolicyLengthExceededException: The final policy size (…")
}
