package lambda

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"strings"
	"sync"
	"testing"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/archive"
	"github.com/paddock-run/paddock/internal/function"
)

// asJSON shows an answer without its absent members.
func asJSON(t testing.TB, v any) string {
	t.Helper()
	var prune func(any) any
	prune = func(v any) any {
		if m, ok := v.(map[string]any); ok {
			for k, x := range m {
				if m[k] = prune(x); m[k] == nil {
					delete(m, k)
				}
			}
		}
		return v
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var m any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	b, _ = json.Marshal(prune(m))
	return string(b)
}

func TestCreateFunctionAnswer(t *testing.T) {
	w := newWorld(t)
	in := createRequest(t, "f")
	in.Environment = &api.Environment{Variables: map[string]string{"AA": "b"}}
	in.Tags = map[string]string{"team": "x"}
	out, err := w.CreateFunction(ctx(), in)
	if err != nil {
		t.Fatal(err)
	}
	common := `"Architectures":["x86_64"],"CodeSha256":"%s","CodeSize":%d,"Description":"","Environment":{"Variables":{"AA":"b"}},"EphemeralStorage":{"Size":512},` +
		`"FunctionArn":"` + arnBase + `f","FunctionName":"f","Handler":"index.handler","LastModified":"2026-11-22T16:38:45.123+0000",%s` +
		`"LoggingConfig":{"LogFormat":"Text","LogGroup":"/aws/lambda/f"},"MemorySize":128,"PackageType":"Zip","RevisionId":"%s","Role":"` + role + `","Runtime":"python3.13",` +
		`%s"SnapStart":{"ApplyOn":"None","OptimizationStatus":"Off"},%s"Timeout":3,"TracingConfig":{"Mode":"PassThrough"},"Version":"$LATEST"`
	runtimeVersion := `"RuntimeVersionConfig":{"RuntimeVersionArn":"` + *out.RuntimeVersionConfig.RuntimeVersionArn + `"},`
	sum := codeSHA256(mustTake(t, in.Code.ZipFile).sha256)
	want := fmt.Sprintf("{"+common+"}", sum, len(in.Code.ZipFile), "", *out.RevisionId, runtimeVersion,
		`"State":"Pending","StateReason":"The function is being created.","StateReasonCode":"Creating",`)
	if got := asJSON(t, out); got != want {
		t.Errorf("answer\n%s\nwant\n%s", got, want)
	}
	w.settled("f")
	got, err := w.GetFunction(ctx(), &api.GetFunctionRequest{FunctionName: new("f")})
	if err != nil {
		t.Fatal(err)
	}
	want = fmt.Sprintf("{"+common+"}", sum, len(in.Code.ZipFile), `"LastUpdateStatus":"Successful",`, *out.RevisionId, runtimeVersion, `"State":"Active",`)
	if got := asJSON(t, got.Configuration); got != want {
		t.Errorf("GetFunction\n%s\nwant\n%s", got, want)
	}
	if got.Tags["team"] != "x" || *got.Code.RepositoryType != "S3" {
		t.Errorf("tags %v, code %v", got.Tags, asJSON(t, got.Code))
	}
	list, err := w.ListFunctions(ctx(), &api.ListFunctionsRequest{})
	if err != nil || len(list.Functions) != 1 {
		t.Fatal(list, err)
	}
	want = fmt.Sprintf("{"+common+"}", sum, len(in.Code.ZipFile), "", *out.RevisionId, "", "")
	if got := asJSON(t, list.Functions[0]); got != want {
		t.Errorf("ListFunctions\n%s\nwant\n%s", got, want)
	}
}

func mustTake(t testing.TB, b []byte) *code {
	t.Helper()
	c, err := takeCode(t.Context(), b, nil, nil, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func zipEntry(t testing.TB, name string, size int, random bool) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	f, err := z.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	src := io.Reader(zeros{})
	if random {
		src = rand.New(rand.NewSource(1))
	}
	if _, err := io.CopyN(f, src, int64(size)); err != nil {
		t.Fatal(err)
	}
	z.Close()
	return buf.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestCreateFunctionRefuses(t *testing.T) {
	w := newWorld(t)
	w.create("taken")
	big := strings.Repeat("x", 4096)
	unsupportedErr := func(what string) string {
		return "InvalidParameterValueException: Paddock does not support " + what + " yet. Remove it from the request."
	}
	type req = api.CreateFunctionRequest
	for _, tt := range []struct {
		name   string
		change func(*req)
		err    string
	}{
		{"exists", func(in *req) { in.FunctionName = new("taken") }, "ResourceConflictException: Function already exist: taken"},
		{"long name", func(in *req) { in.FunctionName = new(strings.Repeat("a", 65)) }, "InvalidParameterValueException: 1 validation error detected: Value '" + strings.Repeat("a", 65) + "' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		{"qualified", func(in *req) { in.FunctionName = new("f:1") }, "InvalidParameterValueException: 1 validation error detected: Value 'f:1' at 'functionName'…"},
		{"other region", func(in *req) { in.FunctionName = new("arn:aws:lambda:ap-southeast-1:111111111111:function:f") }, "ResourceNotFoundException: Functions from 'ap-southeast-1' are not reachable in this region ('us-east-1')"},
		{"no runtime", func(in *req) { in.Runtime = nil }, "InvalidParameterValueException: Runtime and Handler are mandatory parameters for functions created with deployment packages."},
		{"no handler", func(in *req) { in.Handler = nil }, "InvalidParameterValueException: Runtime and Handler are mandatory parameters for functions created with deployment packages."},
		{"unknown runtime", func(in *req) { in.Runtime = new(api.Runtime("PYTHON3.9")) }, "InvalidParameterValueException: Value PYTHON3.9 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: […"},
		{"timeout", func(in *req) { in.Timeout = new(int32(901)) }, "InvalidParameterValueException: 1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900"},
		{"memory", func(in *req) { in.MemorySize = new(int32(10241)) }, "InvalidParameterValueException: 'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 10240"},
		{"no code", func(in *req) { in.Code = &api.FunctionCode{} }, "InvalidParameterValueException: Please provide a source for function code."},
		{"empty code", func(in *req) { in.Code.ZipFile = []byte{} }, "InvalidParameterValueException: Uploaded file must be a non-empty zip"},
		{"empty zip", func(in *req) { in.Code.ZipFile = []byte("PK\x05\x06" + strings.Repeat("\x00", 18)) }, "InvalidParameterValueException: Uploaded file must be a non-empty zip"},
		{"no zip", func(in *req) { in.Code.ZipFile = []byte("hello") }, "InvalidParameterValueException: Could not unzip uploaded file. Please check your file, then try to upload again."},
		{"traversal", func(in *req) { in.Code.ZipFile = zipEntry(t, "../evil", 1, false) }, `InvalidParameterValueException: Could not unzip uploaded file. Please check your file, then try to upload again. Reason: "../evil": leads out of the archive`},
		{"bomb", func(in *req) { in.Code.ZipFile = zipEntry(t, "z", 262144001, false) }, "InvalidParameterValueException: Unzipped size must be smaller than 262144000 bytes"},
		{"zipped size", func(in *req) { in.Code.ZipFile = make([]byte, 52428801) }, "413 RequestEntityTooLargeException: Zipped size must be smaller than 52428800 bytes"},
		{"s3", func(in *req) { in.Code = &api.FunctionCode{S3Bucket: new("b"), S3Key: new("k")} }, "InvalidParameterValueException: Paddock does not support code from Amazon S3 yet. Send the archive as ZipFile."},
		{"image", func(in *req) { in.PackageType = new(api.PackageTypeImage) }, "InvalidParameterValueException: Please don't provide Runtime or Handler or Layer when the intended function PackageType is Image."},
		{"image uri", func(in *req) { in.Code = &api.FunctionCode{ImageUri: new("x")} }, "InvalidParameterValueException: Please don't provide ImageUri when creating a function with packageType Zip."},
		{"architecture", func(in *req) { in.Architectures = []api.Architecture{"arm64"} }, "InvalidParameterValueException: This Paddock runs on x86_64 and cannot run arm64 functions…"},
		{"vpc", func(in *req) { in.VpcConfig = &api.VpcConfig{SubnetIds: []string{"subnet-1"}} }, unsupportedErr("VpcConfig")},
		{"dead letter", func(in *req) { in.DeadLetterConfig = &api.DeadLetterConfig{TargetArn: new("arn:x")} }, "InvalidParameterValueException: Invalid dead letter ARN: arn:x"},
		{"kms", func(in *req) { in.KMSKeyArn = new("arn:aws:kms:x") }, unsupportedErr("KMSKeyArn")},
		{"layers", func(in *req) { in.Layers = []string{"arn:l"} }, "400 ValidationException: 1 validation error detected: Value '[arn:l]' at 'layers' failed to satisfy constraint: …"},
		{"efs", func(in *req) { in.FileSystemConfigs = []*api.FileSystemConfig{{}} }, unsupportedErr("FileSystemConfigs")},
		{"snap start", func(in *req) { in.SnapStart = &api.SnapStart{ApplyOn: new(api.SnapStartApplyOnPublishedVersions)} }, unsupportedErr("SnapStart on PublishedVersions")},
		{"code signing", func(in *req) { in.CodeSigningConfigArn = new("arn:c") }, unsupportedErr("CodeSigningConfigArn")},
		{"durable", func(in *req) { in.DurableConfig = &api.DurableConfig{} }, unsupportedErr("DurableConfig")},
		{"tenancy", func(in *req) { in.TenancyConfig = &api.TenancyConfig{} }, unsupportedErr("TenancyConfig")},
		{"capacity", func(in *req) { in.CapacityProviderConfig = &api.CapacityProviderConfig{} }, unsupportedErr("CapacityProviderConfig")},
		{"reserved variables", func(in *req) {
			in.Environment = &api.Environment{Variables: map[string]string{"AWS_REGION": "x", "AWS_ACCESS_KEY_ID": "y", "OK": "z"}}
		}, "InvalidParameterValueException: Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: AWS_ACCESS_KEY_ID, AWS_REGION"},
		{"large environment", func(in *req) {
			in.Environment = &api.Environment{Variables: map[string]string{"SMALL": "ok", "LARGE": big}}
		}, `InvalidParameterValueException: Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {"LARGE":"` + big + `","SMALL":"ok"}`},
		{"log level", func(in *req) {
			in.LoggingConfig = &api.LoggingConfig{LogFormat: new(api.LogFormatText), SystemLogLevel: new(api.SystemLogLevelDebug)}
		}, "InvalidParameterValueException: ApplicationLogLevel and SystemLogLevel can only be set when LogFormat is JSON."},
		{"aws tag", func(in *req) { in.Tags = map[string]string{"aws:x": "y"} }, "InvalidParameterValueException: Tag keys that begin with aws: are reserved for AWS use."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := createRequest(t, "f")
			tt.change(in)
			_, err := w.CreateFunction(ctx(), in)
			wantErr(t, err, tt.err)
			list, err := w.ListFunctions(ctx(), &api.ListFunctionsRequest{})
			if err != nil || len(list.Functions) != 1 {
				t.Errorf("left %d functions behind (%v)", len(list.Functions), err)
			}
		})
	}
	// Empty forms of what is not supported mean "none".
	w.create("empties", func(in *req) {
		in.VpcConfig = &api.VpcConfig{SubnetIds: []string{}, SecurityGroupIds: []string{}}
		in.DeadLetterConfig = &api.DeadLetterConfig{TargetArn: new("")}
		in.KMSKeyArn, in.Layers, in.FileSystemConfigs = new(""), []string{}, []*api.FileSystemConfig{}
		in.SnapStart = &api.SnapStart{ApplyOn: new(api.SnapStartApplyOnNone)}
	})
	// Exactly 4 KB of variables as JSON pass.
	w.create("full", func(in *req) {
		in.Environment = &api.Environment{Variables: map[string]string{"AB": strings.Repeat("<", 4096-len(`{"AB":""}`))}}
	})
}

func TestCreateFunctionIsOneOfMany(t *testing.T) {
	w := newWorld(t)
	const n = 8
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { _, errs[i] = w.CreateFunction(ctx(), createRequest(t, "f")) })
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		} else {
			wantErr(t, err, "ResourceConflictException: Function already exist: f")
		}
	}
	if made != 1 {
		t.Errorf("%d creations succeeded", made)
	}
}

