package lambda

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/store"
)

const (
	layerBase = "arn:aws:lambda:us-east-1:111111111111:layer:"
	other     = "222222222222"
)

func (w *world) layer(name, body string, change ...func(*api.PublishLayerVersionRequest)) *api.PublishLayerVersionResponse {
	w.t.Helper()
	in := &api.PublishLayerVersionRequest{LayerName: new(name), Content: &api.LayerVersionContentInput{ZipFile: zipOf(w.t, body)}}
	for _, f := range change {
		f(in)
	}
	out, err := w.PublishLayerVersion(ctx(), in)
	if err != nil {
		w.t.Fatalf("publish %s: %v", name, err)
	}
	return out
}

func (w *world) deleteLayer(name string, number int64) {
	w.t.Helper()
	if _, err := w.DeleteLayerVersion(ctx(), &api.DeleteLayerVersionRequest{LayerName: new(name), VersionNumber: new(number)}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) configure(name string, layers ...string) (*api.FunctionConfiguration, error) {
	if layers == nil {
		layers = []string{}
	}
	return w.UpdateFunctionConfiguration(ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: new(name), Layers: layers})
}

func withLayers(arns ...string) func(*api.CreateFunctionRequest) {
	return func(in *api.CreateFunctionRequest) { in.Layers = arns }
}

// layersSeen are the contents of the layers that an invocation of name runs with.
func (w *world) layersSeen(name string) []string {
	w.t.Helper()
	if _, err := w.invoke(name); err != nil {
		w.t.Fatal(err)
	}
	var seen []string
	for _, dir := range w.invoker.last().Version.LayerDirs {
		b, err := os.ReadFile(filepath.Join(dir, "index.py"))
		if err != nil {
			w.t.Fatal(err)
		}
		seen = append(seen, string(b))
	}
	return seen
}

func (w *world) wantLayers(name string, want ...string) {
	w.t.Helper()
	if got := w.layersSeen(name); !slices.Equal(got, want) {
		w.t.Errorf("%s runs with the layers %q, want %q", name, got, want)
	}
}

// bigZip is an archive of size zeros, unzipped.
func bigZip(t testing.TB, size int64) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	f, err := w.Create("zeros")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(f, zeros{}, size); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestPublishLayerVersion(t *testing.T) {
	w := newWorld(t)
	out := w.layer("l", "one", func(in *api.PublishLayerVersionRequest) {
		in.Description, in.LicenseInfo = new("d"), new("MIT")
		in.CompatibleRuntimes, in.CompatibleArchitectures = []api.Runtime{"python3.13"}, []api.Architecture{}
	})
	content := zipOf(t, "one")
	if *out.LayerArn != layerBase+"l" || *out.LayerVersionArn != layerBase+"l:1" || *out.Version != 1 || *out.Description != "d" ||
		*out.LicenseInfo != "MIT" || *out.CreatedDate != "2026-11-22T16:38:45.123+0000" || len(out.CompatibleRuntimes) != 1 ||
		out.CompatibleArchitectures == nil || *out.Content.CodeSize != int64(len(content)) {
		t.Errorf("%+v %+v", out, out.Content)
	}
	if again := w.layer("l", "one"); *again.Version != 2 || again.CompatibleRuntimes != nil || *again.Description != "" || again.LicenseInfo != nil {
		t.Errorf("the second is %+v", again)
	}
	for _, read := range []func() (*api.GetLayerVersionResponse, error){
		func() (*api.GetLayerVersionResponse, error) {
			return w.GetLayerVersion(ctx(), &api.GetLayerVersionRequest{LayerName: new("l"), VersionNumber: new(int64(1))})
		},
		func() (*api.GetLayerVersionResponse, error) {
			return w.GetLayerVersion(ctx(), &api.GetLayerVersionRequest{LayerName: new(layerBase + "l"), VersionNumber: new(int64(1))})
		},
		func() (*api.GetLayerVersionResponse, error) {
			return w.GetLayerVersionByArn(ctx(), &api.GetLayerVersionByArnRequest{Arn: new(layerBase + "l:1")})
		},
	} {
		got, err := read()
		if err != nil {
			t.Fatal(err)
		}
		if *got.LayerVersionArn != layerBase+"l:1" || *got.Content.CodeSha256 != *out.Content.CodeSha256 || got.CompatibleArchitectures == nil || *got.CreatedDate != *out.CreatedDate {
			t.Errorf("%+v", got)
		}
		token := (*got.Content.Location)[strings.LastIndex(*got.Content.Location, "/")+1:]
		file, err := w.CodeByToken(ctx(), token)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(file.Content)
		if err != nil || !bytes.Equal(body, content) || file.FileName != "l-1.zip" {
			t.Errorf("%s has %d bytes: %v", file.FileName, len(body), err)
		}
		if err := file.Content.Close(); err != nil {
			t.Error(err)
		}
	}
	usage, err := w.GetAccountSettings(ctx(), &api.GetAccountSettingsRequest{})
	if err != nil || *usage.AccountUsage.TotalCodeSize != int64(2*len(content)) {
		t.Errorf("the account uses %+v: %v", usage, err)
	}
}

