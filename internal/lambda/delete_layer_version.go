package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// DeleteLayerVersion implements
// https://docs.aws.amazon.com/lambda/latest/api/API_DeleteLayerVersion.html
//
// A version that is not there is no error, as on AWS. Functions that use the
// version go on with it; its archive is deleted with the last of them.
func (s *Service) DeleteLayerVersion(ctx context.Context, in *api.DeleteLayerVersionRequest) (*schema.Unit, error) {
	r, err := ownLayerVersion(ctx, "DeleteLayerVersion", in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	if !r.reachable(ctx) {
		return &schema.Unit{}, nil
	}
	// A policy that is being written requires the version to be there, so none is
	// left behind.
	err = s.change(ctx, nil, store.Write{Key: r.versionKey()}, store.Write{Key: r.policyKey()})
	if err != nil {
		return nil, err
	}
	return &schema.Unit{}, nil
}
