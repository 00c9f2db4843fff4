package lambda

import (
	"context"
	"slices"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/store"
)

// DeleteFunction implements
// https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunction.html
//
// Running invocations finish. Code that no other version uses is deleted in the
// background.
func (s *Service) DeleteFunction(ctx context.Context, in *api.DeleteFunctionRequest) (*api.DeleteFunctionResponse, error) {
	r, err := locate(ctx, "DeleteFunction", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if r.qualifier == latest {
		return nil, invalidParameter("$LATEST version cannot be deleted without deleting the function.")
	}
	err = s.retry(ctx, r.key(kindFunction, ""), func() error {
		snap, err := s.must(ctx, r, r.arn())
		if err != nil {
			return err
		}
		if r.qualifier != "" {
			return s.deleteVersion(ctx, r, snap)
		}
		return s.change(ctx, nil, deletions(r, snap)...)
	})
	if changedMeanwhile(err) {
		return nil, updateInProgress(r.arn())
	}
	if err != nil {
		return nil, err
	}
	return &api.DeleteFunctionResponse{StatusCode: new(int32(204))}, nil
}

// deletions are the writes that delete a function and all that belongs to it.
// Whatever is added to it changes its settings' revision or, like an alias,
// checks that they are there; so nothing is left behind.
func deletions(r ref, snap *snapshot) []store.Write {
	writes := []store.Write{{Key: r.key(kindFunction, "").String(), If: store.AtRevision(snap.revision)}}
	for number := range snap.versions {
		writes = append(writes, store.Write{Key: r.key(kindVersion, number).String()})
	}
	for name := range snap.aliases {
		writes = append(writes, store.Write{Key: r.key(kindAlias, name).String()})
	}
	for qualifier := range snap.policies {
		writes = append(writes, store.Write{Key: r.key(kindPolicy, qualifier).String()})
	}
	if snap.concurrency != nil {
		writes = append(writes, store.Write{Key: r.key(kindConcurrency, "").String()})
	}
	for qualifier := range snap.provisioned {
		writes = append(writes, store.Write{Key: r.key(kindProvisioned, qualifier).String()})
	}
	for qualifier := range snap.events {
		writes = append(writes, store.Write{Key: r.key(kindEvents, qualifier).String()})
	}
	return writes
}

// deleteVersion deletes one published version. One that is not there is no
// error, as on AWS; one that an alias needs, or that has provisioned concurrency,
// stays.
func (s *Service) deleteVersion(ctx context.Context, r ref, snap *snapshot) error {
	if !isNumber(r.qualifier) {
		return invalidParameter("Deletion of aliases is not currently supported by this operation. Use DeleteAlias.")
	}
	if snap.versions[r.qualifier] == nil {
		return nil
	}
	var users []string
	for name, a := range snap.aliases {
		if _, weighed := a.doc.Weights[r.qualifier]; weighed || a.doc.Version == r.qualifier {
			users = append(users, name)
		}
	}
	if len(users) > 0 {
		slices.Sort(users)
		return conflict("Unable to delete version because the following aliases reference it: [%s]", strings.Join(users, ", "))
	}
	if snap.provisioned[r.qualifier] != nil {
		return conflict("Unable to delete version because it has a provisioned concurrency configuration. Delete the configuration first.")
	}
	doc := *snap.doc // written again, so that an alias that is being made sees a change
	writes := []store.Write{
		put(r.key(kindFunction, ""), &doc, store.AtRevision(snap.revision)),
		{Key: r.key(kindVersion, r.qualifier).String()},
	}
	if snap.policies[r.qualifier] != nil {
		writes = append(writes, store.Write{Key: r.key(kindPolicy, r.qualifier).String()})
	}
	if snap.events[r.qualifier] != nil {
		writes = append(writes, store.Write{Key: r.key(kindEvents, r.qualifier).String()})
	}
	return s.change(ctx, map[string]*version{latest: snap.latest}, writes...)
}