func TestPublishLayerVersionRefuses(t *testing.T) {
	w := newWorld(t)
	damaged := bigZip(t, smallUnzipped+1)
	damaged[100] ^= 0xff
	for _, c := range []struct {
		name   string
		change func(*api.PublishLayerVersionRequest)
		want   string
	}{
		{"nothing", func(in *api.PublishLayerVersionRequest) { in.Content = &api.LayerVersionContentInput{} }, "InvalidParameterValueException: Please provide a source for layer content."},
		{"S3", func(in *api.PublishLayerVersionRequest) {
			in.Content = &api.LayerVersionContentInput{S3Bucket: new("b"), S3Key: new("k")}
		}, "InvalidParameterValueException: Paddock does not support code from Amazon S3 yet.…"},
		{"no ZIP", func(in *api.PublishLayerVersionRequest) { in.Content.ZipFile = []byte("no") }, "InvalidParameterValueException: Could not unzip uploaded file. Please check your file, then try to upload again."},
		{"damaged", func(in *api.PublishLayerVersionRequest) { in.Content.ZipFile = damaged }, "InvalidParameterValueException: Could not unzip uploaded file. Please check your file, then try to upload again."},
		{"empty", func(in *api.PublishLayerVersionRequest) { in.Content.ZipFile = []byte{} }, "InvalidParameterValueException: Uploaded file must be a non-empty zip"},
		{"too large", func(in *api.PublishLayerVersionRequest) { in.Content.ZipFile = bigZip(t, 262144001) }, "InvalidParameterValueException: Unzipped size must be smaller than 262144000 bytes"},
		{"name", func(in *api.PublishLayerVersionRequest) { in.LayerName = new("a:b") }, "400 ValidationException: 1 validation error detected: Value 'a:b' at 'layerName' failed…"},
		{"long name", func(in *api.PublishLayerVersionRequest) { in.LayerName = new(strings.Repeat("n", 98)) }, "InvalidParameterValueException: The layer's name is too long:…"},
		{"another account", func(in *api.PublishLayerVersionRequest) {
			in.LayerName = new("arn:aws:lambda:us-east-1:" + other + ":layer:l")
		}, "403 AccessDeniedException: User: arn:aws:iam::111111111111:root is not authorized to perform: lambda:PublishLayerVersion on resource: arn:aws:lambda:us-east-1:" + other + ":layer:l because…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := &api.PublishLayerVersionRequest{LayerName: new("l"), Content: &api.LayerVersionContentInput{ZipFile: zipOf(t, "x")}}
			c.change(in)
			_, err := w.PublishLayerVersion(ctx(), in)
			wantErr(t, err, c.want)
		})
	}
	if n := w.docCount(); n != 0 {
		t.Errorf("%d documents are left", n)
	}
	waitFor(t, "the archives to go", func() bool { return w.blobCount() == 0 })
}

