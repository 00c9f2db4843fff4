package apigateway

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/apigateway/openapi"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// docVersion is a snapshot of an API's documentation, as stored: in pieces, for
// it may be larger than a document.
type docVersion struct {
	Version     string
	Description string `json:",omitempty"`
	Created     time.Time
	Parts       []openapi.Part
}

var errNoDocVersion = &api.NotFoundException{Message: new("Invalid Documentation version specified")}

// maxVersionName is how long a version may be, in bytes: it is part of a key.
const maxVersionName = 64

func docVersionKey(apiID, version string) string {
	return partKey(apiID, "documentation-versions/"+url.PathEscape(version))
}

// docVersion reads a version, and the documents that it stands in.
func (s *Service) docVersion(ctx context.Context, apiID, version string) (*docVersion, []store.Document, error) {
	if version == "" || len(version) > maxVersionName {
		return nil, nil, errNoDocVersion
	}
	docs, err := s.docs.List(ctx, docVersionKey(apiID, version), "", 0)
	if err != nil {
		return nil, nil, err
	}
	if len(docs) == 0 {
		return nil, nil, errNoDocVersion
	}
	v := new(docVersion)
	return v, docs, json.Unmarshal(join(docs), v)
}

// putDocVersion adds the writes that store a version in place of what was there.
func (a *apiState) putDocVersion(v *docVersion, were []store.Document) error {
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	key := docVersionKey(a.ID, v.Version)
	if len(were) == 0 {
		a.writes = append(a.writes, pieces(key, value)...)
	} else {
		a.writes = append(a.writes, rewrite(key, value, were)...)
	}
	return nil
}

