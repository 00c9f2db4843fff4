package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/sdk"
)

func returning(t *testing.T, value string) *lambda.CreateFunctionInput {
	return sdk.Python(t, "def handler(event, context):\n    return "+value+"\n")
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return base64.StdEncoding.EncodeToString(s[:])
}

func TestLifeOfAFunction(t *testing.T) {
	ctx, c := open(t)
	in := returning(t, "1")
	in.FunctionName = new(sdk.Name(t))
	in.Description, in.MemorySize, in.Timeout = new("first"), new(int32(256)), new(int32(20))
	in.Environment = &types.Environment{Variables: map[string]string{"KEY": "b"}}
	in.Tags = map[string]string{"team": "blue"}
	name := *in.FunctionName

	made, err := c.Lambda.CreateFunction(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	if made.State != types.StatePending || sdk.String(made.CodeSha256) != sum(in.Code.ZipFile) || made.CodeSize != int64(len(in.Code.ZipFile)) {
		t.Errorf("created: state %s, hash %s, %d bytes", made.State, sdk.String(made.CodeSha256), made.CodeSize)
	}
	if !strings.HasSuffix(sdk.String(made.FunctionArn), ":function:"+name) || sdk.String(made.Version) != "$LATEST" {
		t.Errorf("created %s, version %s", sdk.String(made.FunctionArn), sdk.String(made.Version))
	}
	_, err = c.Lambda.CreateFunction(ctx, in)
	sdk.Expect(t, err, "ResourceConflictException", 409)
	c.WaitActive(t, name)
	if got := c.Call(t, name, "{}"); got != "1" {
		t.Errorf("the function returned %s", got)
	}

	got, err := c.Lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: &name})
	if err != nil {
		t.Fatal(err)
	}
	if got.Tags["team"] != "blue" || got.Configuration.Environment.Variables["KEY"] != "b" || sdk.String(got.Configuration.Description) != "first" || *got.Configuration.MemorySize != 256 {
		t.Errorf("read back: tags %v, environment %v, description %s, %d MB", got.Tags, got.Configuration.Environment, sdk.String(got.Configuration.Description), *got.Configuration.MemorySize)
	}
	if code := download(t, sdk.String(got.Code.Location)); !bytes.Equal(code, in.Code.ZipFile) {
		t.Errorf("Code.Location has %d bytes, not the %d that were uploaded", len(code), len(in.Code.ZipFile))
	}

	second := sdk.Zip(t, map[string]string{"app.py": "def handler(event, context):\n    return 2\n"})
	updated, err := c.Lambda.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: &name, ZipFile: second})
	if err != nil {
		t.Fatal(err)
	}
	if sdk.String(updated.CodeSha256) != sum(second) || sdk.String(updated.RevisionId) == sdk.String(made.RevisionId) {
		t.Errorf("updated: hash %s, revision %s after %s", sdk.String(updated.CodeSha256), sdk.String(updated.RevisionId), sdk.String(made.RevisionId))
	}
	c.WaitUpdated(t, name)
	if got := c.Call(t, name, "{}"); got != "2" {
		t.Errorf("after the update of its code the function returned %s", got)
	}

	_, err = c.Lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: &name, RevisionId: made.RevisionId, Timeout: new(int32(9))})
	sdk.Expect(t, err, "PreconditionFailedException", 412)
	if _, err = c.Lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: &name, Handler: new("other.name"), Description: new("")}); err != nil {
		t.Fatal(err)
	}
	c.WaitUpdated(t, name)
	cfg, err := c.Lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
	if err != nil {
		t.Fatal(err)
	}
	if sdk.String(cfg.Handler) != "other.name" || sdk.String(cfg.Description) != "" || *cfg.Timeout != 20 || cfg.LastUpdateStatus != types.LastUpdateStatusSuccessful {
		t.Errorf("after the update: handler %s, description %q, timeout %d, %s", sdk.String(cfg.Handler), sdk.String(cfg.Description), *cfg.Timeout, cfg.LastUpdateStatus)
	}
	if out := c.Invoke(t, name, "{}"); out.FunctionError == nil || !strings.Contains(string(out.Payload), "Runtime.ImportModuleError") {
		t.Errorf("with a handler that is not there: %s", out.Payload)
	}

	if _, err := c.Lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &name}); err != nil {
		t.Fatal(err)
	}
	_, err = c.Lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: &name})
	sdk.Expect(t, err, "ResourceNotFoundException", 404)
	var gone *types.ResourceNotFoundException
	if !errors.As(err, &gone) || !strings.Contains(gone.ErrorMessage(), "Function not found: arn:aws:lambda:") {
		t.Errorf("the SDK reads the error as %v", err)
	}
	_, err = c.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name})
	sdk.Expect(t, err, "ResourceNotFoundException", 404)
	_, err = c.Lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &name})
	sdk.Expect(t, err, "ResourceNotFoundException", 404)
}

