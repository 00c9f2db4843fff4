package lambda

import (
	"errors"
	"strings"
	"testing"
	"time"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/function"
)

func TestUpdateFunctionCode(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	old := w.get("f")
	if _, err := w.invoke("f"); err != nil {
		t.Fatal(err)
	}
	before := w.invoker.last().Version

	w.code.close()
	out := w.update("f", "new")
	if *out.LastUpdateStatus != api.LastUpdateStatusInProgress || *out.State != api.StateActive || *out.RevisionId == *old.RevisionId || *out.CodeSha256 == *old.CodeSha256 {
		t.Errorf("answer %s", asJSON(t, out))
	}
	if got := w.get("f"); *got.LastUpdateStatus != api.LastUpdateStatusInProgress {
		t.Errorf("status %s", *got.LastUpdateStatus)
	}
	// Meanwhile the old code serves, and other updates wait.
	if _, err := w.invoke("f"); err != nil || w.invoker.last().Version != before {
		t.Errorf("during the update: %v, version %+v", err, w.invoker.last().Version)
	}
	_, err := w.UpdateFunctionCode(ctx(), &api.UpdateFunctionCodeRequest{FunctionName: new("f"), ZipFile: zipOf(t, "newer")})
	inProgress := "ResourceConflictException: The operation cannot be performed at this time. An update is in progress for resource: " + arnBase + "f"
	wantErr(t, err, inProgress)
	_, err = w.UpdateFunctionConfiguration(ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: new("f"), Timeout: new(int32(9))})
	wantErr(t, err, inProgress)

	w.code.open()
	w.settled("f")
	if got := w.get("f"); *got.LastUpdateStatus != api.LastUpdateStatusSuccessful || *got.RevisionId != *out.RevisionId {
		t.Errorf("after the update %s", asJSON(t, got))
	}
	if _, err := w.invoke("f"); err != nil {
		t.Fatal(err)
	}
	after := w.invoker.last().Version
	if after == before || after.RevisionID == before.RevisionID || codeFile(t, after) != "new" {
		t.Errorf("serves %+v", after)
	}

	// Damaged code, however large, is refused and changes nothing.
	for _, dry := range []bool{true, false} {
		_, err := w.UpdateFunctionCode(ctx(), &api.UpdateFunctionCodeRequest{FunctionName: new("f"), ZipFile: damagedZip(t), DryRun: new(dry)})
		wantErr(t, err, "InvalidParameterValueException: Could not unzip uploaded file. Please check your file, then try to upload again.")
	}
	if got := w.get("f"); *got.LastUpdateStatus != api.LastUpdateStatusSuccessful || *got.RevisionId != *out.RevisionId {
		t.Errorf("after a refused update %s", asJSON(t, got))
	}
	if _, err := w.invoke("f"); err != nil || w.invoker.last().Version != after {
		t.Errorf("after a refused update: %v", err)
	}
	if n := w.blobCount(); n != 1 {
		t.Errorf("%d archives", n)
	}
}