func TestLayerVersionNumbersAreNotUsedAgain(t *testing.T) {
	w := newWorld(t)
	w.layer("l", "one")
	w.layer("l", "two")
	for range 2 { // the second time there is nothing, which is no error
		w.deleteLayer("l", 1)
		w.deleteLayer("l", 2)
	}
	w.deleteLayer("never", 1)
	_, err := w.GetLayerVersion(ctx(), &api.GetLayerVersionRequest{LayerName: new("l"), VersionNumber: new(int64(2))})
	wantErr(t, err, "ResourceNotFoundException: The resource you requested does not exist.")
	_, err = w.GetLayerVersion(ctx(), &api.GetLayerVersionRequest{LayerName: new("l"), VersionNumber: new(int64(0))})
	wantErr(t, err, "InvalidParameterValueException: Layer Version Cannot be less than 1")
	_, err = w.DeleteLayerVersion(ctx(), &api.DeleteLayerVersionRequest{LayerName: new("l"), VersionNumber: new(int64(-1))})
	wantErr(t, err, "InvalidParameterValueException: Layer Version Cannot be less than 1")
	w.restart()
	if out := w.layer("l", "three"); *out.Version != 3 {
		t.Errorf("the next version is %d", *out.Version)
	}

	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[int64]bool{}
	for range 8 {
		wg.Go(func() {
			out, err := w.PublishLayerVersion(ctx(), &api.PublishLayerVersionRequest{LayerName: new("l"), Content: &api.LayerVersionContentInput{ZipFile: zipOf(t, "same")}})
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			seen[*out.Version] = true
		})
	}
	wg.Wait()
	if len(seen) != 8 {
		t.Errorf("eight requests at once got the numbers %v", seen)
	}
}

func TestListLayers(t *testing.T) {
	w := newWorld(t)
	var want []string
	for i := range 12 {
		name := fmt.Sprintf("l%d", i)
		w.layer(name, "one", func(in *api.PublishLayerVersionRequest) {
			in.CompatibleRuntimes, in.CompatibleArchitectures = []api.Runtime{"python3.13"}, []api.Architecture{"x86_64"}
		})
		w.layer(name, "two")
		want = append(want, name)
	}
	w.layer("l1-more", "x") // its keys stand among those of l1
	w.layer("gone", "x")
	w.deleteLayer("gone", 1)
	want = append(want, "l1-more")
	slices.Sort(want)
	if _, err := w.PublishLayerVersion(ctxFor(other, region), &api.PublishLayerVersionRequest{LayerName: new("theirs"), Content: &api.LayerVersionContentInput{ZipFile: zipOf(t, "x")}}); err != nil {
		t.Fatal(err)
	}

	for _, size := range []int32{1, 5, 50} {
		var got []string
		in := &api.ListLayersRequest{MaxItems: new(size)}
		for pages := 0; ; pages++ {
			out, err := w.ListLayers(ctx(), in)
			if err != nil || pages > 20 {
				t.Fatalf("page %d: %v", pages, err)
			}
			for _, l := range out.Layers {
				got = append(got, *l.LayerName)
				newest := int64(2)
				if *l.LayerName == "l1-more" {
					newest = 1
				}
				if v := *l.LatestMatchingVersion.Version; v != newest || *l.LayerArn != layerBase+*l.LayerName {
					t.Errorf("%s is at version %d, of %s", *l.LayerName, v, *l.LayerArn)
				}
			}
			if out.NextMarker == nil {
				break
			}
			in.Marker = out.NextMarker
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %v", size, got)
		}
	}
	out, err := w.ListLayers(ctx(), &api.ListLayersRequest{CompatibleRuntime: new(api.Runtime("python3.13")), CompatibleArchitecture: new(api.Architecture("x86_64"))})
	if err != nil || len(out.Layers) != 12 || *out.Layers[0].LatestMatchingVersion.Version != 1 {
		t.Errorf("filtered: %+v %v", out, err)
	}
	out, err = w.ListLayers(ctx(), &api.ListLayersRequest{CompatibleArchitecture: new(api.Architecture("arm64"))})
	if err != nil || len(out.Layers) != 0 {
		t.Errorf("filtered: %+v %v", out, err)
	}
	_, err = w.ListLayers(ctx(), &api.ListLayersRequest{Marker: new("§")})
	wantErr(t, err, "InvalidParameterValueException: The provided marker is not valid.")
}