// snapshotDocs makes a version of an API's present documentation parts, and gives
// it to a stage if one is named.
func (s *Service) snapshotDocs(ctx context.Context, a *apiState, version, description, stageName string) (*docVersion, error) {
	if version == "" || len(version) > maxVersionName {
		return nil, badRequest("Documentation version must have between 1 and %d characters", maxVersionName)
	}
	switch _, _, err := s.docVersion(ctx, a.ID, version); {
	case err == nil:
		return nil, conflict("Documentation version '%s' already exists.", version)
	case !isNotFound(err):
		return nil, err
	}
	parts, err := s.docParts(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	v := &docVersion{Version: version, Description: description, Created: s.timestamp(), Parts: sortedParts(parts)}
	if stageName != "" {
		st := a.Stages[stageName]
		if st == nil {
			return nil, notFound("Invalid stage identifier specified")
		}
		st.DocumentationVersion = version
	}
	return v, a.putDocVersion(v, nil)
}

func sortedParts(parts map[string]*docPart) []openapi.Part {
	out := make([]openapi.Part, 0, len(parts))
	for _, p := range parts {
		out = append(out, p.Part)
	}
	slices.SortFunc(out, func(a, b openapi.Part) int {
		return cmp.Or(strings.Compare(a.Location.Path, b.Location.Path), strings.Compare(locationText(a.Location), locationText(b.Location)))
	})
	return out
}

// CreateDocumentationVersion keeps the present documentation of an API under a
// version, and gives it to a stage if one is named.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateDocumentationVersion.html
func (s *Service) CreateDocumentationVersion(ctx context.Context, in *api.CreateDocumentationVersionRequest) (*api.DocumentationVersion, error) {
	var v *docVersion
	_, err := s.change(ctx, *in.RestApiId, func(a *apiState) (err error) {
		v, err = s.snapshotDocs(ctx, a, *in.DocumentationVersion, text(in.Description), text(in.StageName))
		return err
	})
	if err != nil {
		return nil, err
	}
	return docVersionView(v), nil
}

// GetDocumentationVersion returns a version, without its parts: GetExport of a
// stage that has it gives those.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetDocumentationVersion.html
func (s *Service) GetDocumentationVersion(ctx context.Context, in *api.GetDocumentationVersionRequest) (*api.DocumentationVersion, error) {
	if _, err := s.load(ctx, *in.RestApiId); err != nil {
		return nil, err
	}
	v, _, err := s.docVersion(ctx, *in.RestApiId, *in.DocumentationVersion)
	if err != nil {
		return nil, err
	}
	return docVersionView(v), nil
}

// GetDocumentationVersions lists versions in order of their names.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetDocumentationVersions.html
func (s *Service) GetDocumentationVersions(ctx context.Context, in *api.GetDocumentationVersionsRequest) (*api.DocumentationVersions, error) {
	if _, err := s.load(ctx, *in.RestApiId); err != nil {
		return nil, err
	}
	docs, err := s.docs.List(ctx, partKey(*in.RestApiId, "documentation-versions"), "", 0)
	if err != nil {
		return nil, err
	}
	var versions []*docVersion
	for len(docs) > 0 {
		folder := docs[0].Key[:strings.LastIndexByte(docs[0].Key, '/')+1]
		n := slices.IndexFunc(docs, func(d store.Document) bool { return !strings.HasPrefix(d.Key, folder) })
		if n < 0 {
			n = len(docs)
		}
		v := new(docVersion)
		if err := json.Unmarshal(join(docs[:n]), v); err != nil {
			return nil, err
		}
		versions, docs = append(versions, v), docs[n:]
	}
	versions, next, err := page(versions, func(v *docVersion) string { return v.Version }, in.Position, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &api.DocumentationVersions{Items: []*api.DocumentationVersion{}, Position: next}
	for _, v := range versions {
		out.Items = append(out.Items, docVersionView(v))
	}
	return out, nil
}

// UpdateDocumentationVersion changes a version's description by patch operations.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateDocumentationVersion.html
func (s *Service) UpdateDocumentationVersion(ctx context.Context, in *api.UpdateDocumentationVersionRequest) (*api.DocumentationVersion, error) {
	var v *docVersion
	_, err := s.change(ctx, *in.RestApiId, func(a *apiState) error {
		var were []store.Document
		var err error
		if v, were, err = s.docVersion(ctx, a.ID, *in.DocumentationVersion); err != nil {
			return err
		}
		patches := patchTable{{path: "/description", replace: setText(&v.Description), remove: clearText(&v.Description)}}
		if err := patches.apply(in.PatchOperations); err != nil {
			return err
		}
		return a.putDocVersion(v, were)
	})
	if err != nil {
		return nil, err
	}
	return docVersionView(v), nil
}

// DeleteDocumentationVersion removes a version, which no stage may have any more.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteDocumentationVersion.html
func (s *Service) DeleteDocumentationVersion(ctx context.Context, in *api.DeleteDocumentationVersionRequest) (*schema.Unit, error) {
	_, err := s.change(ctx, *in.RestApiId, func(a *apiState) error {
		_, docs, err := s.docVersion(ctx, a.ID, *in.DocumentationVersion)
		if err != nil {
			return err
		}
		for name, st := range a.Stages {
			if st.DocumentationVersion == *in.DocumentationVersion {
				return badRequest("Documentation version '%s' is associated with stage '%s'", *in.DocumentationVersion, name)
			}
		}
		for _, d := range docs {
			a.writes = append(a.writes, store.Write{Key: d.Key})
		}
		return nil
	})
	return &schema.Unit{}, err
}

func docVersionView(v *docVersion) *api.DocumentationVersion {
	return &api.DocumentationVersion{Version: &v.Version, Description: optional(v.Description), CreatedDate: &v.Created}
}

// checkDocumentationVersion says whether the version that a stage names is there.
func (s *Service) checkDocumentationVersion(ctx context.Context, a *apiState, st *stage) error {
	if st.DocumentationVersion == "" {
		return nil
	}
	_, _, err := s.docVersion(ctx, a.ID, st.DocumentationVersion)
	return err
}
