package apigateway

import (
	"context"
	"errors"

	"github.com/paddock-run/paddock/internal/store"
)

// documentationVersionKey is where a version of an API's documentation is
// stored.
func documentationVersionKey(apiID, version string) string {
	return partKey(apiID, "documentation/versions") + version
}

// checkDocumentationVersion says whether the version that a stage names is there.
func (s *Service) checkDocumentationVersion(ctx context.Context, a *apiState, st *stage) error {
	if st.DocumentationVersion == "" {
		return nil
	}
	_, err := s.docs.Get(ctx, documentationVersionKey(a.ID, st.DocumentationVersion))
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrLimit) {
		return notFound("Invalid Documentation version specified")
	}
	return err
}
