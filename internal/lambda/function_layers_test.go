package lambda

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	api "github.com/paddock-run/paddock/internal/api/lambda"
)

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