func TestListLayerVersions(t *testing.T) {
	w := newWorld(t)
	for i := range 12 {
		w.layer("l", fmt.Sprint(i), func(in *api.PublishLayerVersionRequest) {
			if i%2 == 0 {
				in.CompatibleRuntimes = []api.Runtime{"nodejs22.x"}
			}
		})
	}
	w.layer("l-2", "x")
	w.deleteLayer("l", 5)
	for _, c := range []struct {
		runtime *api.Runtime
		want    []int64
	}{
		{nil, []int64{12, 11, 10, 9, 8, 7, 6, 4, 3, 2, 1}},
		{new(api.Runtime("nodejs22.x")), []int64{11, 9, 7, 3, 1}},
	} {
		var got []int64
		in := &api.ListLayerVersionsRequest{LayerName: new("l"), MaxItems: new(int32(2)), CompatibleRuntime: c.runtime}
		for {
			out, err := w.ListLayerVersions(ctx(), in)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range out.LayerVersions {
				got = append(got, *v.Version)
			}
			if out.NextMarker == nil {
				break
			}
			in.Marker = out.NextMarker
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v, want %v", got, c.want)
		}
	}
	out, err := w.ListLayerVersions(ctx(), &api.ListLayerVersionsRequest{LayerName: new("never")})
	if err != nil || out.LayerVersions == nil || len(out.LayerVersions) != 0 {
		t.Errorf("a layer that never was has %+v: %v", out, err)
	}
}

func TestFunctionLayers(t *testing.T) {
	w := newWorld(t)
	w.layer("a", "a1")
	w.layer("b", "b1")
	w.layer("b", "b2")
	made := w.create("f", withLayers(layerBase+"b:1", layerBase+"a:1"))
	if len(made.Layers) != 2 || *made.Layers[0].Arn != layerBase+"b:1" || *made.Layers[1].CodeSize != int64(len(zipOf(t, "a1"))) {
		t.Fatalf("%+v", made.Layers)
	}
	w.wantLayers("f", "b1", "a1")

	// Other settings leave them, and a list replaces them.
	if _, err := w.UpdateFunctionConfiguration(ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: new("f"), MemorySize: new(int32(256))}); err != nil {
		t.Fatal(err)
	}
	w.wantLayers("f", "b1", "a1")
	w.update("f", "new code")
	w.settled("f")
	w.wantLayers("f", "b1", "a1")
	number := w.publish("f")
	out, err := w.configure("f", layerBase+"a:1", layerBase+"b:2")
	if err != nil || *out.LastUpdateStatus != api.LastUpdateStatusInProgress || *out.RevisionId == *made.RevisionId {
		t.Fatalf("%+v %v", out, err)
	}
	w.settled("f")
	w.wantLayers("f", "a1", "b2")
	if got := codeFile(t, w.invoker.last().Version); got != "new code" {
		t.Errorf("with new layers runs %q", got)
	}
	w.wantLayers("f:"+number, "b1", "a1")
	if got := w.get("f:" + number).Layers; len(got) != 2 || *got[0].Arn != layerBase+"b:1" {
		t.Errorf("the published version shows %+v", got)
	}
	if next := w.publish("f"); next == number {
		t.Error("other layers make no other version")
	}

	w.restart()
	w.wantLayers("f", "a1", "b2")
	w.wantLayers("f:"+number, "b1", "a1")
	if _, err := w.configure("f"); err != nil {
		t.Fatal(err)
	}
	w.wantLayers("f")
	if got := w.get("f").Layers; got != nil {
		t.Errorf("without layers it shows %+v", got)
	}
}