// When this machine cannot unpack new code, that is told, and tried again when
// the function runs next: the old code's archive is gone.
func TestUpdateDuringAFault(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	if _, err := w.invoke("f"); err != nil {
		t.Fatal(err)
	}
	w.code.fail(errors.New("no space left on device"))
	w.update("f", "new")
	w.settled("f")
	got := w.get("f")
	if *got.State != api.StateActive || *got.LastUpdateStatus != api.LastUpdateStatusFailed || *got.LastUpdateStatusReasonCode != api.LastUpdateStatusReasonCodeInternalError {
		t.Errorf("after the fault %s", asJSON(t, got))
	}
	if _, err := w.invoke("f"); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("during the fault: %v", err)
	}
	if _, err := w.UpdateFunctionConfiguration(ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: new("f"), Timeout: new(int32(9))}); err != nil {
		t.Error(err)
	}
	w.code.fail(nil)
	if _, err := w.invoke("f"); err != nil {
		t.Fatal(err)
	}
	if v := w.invoker.last().Version; codeFile(t, v) != "new" || v.Timeout != 9*time.Second {
		t.Errorf("serves %+v", v)
	}
	if got := w.get("f"); *got.LastUpdateStatus != api.LastUpdateStatusSuccessful {
		t.Errorf("after it ran %s", asJSON(t, got))
	}

	// A function that could not be created likewise.
	w.code.fail(errors.New("no space left on device"))
	w.create("g", func(in *api.CreateFunctionRequest) { in.Code.ZipFile = largeZip(t) })
	if got := w.get("g"); *got.State != api.StateFailed || *got.StateReasonCode != api.StateReasonCodeInternalError {
		t.Errorf("created during the fault %s", asJSON(t, got))
	}
	w.code.fail(nil)
	if _, err := w.invoke("g"); err != nil {
		t.Error(err)
	}
	if got := w.get("g"); *got.State != api.StateActive {
		t.Errorf("after it ran %s", asJSON(t, got))
	}
}

func TestUpdateFunctionCodeRequest(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	was := w.get("f")
	dry, err := w.UpdateFunctionCode(ctx(), &api.UpdateFunctionCodeRequest{FunctionName: new("f"), ZipFile: zipOf(t, "new"), DryRun: new(true)})
	if err != nil || *dry.CodeSha256 == *was.CodeSha256 {
		t.Errorf("dry run: %v %v", dry, err)
	}
	if got := w.get("f"); *got.CodeSha256 != *was.CodeSha256 || *got.RevisionId != *was.RevisionId {
		t.Error("a dry run changed the function")
	}
	for name, tt := range map[string]struct {
		change func(*api.UpdateFunctionCodeRequest)
		err    string
	}{
		"nothing":   {func(in *api.UpdateFunctionCodeRequest) { in.ZipFile = nil }, "InvalidParameterValueException: Please provide a source for function code."},
		"image":     {func(in *api.UpdateFunctionCodeRequest) { in.ImageUri = new("x") }, "InvalidParameterValueException: Please don't provide ImageUri when updating a function with packageType Zip."},
		"revision":  {func(in *api.UpdateFunctionCodeRequest) { in.RevisionId = new("x") }, "PreconditionFailedException: The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"},
		"missing":   {func(in *api.UpdateFunctionCodeRequest) { in.FunctionName = new("g") }, "ResourceNotFoundException: Function not found: " + arnBase + "g"},
		"qualified": {func(in *api.UpdateFunctionCodeRequest) { in.FunctionName = new("f:1") }, "InvalidParameterValueException: This operation is permitted on Lambda functions only…"},
		"arch":      {func(in *api.UpdateFunctionCodeRequest) { in.Architectures = []api.Architecture{"arm64"} }, "InvalidParameterValueException: This Paddock runs on x86_64…"},
	} {
		in := &api.UpdateFunctionCodeRequest{FunctionName: new("f"), ZipFile: zipOf(t, "new")}
		tt.change(in)
		_, err := w.UpdateFunctionCode(ctx(), in)
		t.Log(name)
		wantErr(t, err, tt.err)
	}
	out, err := w.UpdateFunctionCode(ctx(), &api.UpdateFunctionCodeRequest{FunctionName: new("f"), ZipFile: zipOf(t, "new"), Publish: new(true), RevisionId: was.RevisionId})
	if err != nil || *out.Version != "1" || *out.FunctionArn != arnBase+"f:1" {
		t.Errorf("publish: %v %v", out, err)
	}
	w.settled("f")
	// The same again publishes nothing new.
	out, err = w.UpdateFunctionCode(ctx(), &api.UpdateFunctionCodeRequest{FunctionName: new("f"), ZipFile: zipOf(t, "new"), Publish: new(true)})
	if err != nil || *out.Version != "1" {
		t.Errorf("publish again: %v %v", asJSON(t, out), err)
	}
}

