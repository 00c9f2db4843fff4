package lambda

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
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