func TestFunctionLayersRefused(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"a", "b", "c", "d", "e", "g"} {
		w.layer(name, name)
	}
	w.layer("a", "two")
	if _, err := w.PublishLayerVersion(ctxFor(account, "eu-west-1"), &api.PublishLayerVersionRequest{LayerName: new("far"), Content: &api.LayerVersionContentInput{ZipFile: zipOf(t, "x")}}); err != nil {
		t.Fatal(err)
	}
	w.create("f")
	for _, c := range []struct {
		name, want string
		layers     []string
	}{
		{"six", "InvalidParameterValueException: Cannot reference more than 5 layers.", []string{layerBase + "a:1", layerBase + "b:1", layerBase + "c:1", layerBase + "d:1", layerBase + "e:1", layerBase + "g:1"}},
		{"twice", "InvalidParameterValueException: Two different versions of the same layer are not allowed to be referenced in the same function. " + layerBase + "a:1 and " + layerBase + "a:1 are versions of the same layer.", []string{layerBase + "a:1", layerBase + "a:1"}},
		{"two versions", "InvalidParameterValueException: Two different versions of the same layer are not allowed to be referenced in the same function. " + layerBase + "a:2 and " + layerBase + "a:1 are versions of the same layer.", []string{layerBase + "a:2", layerBase + "b:1", layerBase + "a:1"}},
		{"no such layer", "InvalidParameterValueException: Layer version " + layerBase + "z:1 does not exist.", []string{layerBase + "z:1"}},
		{"no such version", "InvalidParameterValueException: Layer version " + layerBase + "a:9 does not exist.", []string{layerBase + "a:9"}},
		{"version 0", "400 ValidationException: 1 validation error detected: Value '[" + layerBase + "a:0]' at 'layers'…", []string{layerBase + "a:0"}},
		{"no version", "400 ValidationException: 1 validation error detected: Value '[" + layerBase + "a]' at 'layers'…", []string{layerBase + "a"}},
		{"another region", "InvalidParameterValueException: Layers are not in the same region as the function. Layers are expected to be in region us-east-1.", []string{"arn:aws:lambda:eu-west-1:111111111111:layer:far:1"}},
		{"another account", "403 AccessDeniedException: User: arn:aws:iam::111111111111:root is not authorized to perform: lambda:GetLayerVersion on resource: arn:aws:lambda:us-east-1:" + other + ":layer:l:1 because…", []string{"arn:aws:lambda:us-east-1:" + other + ":layer:l:1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.configure("f", c.layers...)
			wantErr(t, err, c.want)
			in := createRequest(t, "new")
			in.Layers = c.layers
			_, err = w.CreateFunction(ctx(), in)
			wantErr(t, err, c.want)
		})
	}
	if got := w.get("f").Layers; got != nil {
		t.Errorf("the function has %+v", got)
	}
}