func download(t *testing.T, url string) []byte {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s answers %d: %s", url, res.StatusCode, body)
	}
	return body
}

func TestListFunctionsByPages(t *testing.T) {
	ctx, c := open(t)
	var want []string
	for range 5 {
		in := returning(t, "1")
		want = append(want, c.Create(t, in))
	}
	for _, size := range []int32{1, 2, 50} {
		var got []string
		pages := lambda.NewListFunctionsPaginator(c.Lambda, &lambda.ListFunctionsInput{MaxItems: &size})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Functions) > int(size) {
				t.Errorf("a page of at most %d has %d functions", size, len(page.Functions))
			}
			for _, f := range page.Functions {
				got = append(got, *f.FunctionName)
			}
		}
		for _, name := range want {
			if n := count(got, name); n != 1 {
				t.Errorf("pages of %d list %s %d times", size, name, n)
			}
		}
	}
	_, err := c.Lambda.ListFunctions(ctx, &lambda.ListFunctionsInput{Marker: new("no marker of ours")})
	sdk.Expect(t, err, "InvalidParameterValueException", 400)
}

func count(list []string, s string) int {
	n := 0
	for _, x := range list {
		if x == s {
			n++
		}
	}
	return n
}

func TestVersionsAndAliases(t *testing.T) {
	ctx, c := open(t)
	name := c.Create(t, returning(t, "context.function_version"))
	first, err := c.Lambda.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: &name, Description: new("one")})
	if err != nil {
		t.Fatal(err)
	}
	if sdk.String(first.Version) != "1" {
		t.Fatalf("the first version is %s", sdk.String(first.Version))
	}
	code := sdk.Zip(t, map[string]string{"app.py": "def handler(event, context):\n    return 'second ' + context.function_version\n"})
	second, err := c.Lambda.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: &name, ZipFile: code, Publish: true})
	if err != nil {
		t.Fatal(err)
	}
	if sdk.String(second.Version) != "2" {
		t.Fatalf("the second version is %s", sdk.String(second.Version))
	}
	c.WaitUpdated(t, name)
	for _, want := range []struct{ qualifier, payload, executed string }{
		{"1", `"1"`, "1"}, {"2", `"second 2"`, "2"}, {"$LATEST", `"second $LATEST"`, "$LATEST"},
	} {
		out, err := c.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Qualifier: &want.qualifier})
		if err != nil {
			t.Fatal(err)
		}
		if string(out.Payload) != want.payload || sdk.String(out.ExecutedVersion) != want.executed {
			t.Errorf("%s: %s by version %s", want.qualifier, out.Payload, sdk.String(out.ExecutedVersion))
		}
	}

	alias, err := c.Lambda.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: &name, Name: new("live"), FunctionVersion: new("1")})
	if err != nil {
		t.Fatal(err)
	}
	executed := func() string {
		out, err := c.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: alias.AliasArn})
		if err != nil {
			t.Fatal(err)
		}
		return sdk.String(out.ExecutedVersion)
	}
	if v := executed(); v != "1" {
		t.Errorf("the alias ran version %s", v)
	}
	if _, err := c.Lambda.UpdateAlias(ctx, &lambda.UpdateAliasInput{
		FunctionName: &name, Name: new("live"), FunctionVersion: new("1"),
		RoutingConfig: &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"2": 0.5}},
	}); err != nil {
		t.Fatal(err)
	}
	var ran []string
	for range 60 { // all of one kind once in 2^59 runs
		ran = append(ran, executed())
	}
	if !slices.Contains(ran, "1") || !slices.Contains(ran, "2") {
		t.Errorf("an alias with even weights ran %v", ran)
	}

	versions, err := c.Lambda.ListVersionsByFunction(ctx, &lambda.ListVersionsByFunctionInput{FunctionName: &name})
	if err != nil {
		t.Fatal(err)
	}
	if len(versions.Versions) != 3 {
		t.Errorf("%d versions are listed", len(versions.Versions))
	}
	_, err = c.Lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &name, Qualifier: new("1")})
	sdk.Expect(t, err, "ResourceConflictException", 409) // the alias points to it
	if _, err := c.Lambda.DeleteAlias(ctx, &lambda.DeleteAliasInput{FunctionName: &name, Name: new("live")}); err != nil {
		t.Fatal(err)
	}
	_, err = c.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Qualifier: new("live")})
	sdk.Expect(t, err, "ResourceNotFoundException", 404)
}

func TestResetIsRefusedUnlessAllowed(t *testing.T) {
	d := daemon.Shared(t)
	if !d.Ours() {
		t.Skip("the flags of a -target-url are not known")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.URL+"/_paddock/reset", nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, body := d.Do(t, req); res.StatusCode != http.StatusForbidden {
		t.Errorf("a reset that is not allowed is answered with %d: %s", res.StatusCode, body)
	}
}