func TestCreateFunctionPublish(t *testing.T) {
	w := newWorld(t)
	out := w.create("f", func(in *api.CreateFunctionRequest) { in.Publish = new(true) })
	if *out.Version != "1" || *out.FunctionArn != arnBase+"f" || *out.State != api.StatePending {
		t.Errorf("answer %s", asJSON(t, out))
	}
	got, err := w.GetFunction(ctx(), &api.GetFunctionRequest{FunctionName: new("f"), Qualifier: new("1")})
	if err != nil || *got.Configuration.FunctionArn != arnBase+"f:1" || *got.Configuration.State != api.StateActive || *got.Configuration.RevisionId != *out.RevisionId {
		t.Errorf("version 1: %s, %v", asJSON(t, got), err)
	}
	if got := w.get("f"); *got.Version != "$LATEST" || *got.RevisionId == *out.RevisionId {
		t.Errorf("$LATEST: %s", asJSON(t, got))
	}
}

// largeZip is an archive that is not unpacked while its creator waits.
func largeZip(t testing.TB) []byte { return zipEntry(t, "index.py", smallUnzipped+1, false) }

// damagedZip is a large archive whose directory is right and whose data is not.
func damagedZip(t testing.TB) []byte {
	b := largeZip(t)
	b[bytes.Index(b, []byte("index.py"))+20] ^= 0xff
	return b
}