func TestLayersSizeLimit(t *testing.T) {
	w := newWorld(t)
	big := func(name string, size int64) {
		w.layer(name, "", func(in *api.PublishLayerVersionRequest) { in.Content.ZipFile = bigZip(t, size) })
	}
	big("a", 200_000_000)
	big("b", 62_144_001)
	big("c", 62_144_000-10)
	const alone = "InvalidParameterValueException: Layers consume more than the available size of 262144000 bytes"
	w.create("f") // its code is one byte
	_, err := w.configure("f", layerBase+"a:1", layerBase+"b:1")
	wantErr(t, err, alone)
	if _, err := w.configure("f", layerBase+"a:1", layerBase+"c:1"); err != nil {
		t.Fatal(err)
	}
	if got := w.get("f"); *got.LastUpdateStatus != api.LastUpdateStatusInProgress && *got.LastUpdateStatus != api.LastUpdateStatusSuccessful {
		t.Errorf("%+v", got)
	}
	w.settled("f")
	const together = "InvalidParameterValueException: Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is 262144001 bytes."
	_, err = w.UpdateFunctionCode(ctx(), &api.UpdateFunctionCodeRequest{FunctionName: new("f"), ZipFile: zipOf(t, strings.Repeat("x", 11))})
	wantErr(t, err, together)
	w.create("g", func(in *api.CreateFunctionRequest) { in.Code.ZipFile = zipOf(t, strings.Repeat("x", 11)) })
	_, err = w.configure("g", layerBase+"a:1", layerBase+"c:1")
	wantErr(t, err, together)
	in := createRequest(t, "h")
	in.Code.ZipFile, in.Layers = zipOf(t, strings.Repeat("x", 11)), []string{layerBase + "a:1", layerBase + "c:1"}
	_, err = w.CreateFunction(ctx(), in)
	wantErr(t, err, together)
}

// A large layer is unpacked before it takes the place of the one before.
func TestLargeLayerIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	large := func(name string) {
		w.layer(name, "", func(in *api.PublishLayerVersionRequest) {
			var buf bytes.Buffer
			z := zip.NewWriter(&buf)
			for i := range smallEntries + 1 {
				f, err := z.Create(fmt.Sprintf("file%d", i))
				if err != nil {
					t.Fatal(err)
				}
				io.WriteString(f, name)
			}
			f, err := z.Create("index.py")
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(f, name)
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
			in.Content.ZipFile = buf.Bytes()
		})
	}
	w.layer("small", "small")
	large("large")
	large("other")
	w.create("f", withLayers(layerBase+"small:1"))
	w.wantLayers("f", "small")
	w.code.close()
	if _, err := w.configure("f", layerBase+"large:1"); err != nil {
		t.Fatal(err)
	}
	if got := w.get("f"); *got.LastUpdateStatus != api.LastUpdateStatusInProgress || *got.State != api.StateActive {
		t.Errorf("%v %v", *got.State, *got.LastUpdateStatus)
	}
	w.wantLayers("f", "small")
	_, err := w.configure("f")
	wantErr(t, err, "ResourceConflictException: The operation cannot be performed at this time. An update is in progress for resource: "+arnBase+"f")
	in := createRequest(t, "g")
	in.Layers = []string{layerBase + "other:1"}
	if _, err := w.CreateFunction(ctx(), in); err != nil {
		t.Fatal(err)
	}
	_, err = w.invoke("g")
	wantErr(t, err, "ResourceConflictException: The operation cannot be performed at this time. The function is currently in the following state: Pending")
	w.code.open()
	w.settled("f")
	w.settled("g")
	w.wantLayers("f", "large")
	w.wantLayers("g", "other")
}

func TestDeletedLayerLivesOnInFunctions(t *testing.T) {
	w := newWorld(t)
	w.layer("l", "kept")
	w.create("f", withLayers(layerBase+"l:1"))
	number := w.publish("f")
	w.deleteLayer("l", 1)
	w.wantLayers("f", "kept")
	if got := w.get("f").Layers; len(got) != 1 || *got[0].Arn != layerBase+"l:1" {
		t.Errorf("it shows %+v", got)
	}
	in := createRequest(t, "g")
	in.Layers = []string{layerBase + "l:1"}
	_, err := w.CreateFunction(ctx(), in)
	wantErr(t, err, "InvalidParameterValueException: Layer version "+layerBase+"l:1 does not exist.")

	w.restart()
	waitFor(t, "the sweep", func() bool {
		w.refs.mu.Lock()
		defer w.refs.mu.Unlock()
		return w.refs.complete
	})
	w.wantLayers("f", "kept")
	if n := w.blobCount(); n != 2 {
		t.Fatalf("%d archives, want the code and the layer", n)
	}
	if _, err := w.configure("f"); err != nil {
		t.Fatal(err)
	}
	w.wantLayers("f:"+number, "kept")
	if n := w.blobCount(); n != 2 {
		t.Fatalf("%d archives while a version needs the layer", n)
	}
	if _, err := w.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new("f"), Qualifier: new(number)}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the layer's archive to go", func() bool { return w.blobCount() == 1 })
}

