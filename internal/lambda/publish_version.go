package lambda

import (
	"context"
	"strconv"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/store"
)

// publish makes the next version out of doc's unpublished one and notes that in
// doc, whose unpublished version gets a new revision by it. description, where
// it is given, replaces the function's.
func publish(doc *functionDoc, description string) *versionDoc {
	doc.Last++
	doc.Published = doc.Latest.contentHash()
	v := doc.Latest
	v.Version = strconv.Itoa(doc.Last)
	v.RevisionID = newRevisionID()
	if description != "" {
		v.Description = description
	}
	doc.Latest.RevisionID = newRevisionID()
	return &v
}

// lastPublished returns the newest published version if nothing has changed
// since it was published.
func (s *snapshot) lastPublished() *version {
	if s.doc.Last == 0 || s.doc.Published != s.doc.Latest.contentHash() {
		return nil
	}
	return s.versions[strconv.Itoa(s.doc.Last)]
}

// PublishVersion implements
// https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html
func (s *Service) PublishVersion(ctx context.Context, in *api.PublishVersionRequest) (*api.FunctionConfiguration, error) {
	r, err := locateFunction(ctx, "PublishVersion", in.FunctionName)
	if err != nil {
		return nil, err
	}
	if in.PublishTo != nil {
		return nil, unsupported("PublishTo")
	}
	var out *api.FunctionConfiguration
	err = s.retry(ctx, r.key(kindFunction, ""), func() error {
		snap, err := s.must(ctx, r, r.arn())
		if err != nil {
			return err
		}
		if in.RevisionId != nil && *in.RevisionId != snap.doc.Latest.RevisionID {
			return wrongRevision()
		}
		if err := snap.latest.mayChange(); err != nil {
			return err
		}
		if now := snap.doc.Latest.shownSHA256(); deref(in.CodeSha256) != "" && *in.CodeSha256 != now {
			return invalidParameter("CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with the CodeSHA256 in $LATEST.", *in.CodeSha256, now)
		}
		if v := snap.lastPublished(); v != nil {
			out = v.configuration(r, v.doc.Version)
			return nil
		}
		doc := *snap.doc
		published := publish(&doc, deref(in.Description))
		scope := scopeKey{r.account, r.region}
		v := succeeding(scope, r.name, published, snap.latest)
		made := map[string]*version{
			latest:            succeeding(scope, r.name, &doc.Latest, snap.latest),
			published.Version: v,
		}
		err = s.change(ctx, made,
			put(r.key(kindVersion, published.Version), published, store.Absent),
			put(r.key(kindFunction, ""), &doc, store.AtRevision(snap.revision)))
		if err == nil {
			out = v.configuration(r, published.Version)
		}
		return err
	})
	if changedMeanwhile(err) {
		return nil, updateInProgress(r.arn())
	}
	return out, err
}
