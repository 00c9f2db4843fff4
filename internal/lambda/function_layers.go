package lambda

import (
	"context"
	"slices"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/archive"
	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/identity"
)

// maxLayers is how many layers a function may have.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const maxLayers = 5

// layersOf resolves the ARNs in a function's Layers, in their order. Their
// archives are held until release is called, which is when the function's
// version refers to them or will not. What a layer says it is compatible with is
// not compared with the function: that is for filtering, on AWS too.
//
// https://docs.aws.amazon.com/lambda/latest/dg/adding-layers.html
func (s *Service) layersOf(ctx context.Context, arns []string) (layers []usedLayer, release func(), err error) {
	var holds []func()
	letGo := func() {
		for _, f := range holds {
			f()
		}
	}
	defer func() {
		if err != nil {
			letGo()
		}
	}()
	if len(arns) > maxLayers {
		return nil, nil, invalidParameter("Cannot reference more than %d layers.", maxLayers)
	}
	named := map[string]string{}
	for _, arn := range arns {
		r, ok := parseLayerARN(arn)
		if !ok || r.version == 0 {
			return nil, nil, awserr.Validation("1 validation error detected: Value '[%s]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 140, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+, Member must not be null]", arn)
		}
		id := identity.Of(ctx)
		if r.account == id.Account && r.region != id.Region {
			return nil, nil, invalidParameter("Layers are not in the same region as the function. Layers are expected to be in region %s.", id.Region)
		}
		missing := invalidParameter("Layer version %s does not exist.", arn)
		layer, hold, err := s.holdLayer(ctx, r, missing)
		if err != nil {
			return nil, nil, err
		}
		holds = append(holds, hold)
		if other, twice := named[r.arn()]; twice {
			return nil, nil, invalidParameter("Two different versions of the same layer are not allowed to be referenced in the same function. %s and %s are versions of the same layer.", other, arn)
		}
		named[r.arn()] = arn
		layers = append(layers, layer)
	}
	if unzipped(layers) > archive.Lambda.Unzipped {
		return nil, nil, invalidParameter("Layers consume more than the available size of %d bytes", archive.Lambda.Unzipped)
	}
	return layers, letGo, nil
}

// holdLayer reads a layer's version and holds its archive.
func (s *Service) holdLayer(ctx context.Context, r layerRef, missing error) (usedLayer, func(), error) {
	doc, err := s.readableLayerVersion(ctx, r, missing)
	if err != nil {
		return usedLayer{}, nil, err
	}
	release, err := s.refs.hold(ctx, doc.CodeSHA256)
	if err != nil {
		return usedLayer{}, nil, err
	}
	// Deleted before the hold, its archive may be gone.
	if doc, err = s.readableLayerVersion(ctx, r, missing); err != nil {
		release()
		return usedLayer{}, nil, err
	}
	return usedLayer{
		ARN: r.versionARN(), CodeSHA256: doc.CodeSHA256, CodeSize: doc.CodeSize,
		Unzipped: doc.Unzipped, Entries: doc.Entries,
	}, release, nil
}

// unzipped is the size of layers in bytes.
func unzipped(layers []usedLayer) int64 {
	var sum int64
	for _, l := range layers {
		sum += l.Unzipped
	}
	return sum
}

// fits refuses code that together with the layers is over the limit. code is the
// size in bytes of the unpacked archive.
func fits(code int64, layers []usedLayer) error {
	if sum := code + unzipped(layers); len(layers) > 0 && sum > archive.Lambda.Unzipped {
		return invalidParameter("Function code combined with layers exceeds the maximum allowed size of %d bytes. The actual size is %d bytes.", archive.Lambda.Unzipped, sum)
	}
	return nil
}

// fitsStored is fits for code that is in the store already.
func (s *Service) fitsStored(ctx context.Context, sha string, layers []usedLayer) error {
	if len(layers) == 0 {
		return nil
	}
	blob, err := s.opts.Blobs.Open(ctx, sha)
	if err != nil {
		return err
	}
	defer blob.Close() // was only read
	a, err := archive.Open(blob, blob.Size(), archive.Lambda)
	if err != nil {
		return err
	}
	return fits(a.UnzippedSize, layers)
}

// allSmall reports whether unpacking the layers may wait until they are used.
func allSmall(layers []usedLayer) bool {
	return !slices.ContainsFunc(layers, func(l usedLayer) bool { return !l.small() })
}

// archives are the hashes of all that a version refers to: its code, then its
// layers in their order; or its image.
func (v *versionDoc) archives() []string {
	if v.Image != nil {
		return []string{imageRef(v.CodeSHA256)}
	}
	list := []string{v.CodeSHA256}
	for _, l := range v.Layers {
		list = append(list, l.CodeSHA256)
	}
	return list
}

// unpack makes sure that a version's code and layers are unpacked and returns
// their folders.
func (s *Service) unpack(ctx context.Context, v *versionDoc) (folders, error) {
	if v.Image != nil {
		image, err := s.ensureImage(ctx, v)
		return folders{image: image}, err
	}
	var f folders
	for i, sha := range v.archives() {
		dir, err := s.opts.Code.Ensure(ctx, sha)
		if err != nil {
			return folders{}, err
		}
		if i == 0 {
			f.code = dir
		} else {
			f.layers = append(f.layers, dir)
		}
	}
	return f, nil
}

// folders are where a version's code and layers stand on this host.
type folders struct {
	code   string
	layers []string
	image  *function.Image // in the place of both
}

func describeLayers(layers []usedLayer) []*api.Layer {
	var list []*api.Layer
	for _, l := range layers {
		list = append(list, &api.Layer{Arn: new(l.ARN), CodeSize: new(l.CodeSize)})
	}
	return list
}

// relayering returns the state that follows old with other layers: they are
// unpacked when the function runs next where they are small, else before they
// take the place of the old ones.
func relayering(scope scopeKey, name string, doc *versionDoc, old *version) *version {
	switch old.status.Load().phase {
	case phaseKnown, phaseReady:
		if allSmall(doc.Layers) {
			return newVersion(scope, name, doc)
		}
	}
	return updating(scope, name, doc, old)
}