func TestLayerArchiveGoesWithItsLastVersion(t *testing.T) {
	w := newWorld(t)
	w.layer("l", "same")
	w.layer("m", "same")
	w.layer("m", "another")
	if n := w.blobCount(); n != 2 {
		t.Fatalf("%d archives", n)
	}
	w.restart()
	if err := w.wait(ctx()); err != nil {
		t.Fatal(err)
	}
	w.deleteLayer("l", 1)
	if _, err := w.GetLayerVersion(ctx(), &api.GetLayerVersionRequest{LayerName: new("m"), VersionNumber: new(int64(1))}); err != nil {
		t.Fatal(err)
	}
	w.deleteLayer("m", 2)
	waitFor(t, "one archive to go", func() bool { return w.blobCount() == 1 })
	w.deleteLayer("m", 1)
	waitFor(t, "the other to go", func() bool { return w.blobCount() == 0 })
	// Published again, an archive that just went is there again.
	w.layer("l", "same")
	w.create("f", withLayers(layerBase+"l:2"))
	w.wantLayers("f", "same")
	waitFor(t, "the watch to forget what is deleted", func() bool {
		w.layers.mu.Lock()
		defer w.layers.mu.Unlock()
		return len(w.layers.m) == 1
	})
}

// Functions take a layer while it is published and deleted: whoever got it runs
// with it, and nothing is left at the end.
func TestLayersUnderContention(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	for i := range 4 {
		name := fmt.Sprintf("f%d", i)
		w.create(name)
		wg.Go(func() {
			for range 10 {
				out, err := w.PublishLayerVersion(ctx(), &api.PublishLayerVersionRequest{LayerName: new("l"), Content: &api.LayerVersionContentInput{ZipFile: zipOf(t, "same")}})
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := w.configure(name, *out.LayerVersionArn); err != nil {
					t.Error(err)
					return
				}
				if _, err := w.DeleteLayerVersion(ctx(), &api.DeleteLayerVersionRequest{LayerName: new("l"), VersionNumber: out.Version}); err != nil {
					t.Error(err)
				}
				if _, err := w.invoke(name); err != nil {
					t.Error(err)
				}
				if _, err := w.configure(name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	waitFor(t, "the layer's archive to go", func() bool { return w.blobCount() == 4 })
}

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

func TestResetTakesLayers(t *testing.T) {
	w := newWorld(t)
	w.layer("l", "x")
	w.create("f", withLayers(layerBase+"l:1"))
	if err := w.Reset(ctx()); err != nil {
		t.Fatal(err)
	}
	if n := w.docCount(); n != 0 {
		t.Errorf("%d documents are left", n)
	}
	waitFor(t, "the archives to go", func() bool { return w.blobCount() == 0 })
	if out := w.layer("l", "x"); *out.Version != 1 {
		t.Errorf("the first version is %d", *out.Version)
	}
}

// What another process wrote is counted when the watch tells of it.
func TestLayersOfAnotherProcess(t *testing.T) {
	w := newWorld(t)
	if err := w.wait(ctx()); err != nil {
		t.Fatal(err)
	}
	out := w.layer("l", "x")
	r := layerRef{partition: "aws", account: account, region: region, name: "l", version: *out.Version}
	if _, err := w.docs.Write(ctx(), store.Write{Key: r.versionKey()}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the archive to go", func() bool { return w.blobCount() == 0 })
}