func TestUpdateFunctionConfiguration(t *testing.T) {
	w := newWorld(t)
	w.create("f", func(in *api.CreateFunctionRequest) {
		in.Environment = &api.Environment{Variables: map[string]string{"AA": "1"}}
	})
	if _, err := w.invoke("f"); err != nil {
		t.Fatal(err)
	}
	first := w.invoker.last().Version

	out, err := w.UpdateFunctionConfiguration(ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: new("f"), Description: new("words")})
	if err != nil || *out.Description != "words" || *out.LastUpdateStatus != api.LastUpdateStatusInProgress {
		t.Fatalf("%v %v", out, err)
	}
	if _, err := w.invoke("f"); err != nil || w.invoker.last().Version != first {
		t.Errorf("a new description replaced environments (%v)", err)
	}
	if got := w.get("f"); *got.LastUpdateStatus != api.LastUpdateStatusSuccessful || got.Environment.Variables["AA"] != "1" {
		t.Errorf("after the update %s", asJSON(t, got))
	}

	_, err = w.UpdateFunctionConfiguration(ctx(), &api.UpdateFunctionConfigurationRequest{
		FunctionName: new("f"), Timeout: new(int32(7)), MemorySize: new(int32(256)), Handler: new("b.c"), Runtime: new(api.RuntimePython312),
		Environment:      &api.Environment{Variables: map[string]string{"BB": "2"}},
		EphemeralStorage: &api.EphemeralStorage{Size: new(int32(1024))}, TracingConfig: &api.TracingConfig{Mode: new(api.TracingModeActive)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.invoke("f"); err != nil {
		t.Fatal(err)
	}
	v := w.invoker.last().Version
	if v == first || v.Timeout.Seconds() != 7 || v.MemoryMB != 256 || v.Handler != "b.c" || v.Runtime != "python3.12" || v.EphemeralMB != 1024 ||
		v.Tracing != "Active" || len(v.Environment) != 1 || v.Environment["BB"] != "2" || v.CodeDir != first.CodeDir || v.RevisionID == first.RevisionID {
		t.Errorf("serves %+v", v)
	}
	_, err = w.UpdateFunctionConfiguration(ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: new("f"), RevisionId: new("x")})
	wantErr(t, err, "PreconditionFailedException: The Revision Id provided…")
	_, err = w.UpdateFunctionConfiguration(ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: new("f"), Timeout: new(int32(1000))})
	wantErr(t, err, "InvalidParameterValueException: 1 validation error detected: Value '1000' at 'timeout'…")
	_, err = w.UpdateFunctionConfiguration(ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: new("g")})
	wantErr(t, err, "ResourceNotFoundException: Function not found: "+arnBase+"g")
}

