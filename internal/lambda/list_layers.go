package lambda

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/identity"
)

// listBatch is how many documents are read at once.
const listBatch = 500

// ListLayers implements
// https://docs.aws.amazon.com/lambda/latest/api/API_ListLayers.html
func (s *Service) ListLayers(ctx context.Context, in *api.ListLayersRequest) (*api.ListLayersResponse, error) {
	from, _, err := parseMarker(in.Marker)
	if err != nil {
		return nil, err
	}
	id := identity.Of(ctx)
	filter := layerFilter{in.CompatibleRuntime, in.CompatibleArchitecture}
	limit := pageSize(in.MaxItems, maxPage)
	out := &api.ListLayersResponse{Layers: []*api.LayersListItem{}}

	prefix := layersPrefix(id.Account, id.Region)
	after := ""
	if from != "" {
		after = prefix + from + "0" // follows all of that layer's keys, which go on with "/"
	}
	var newest *layerVersionDoc
	var name string
	// flush ends a layer; it reports whether the page is full.
	flush := func() bool {
		if newest == nil {
			return false
		}
		if len(out.Layers) == limit {
			out.NextMarker = marker(*out.Layers[limit-1].LayerName, "")
			return true
		}
		r := layerRef{partition: id.Partition, account: id.Account, region: id.Region, name: name, version: newest.Version}
		out.Layers = append(out.Layers, &api.LayersListItem{
			LayerName: new(name), LayerArn: new(r.arn()), LatestMatchingVersion: newest.listed(r),
		})
		newest = nil
		return false
	}
	for {
		docs, err := s.opts.Documents.List(ctx, prefix, after, listBatch)
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			after = d.Key
			owner, kind, _ := strings.Cut(strings.TrimPrefix(d.Key, prefix), "/")
			if owner != name {
				if flush() {
					return out, nil
				}
				name = owner
			}
			if !strings.HasPrefix(kind, kindLayerVersion+"/") {
				continue
			}
			doc, err := decodeDoc[layerVersionDoc](d)
			if err != nil {
				return nil, err
			}
			if filter.matches(doc) && (newest == nil || doc.Version > newest.Version) {
				newest = doc
			}
		}
		if len(docs) < listBatch {
			flush()
			return out, nil
		}
	}
}

// ListLayerVersions implements
// https://docs.aws.amazon.com/lambda/latest/api/API_ListLayerVersions.html
//
// The newest version comes first. A layer that does not exist has none.
func (s *Service) ListLayerVersions(ctx context.Context, in *api.ListLayerVersionsRequest) (*api.ListLayerVersionsResponse, error) {
	r, err := ownLayer(ctx, "ListLayerVersions", in.LayerName)
	if err != nil {
		return nil, err
	}
	_, below, err := parseMarker(in.Marker)
	if err != nil {
		return nil, err
	}
	out := &api.ListLayerVersionsResponse{LayerVersions: []*api.LayerVersionsListItem{}}
	if !r.reachable(ctx) {
		return out, nil
	}
	versions, err := s.layerVersions(ctx, r)
	if err != nil {
		return nil, err
	}
	filter := layerFilter{in.CompatibleRuntime, in.CompatibleArchitecture}
	limit := pageSize(in.MaxItems, maxPage)
	for _, doc := range versions {
		if !filter.matches(doc) || below != "" && doc.Version >= int64(versionNumber(below)) {
			continue
		}
		if len(out.LayerVersions) == limit {
			last := *out.LayerVersions[limit-1].Version
			out.NextMarker = marker(r.name, strconv.FormatInt(last, 10))
			break
		}
		r.version = doc.Version
		out.LayerVersions = append(out.LayerVersions, doc.listed(r))
	}
	return out, nil
}

// layerVersions reads all versions of a layer, the newest first.
func (s *Service) layerVersions(ctx context.Context, r layerRef) ([]*layerVersionDoc, error) {
	docs, err := s.opts.Documents.List(ctx, r.prefix()+kindLayerVersion+"/", "", 0)
	if err != nil {
		return nil, err
	}
	versions := make([]*layerVersionDoc, len(docs))
	for i, d := range docs {
		if versions[i], err = decodeDoc[layerVersionDoc](d); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(versions, func(a, b *layerVersionDoc) int { return cmp.Compare(b.Version, a.Version) })
	return versions, nil
}