func TestSmallCodeIsActiveAtOnce(t *testing.T) {
	w := newWorld(t)
	w.code.close() // nothing can be unpacked
	out, err := w.CreateFunction(ctx(), createRequest(t, "f"))
	if err != nil || *out.State != api.StatePending {
		t.Fatalf("%v %v", out, err)
	}
	if got := w.get("f"); *got.State != api.StateActive || *got.LastUpdateStatus != api.LastUpdateStatusSuccessful {
		t.Errorf("state %s", asJSON(t, got))
	}
	w.code.open()
	if _, err := w.invoke("f"); err != nil || codeFile(t, w.invoker.last().Version) != "f" {
		t.Error(err)
	}
	small := zipEntry(t, "index.py", 2000, false)
	small[bytes.Index(small, []byte("index.py"))+20] ^= 0xff
	for _, bad := range [][]byte{small, damagedZip(t)} {
		in := createRequest(t, "bad")
		in.Code.ZipFile = bad
		_, err = w.CreateFunction(ctx(), in)
		wantErr(t, err, "InvalidParameterValueException: Could not unzip uploaded file. Please check your file, then try to upload again.")
	}
}

func TestCreatedAndChangedFunctionsAreExpected(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	if _, err := w.UpdateFunctionConfiguration(ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: new("f"), Runtime: new(api.RuntimeNodejs22x)}); err != nil {
		t.Fatal(err)
	}
	w.invoker.mu.Lock()
	defer w.invoker.mu.Unlock()
	if got, want := fmt.Sprint(w.invoker.expected), "[f python3.13 f nodejs22.x]"; got != want {
		t.Errorf("told to expect %s, want %s", got, want)
	}
}

