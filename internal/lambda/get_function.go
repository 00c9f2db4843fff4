package lambda

import (
	"context"
	"maps"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/identity"
)

// named returns the version that a reference means without routing weights: an
// alias means its main version.
func (s *Service) named(ctx context.Context, r ref) (*snapshot, *version, error) {
	snap, err := s.must(ctx, r, r.qualified())
	if err != nil {
		return nil, nil, err
	}
	v := snap.resolve(r.qualifier)
	if v == nil {
		return nil, nil, functionNotFound(r.qualified())
	}
	return snap, v, nil
}

// resolve returns what a qualifier means: a version, or an alias's main one.
func (s *snapshot) resolve(qualifier string) *version {
	if qualifier == "" || qualifier == latest {
		return s.latest
	}
	if a := s.aliases[qualifier]; a != nil {
		return s.version(a.doc.Version)
	}
	return s.versions[qualifier]
}

// GetFunction implements
// https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html
func (s *Service) GetFunction(ctx context.Context, in *api.GetFunctionRequest) (*api.GetFunctionResponse, error) {
	r, err := locate(ctx, "GetFunction", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	snap, v, err := s.named(ctx, r)
	if err != nil {
		return nil, err
	}
	out := &api.GetFunctionResponse{Configuration: v.configuration(r, r.qualifier)}
	if image := v.doc.Image; image != nil {
		out.Code = &api.FunctionCodeLocation{RepositoryType: new("ECR"), ImageUri: new(image.URI), ResolvedImageUri: new(image.Resolved)}
	} else {
		out.Code = &api.FunctionCodeLocation{
			RepositoryType: new("S3"),
			Location:       new(s.codeURL(identity.Of(ctx).BaseURL, r.name, v.doc.CodeSHA256)),
		}
	}
	if snap.concurrency != nil {
		out.Concurrency = &api.Concurrency{ReservedConcurrentExecutions: new(snap.concurrency.doc.Reserved)}
	}
	if len(snap.doc.Tags) > 0 {
		out.Tags = maps.Clone(snap.doc.Tags)
	}
	return out, nil
}
