package lambda

import (
	"fmt"
	"strings"
	"testing"

	api "github.com/paddock-run/paddock/internal/api/lambda"
)

func TestListFunctionsPages(t *testing.T) {
	w := newWorld(t)
	var want []string
	for i := range 7 {
		name := fmt.Sprintf("f%d", i)
		w.create(name)
		want = append(want, arnBase+name)
	}
	w.publish("f2")
	w.update("f2", "x")
	w.settled("f2")
	w.publish("f2")

	pages := func(in api.ListFunctionsRequest) (arns []string, n int) {
		for {
			out, err := w.ListFunctions(ctx(), &in)
			if err != nil {
				t.Fatal(err)
			}
			n++
			for _, f := range out.Functions {
				arns = append(arns, *f.FunctionArn)
			}
			if in.Marker = out.NextMarker; in.Marker == nil {
				return arns, n
			}
		}
	}
	for size, wantPages := range map[int32]int{1: 7, 3: 3, 7: 1, 50: 1, 10000: 1} {
		arns, n := pages(api.ListFunctionsRequest{MaxItems: new(size)})
		if strings.Join(arns, " ") != strings.Join(want, " ") || n != wantPages {
			t.Errorf("by %d: %v in %d pages", size, arns, n)
		}
	}
	for _, size := range []int32{1, 2, 3, 50} {
		arns, _ := pages(api.ListFunctionsRequest{MaxItems: new(size), FunctionVersion: new(api.FunctionVersionAll)})
		if len(arns) != 9 || strings.Join(arns[2:5], " ") != arnBase+"f2:$LATEST "+arnBase+"f2:1 "+arnBase+"f2:2" {
			t.Errorf("all by %d: %v", size, arns)
		}
	}
	_, err := w.ListFunctions(ctx(), &api.ListFunctionsRequest{Marker: new("!")})
	wantErr(t, err, "InvalidParameterValueException: The provided marker is not valid.")
	out, err := w.ListVersionsByFunction(ctx(), &api.ListVersionsByFunctionRequest{FunctionName: new("f2"), MaxItems: new(int32(2))})
	if err != nil || len(out.Versions) != 2 || out.NextMarker == nil {
		t.Fatalf("%v %v", out, err)
	}
	out, err = w.ListVersionsByFunction(ctx(), &api.ListVersionsByFunctionRequest{FunctionName: new("f2"), Marker: out.NextMarker})
	if err != nil || len(out.Versions) != 1 || *out.Versions[0].Version != "2" || out.NextMarker != nil {
		t.Fatalf("%v %v", out, err)
	}
	settings, err := w.GetAccountSettings(ctx(), &api.GetAccountSettingsRequest{})
	if err != nil || *settings.AccountUsage.FunctionCount != 7 || *settings.AccountUsage.TotalCodeSize < 9*100 {
		t.Errorf("account settings %s %v", asJSON(t, settings), err)
	}
}