func TestPending(t *testing.T) {
	w := newWorld(t)
	w.code.close()
	in := createRequest(t, "f")
	in.Code.ZipFile = largeZip(t)
	if _, err := w.CreateFunction(ctx(), in); err != nil {
		t.Fatal(err)
	}
	pending := "ResourceConflictException: The operation cannot be performed at this time. The function is currently in the following state: Pending"
	if got := w.get("f"); *got.State != api.StatePending {
		t.Errorf("state %s", *got.State)
	}
	_, err := w.invoke("f")
	wantErr(t, err, pending)
	_, err = w.UpdateFunctionCode(ctx(), &api.UpdateFunctionCodeRequest{FunctionName: new("f"), ZipFile: zipOf(t, "x")})
	wantErr(t, err, pending)
	_, err = w.UpdateFunctionConfiguration(ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: new("f"), Timeout: new(int32(5))})
	wantErr(t, err, pending)
	_, err = w.PublishVersion(ctx(), &api.PublishVersionRequest{FunctionName: new("f")})
	wantErr(t, err, pending)
	// Tags do not wait, and do not disturb.
	if _, err := w.TagResource(ctx(), &api.TagResourceRequest{Resource: new(arnBase + "f"), Tags: map[string]string{"a": "b"}}); err != nil {
		t.Error(err)
	}
	w.code.open()
	w.settled("f")
	if _, err := w.invoke("f"); err != nil {
		t.Error(err)
	}

	// What only this host's file system refuses fails when it is unpacked, and
	// stays so until there is new code.
	w.code.fail(&archive.Error{Kind: archive.Unsafe, Entry: "A", Detail: "is a"})
	large := largeZip(t)
	w.create("bad", func(in *api.CreateFunctionRequest) { in.Code.ZipFile = large })
	w.code.fail(nil)
	got := w.get("bad")
	if *got.State != api.StateFailed || *got.StateReasonCode != api.StateReasonCodeInvalidZipFileException || !strings.HasPrefix(*got.StateReason, "Could not unzip") {
		t.Errorf("state %s", asJSON(t, got))
	}
	_, err = w.invoke("bad")
	wantErr(t, err, "ResourceConflictException: The operation cannot be performed at this time. The function is currently in the following state: Failed")
	w.update("bad", "good now")
	w.settled("bad")
	if _, err := w.invoke("bad"); err != nil {
		t.Errorf("after new code: %v", err)
	}
}