func TestLoggingConfig(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	type lc = api.LoggingConfig
	for _, tt := range []struct {
		in   lc
		want string
	}{
		{lc{LogFormat: new(api.LogFormatJson)}, `{"ApplicationLogLevel":"INFO","LogFormat":"JSON","LogGroup":"/aws/lambda/f","SystemLogLevel":"INFO"}`},
		{lc{ApplicationLogLevel: new(api.ApplicationLogLevelDebug)}, `{"ApplicationLogLevel":"DEBUG","LogFormat":"JSON","LogGroup":"/aws/lambda/f","SystemLogLevel":"INFO"}`},
		{lc{LogGroup: new("cool")}, `{"ApplicationLogLevel":"DEBUG","LogFormat":"JSON","LogGroup":"cool","SystemLogLevel":"INFO"}`},
		{lc{LogFormat: new(api.LogFormatText)}, `{"LogFormat":"Text","LogGroup":"cool"}`},
	} {
		if _, err := w.UpdateFunctionConfiguration(ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: new("f"), LoggingConfig: &tt.in}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.invoke("f"); err != nil {
			t.Fatal(err)
		}
		v := w.invoker.last().Version
		runs := lc{LogFormat: new(api.LogFormat(v.LogFormat)), LogGroup: new(v.LogGroup)}
		if v.SystemLogLevel != "" {
			runs.ApplicationLogLevel = new(api.ApplicationLogLevel(v.ApplicationLogLevel))
			runs.SystemLogLevel = new(api.SystemLogLevel(v.SystemLogLevel))
		}
		if got := asJSON(t, runs); got != tt.want {
			t.Errorf("what runs has %s, want %s", got, tt.want)
		}
		if got := asJSON(t, w.get("f").LoggingConfig); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
}

func TestPublishVersion(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	_, err := w.PublishVersion(ctx(), &api.PublishVersionRequest{FunctionName: new("f"), CodeSha256: new("other")})
	wantErr(t, err, "InvalidParameterValueException: CodeSHA256 (other) is different from current CodeSHA256 in $LATEST ("+*w.get("f").CodeSha256+"). Please try again with the CodeSHA256 in $LATEST.")
	_, err = w.PublishVersion(ctx(), &api.PublishVersionRequest{FunctionName: new("f"), RevisionId: new("other")})
	wantErr(t, err, "PreconditionFailedException: The Revision Id provided…")

	rev := *w.get("f").RevisionId
	one, err := w.PublishVersion(ctx(), &api.PublishVersionRequest{FunctionName: new("f"), Description: new("first"), RevisionId: new(rev), CodeSha256: w.get("f").CodeSha256})
	if err != nil || *one.Version != "1" || *one.Description != "first" || *one.FunctionArn != arnBase+"f:1" || *one.State != api.StateActive {
		t.Fatalf("%v %v", one, err)
	}
	if now := *w.get("f").RevisionId; now == rev {
		t.Error("$LATEST kept its revision")
	}
	if v := w.publish("f"); v != "1" {
		t.Errorf("nothing changed, yet version %s came", v)
	}
	w.update("f", "two")
	w.settled("f")
	if v := w.publish("f"); v != "2" {
		t.Errorf("published %s", v)
	}
	for q, want := range map[string]string{"1": "f", "2": "two", "": "two"} {
		fn, arn, err := w.Resolve(t.Context(), account, region, qualify("f", q))
		if err != nil || codeFile(t, fn) != want || arn != qualify(arnBase+"f", q) {
			t.Errorf("%q: %v %s %v", q, fn, arn, err)
		}
		if q != "" && fn.ARN != arnBase+"f:"+q || q == "" && fn.ARN != arnBase+"f" {
			t.Errorf("ARN %s", fn.ARN)
		}
	}
	// A version's number is not used again.
	if _, err := w.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new("f"), Qualifier: new("2")}); err != nil {
		t.Fatal(err)
	}
	if v := w.publish("f"); v != "3" {
		t.Errorf("published %s", v)
	}
	list, err := w.ListVersionsByFunction(ctx(), &api.ListVersionsByFunctionRequest{FunctionName: new("f")})
	if err != nil {
		t.Fatal(err)
	}
	var arns []string
	for _, v := range list.Versions {
		arns = append(arns, *v.FunctionArn)
	}
	if len(arns) != 3 || arns[0] != arnBase+"f:$LATEST" || arns[1] != arnBase+"f:1" || arns[2] != arnBase+"f:3" {
		t.Errorf("versions %v", arns)
	}
}

func TestRevisionsOfEnvironments(t *testing.T) {
	// Publishing makes no new environments of $LATEST necessary.
	w := newWorld(t)
	w.create("f")
	var seen []*function.Version
	for range 2 {
		fn, _, err := w.Resolve(t.Context(), account, region, "f")
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, fn)
		w.publish("f")
	}
	if seen[0] != seen[1] {
		t.Error("publishing replaced the environments of $LATEST")
	}
}