func TestTags(t *testing.T) {
	w := newWorld(t)
	w.create("f", func(in *api.CreateFunctionRequest) { in.Tags = map[string]string{"a": "1"} })
	arn := new(arnBase + "f")
	tag := func(tags map[string]string) error {
		_, err := w.TagResource(ctx(), &api.TagResourceRequest{Resource: arn, Tags: tags})
		return err
	}
	if err := tag(map[string]string{"a": "2", "b": "3"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.UntagResource(ctx(), &api.UntagResourceRequest{Resource: arn, TagKeys: []string{"b", "zz"}}); err != nil {
		t.Fatal(err)
	}
	out, err := w.ListTags(ctx(), &api.ListTagsRequest{Resource: arn})
	if err != nil || len(out.Tags) != 1 || out.Tags["a"] != "2" {
		t.Errorf("%v %v", out, err)
	}
	wantErr(t, tag(nil), "InvalidParameterValueException: An error occurred and the request cannot be processed.")
	many := map[string]string{}
	for i := range 50 {
		many[fmt.Sprint("k", i)] = ""
	}
	wantErr(t, tag(many), "InvalidParameterValueException: Number of tags exceeds resource tag limit.")
	arn = new(arnBase + "f:$LATEST")
	wantErr(t, tag(map[string]string{"a": "b"}), "InvalidParameterValueException: Tags on function aliases and versions are not supported. Please specify a function ARN.")
	arn = new(arnBase + "g")
	wantErr(t, tag(map[string]string{"a": "b"}), "ResourceNotFoundException: Function not found: "+arnBase+"g")
}

func TestAliases(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	w.publish("f")
	w.update("f", "two")
	w.settled("f")
	w.publish("f")
	weight := func(v string, x float64) *api.AliasRoutingConfiguration {
		return &api.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{v: x}}
	}
	make := func(name, v string, r *api.AliasRoutingConfiguration) (*api.AliasConfiguration, error) {
		return w.CreateAlias(ctx(), &api.CreateAliasRequest{FunctionName: new("f"), Name: new(name), FunctionVersion: new(v), RoutingConfig: r})
	}
	_, err := make("x", "9", nil)
	wantErr(t, err, "ResourceNotFoundException: Function not found: "+arnBase+"f:9")
	_, err = make("x", "1", weight("9", .5))
	wantErr(t, err, "ResourceNotFoundException: Function not found: "+arnBase+"f:9")
	_, err = make("x", "1", weight("1", .5))
	wantErr(t, err, "InvalidParameterValueException: Invalid function version 1. Function version 1 is already included in routing configuration.")
	_, err = make("x", "$LATEST", weight("1", .5))
	wantErr(t, err, "InvalidParameterValueException: $LATEST is not supported for an alias pointing to more than 1 version")
	_, err = make("x", "1", &api.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"2": .1, "3": .1}})
	wantErr(t, err, "InvalidParameterValueException: Number of items in AdditionalVersionWeights cannot be greater than 1")

	a, err := make("live", "1", nil)
	if err != nil || *a.AliasArn != arnBase+"f:live" || *a.Description != "" || a.RoutingConfig != nil {
		t.Fatalf("%v %v", a, err)
	}
	_, err = make("live", "1", nil)
	wantErr(t, err, "ResourceConflictException: Alias already exists: "+arnBase+"f:live")

	// Invocations follow at once, and name the version that ran.
	run := func() string {
		out, err := w.invoke("f:live")
		if err != nil {
			t.Fatal(err)
		}
		if inv := w.invoker.last(); inv.InvokedARN != arnBase+"f:live" || string(out.Payload) != `"`+*out.ExecutedVersion+`"` {
			t.Errorf("invoked %s, executed %s", inv.InvokedARN, *out.ExecutedVersion)
		}
		return *out.ExecutedVersion
	}
	if v := run(); v != "1" {
		t.Errorf("ran %s", v)
	}
	_, err = w.UpdateAlias(ctx(), &api.UpdateAliasRequest{FunctionName: new("f"), Name: new("live"), RevisionId: new("x")})
	wantErr(t, err, "PreconditionFailedException: The Revision Id provided…")
	b, err := w.UpdateAlias(ctx(), &api.UpdateAliasRequest{FunctionName: new("f"), Name: new("live"), FunctionVersion: new("2"), RevisionId: a.RevisionId})
	if err != nil || *b.RevisionId == *a.RevisionId {
		t.Fatalf("%v %v", b, err)
	}
	if v := run(); v != "2" {
		t.Errorf("ran %s", v)
	}
	if _, err = w.UpdateAlias(ctx(), &api.UpdateAliasRequest{FunctionName: new("f"), Name: new("live"), RoutingConfig: weight("1", .25)}); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for range 2000 {
		counts[run()]++
	}
	if n := counts["1"]; n < 380 || n > 620 { // six standard deviations about 500
		t.Errorf("a weight of 0.25 gave %v of 2000", counts)
	}
	_, err = w.UpdateAlias(ctx(), &api.UpdateAliasRequest{FunctionName: new("f"), Name: new("nope")})
	wantErr(t, err, "ResourceNotFoundException: Alias not found: "+arnBase+"f:nope")

	// Versions that an alias needs stay.
	_, err = w.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new("f"), Qualifier: new("1")})
	wantErr(t, err, "ResourceConflictException: Unable to delete version because the following aliases reference it: [live]")

	if _, err := make("also", "1", nil); err != nil {
		t.Fatal(err)
	}
	list, err := w.ListAliases(ctx(), &api.ListAliasesRequest{FunctionName: new("f"), MaxItems: new(int32(1))})
	if err != nil || len(list.Aliases) != 1 || *list.Aliases[0].Name != "also" || list.NextMarker == nil {
		t.Fatalf("%s %v", asJSON(t, list), err)
	}
	list, err = w.ListAliases(ctx(), &api.ListAliasesRequest{FunctionName: new("f"), Marker: list.NextMarker})
	if err != nil || len(list.Aliases) != 1 || *list.Aliases[0].Name != "live" || list.NextMarker != nil {
		t.Fatalf("%s %v", asJSON(t, list), err)
	}
	list, err = w.ListAliases(ctx(), &api.ListAliasesRequest{FunctionName: new("f"), FunctionVersion: new("2")})
	if err != nil || len(list.Aliases) != 1 || *list.Aliases[0].Name != "live" {
		t.Fatalf("%s %v", asJSON(t, list), err)
	}
	for range 2 { // the second time it is gone already
		if _, err := w.DeleteAlias(ctx(), &api.DeleteAliasRequest{FunctionName: new("f"), Name: new("live")}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = w.GetAlias(ctx(), &api.GetAliasRequest{FunctionName: new("f"), Name: new("live")})
	wantErr(t, err, "ResourceNotFoundException: Cannot find alias arn: "+arnBase+"f:live")
	_, err = w.invoke("f:live")
	wantErr(t, err, "ResourceNotFoundException: Function not found: "+arnBase+"f:live")
}

func TestPermissions(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	w.publish("f")
	base := func() *api.AddPermissionRequest {
		return &api.AddPermissionRequest{FunctionName: new("f"), StatementId: new("s3"), Action: new("lambda:InvokeFunction"), Principal: new("s3.amazonaws.com")}
	}
	add := func(change func(*api.AddPermissionRequest)) (string, error) {
		in := base()
		if change != nil {
			change(in)
		}
		out, err := w.AddPermission(ctx(), in)
		if err != nil {
			return "", err
		}
		return *out.Statement, nil
	}
	_, err := add(func(in *api.AddPermissionRequest) { in.Principal = new("invalid.nonaws.com") })
	wantErr(t, err, "InvalidParameterValueException: The provided principal was invalid. Please check the principal and try again.")
	_, err = add(func(in *api.AddPermissionRequest) { in.Qualifier = new("$LATEST") })
	wantErr(t, err, "InvalidParameterValueException: We currently do not support adding policies for $LATEST.")
	_, err = add(func(in *api.AddPermissionRequest) { in.Qualifier = new("42") })
	wantErr(t, err, "ResourceNotFoundException: Function not found: "+arnBase+"f:42")
	_, err = add(func(in *api.AddPermissionRequest) { in.Qualifier = new("none") })
	wantErr(t, err, "ResourceNotFoundException: Cannot find alias arn: "+arnBase+"f:none")
	_, err = add(func(in *api.AddPermissionRequest) { in.FunctionName = new("g") })
	wantErr(t, err, "ResourceNotFoundException: Function not found: "+arnBase+"g")
	_, err = w.GetPolicy(ctx(), &api.GetPolicyRequest{FunctionName: new("f")})
	wantErr(t, err, "ResourceNotFoundException: The resource you requested does not exist.")

	got, err := add(func(in *api.AddPermissionRequest) { in.SourceArn = new("arn:aws:s3:::b") })
	want := `{"Sid":"s3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"` + arnBase + `f","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::b"}}}`
	if err != nil || got != want {
		t.Errorf("%s %v, want %s", got, err, want)
	}
	_, err = add(nil)
	wantErr(t, err, "ResourceConflictException: The statement id (s3) provided already exists. Please provide a new statement id, or remove the existing statement.")
	policy, err := w.GetPolicy(ctx(), &api.GetPolicyRequest{FunctionName: new("f")})
	if err != nil || *policy.Policy != `{"Version":"2012-10-17","Id":"default","Statement":[`+want+`]}` {
		t.Errorf("policy %s %v", asJSON(t, policy), err)
	}
	_, err = add(func(in *api.AddPermissionRequest) { in.StatementId, in.RevisionId = new("a"), new("x") })
	wantErr(t, err, "PreconditionFailedException: The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id")
	got, err = add(func(in *api.AddPermissionRequest) {
		in.StatementId, in.RevisionId, in.Principal, in.SourceAccount, in.Qualifier = new("a"), nil, new("222222222222"), new("222222222222"), new("1")
	})
	want = `{"Sid":"a","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::222222222222:root"},"Action":"lambda:InvokeFunction","Resource":"` + arnBase + `f:1","Condition":{"StringEquals":{"AWS:SourceAccount":"222222222222"}}}`
	if err != nil || got != want {
		t.Errorf("%s %v, want %s", got, err, want)
	}
	var long error
	for i := 0; long == nil && i < 500; i++ {
		_, long = add(func(in *api.AddPermissionRequest) {
			in.StatementId = new(fmt.Sprintf("%s%d", strings.Repeat("s", 90), i))
		})
	}
	wantErr(t, long, "PolicyLengthExceededException: The final policy size (…")

	remove := func(sid, qualifier string) error {
		in := &api.RemovePermissionRequest{FunctionName: new("f"), StatementId: new(sid)}
		if qualifier != "" {
			in.Qualifier = new(qualifier)
		}
		_, err := w.RemovePermission(ctx(), in)
		return err
	}
	wantErr(t, remove("none", ""), "ResourceNotFoundException: Statement none is not found in resource policy.")
	wantErr(t, remove("s3", "none"), "ResourceNotFoundException: Cannot find alias arn: "+arnBase+"f:none")
	wantErr(t, remove("s3", ""), "")
	wantErr(t, remove("a", "1"), "")
	wantErr(t, remove("a", "1"), "ResourceNotFoundException: No policy is associated with the given resource.")
}