func BenchmarkCreateFunction(b *testing.B) {
	w := newWorld(b)
	zips := make([][]byte, 64)
	for i := range zips {
		zips[i] = zipOf(b, fmt.Sprint(i))
	}
	var mu sync.Mutex
	n := 0
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			mu.Lock()
			n++
			i := n
			mu.Unlock()
			in := createRequest(b, fmt.Sprintf("f%d", i))
			in.Code.ZipFile = zips[i%len(zips)]
			if _, err := w.CreateFunction(ctx(), in); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkCreateFunctionOwnCode(b *testing.B) {
	w := newWorld(b)
	var mu sync.Mutex
	n := 0
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			mu.Lock()
			n++
			i := n
			mu.Unlock()
			if _, err := w.CreateFunction(ctx(), createRequest(b, fmt.Sprintf("f%d", i))); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkGetFunction(b *testing.B) {
	w := newWorld(b)
	w.create("f")
	c := ctx()
	in := &api.GetFunctionRequest{FunctionName: new("f")}
	for b.Loop() {
		if _, err := w.GetFunction(c, in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInvokePath(b *testing.B) {
	w := newWorld(b)
	w.invoker.result = &function.Result{Payload: []byte("1")}
	w.create("f")
	c := ctx()
	in := &api.InvocationRequest{FunctionName: new("f"), Payload: []byte(`{"a":1}`)}
	for b.Loop() {
		if _, err := w.Invoke(c, in); err != nil {
			b.Fatal(err)
		}
	}
}
