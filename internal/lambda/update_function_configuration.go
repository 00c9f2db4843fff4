package lambda

import (
	"context"
	"slices"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/store"
)

// UpdateFunctionConfiguration implements
// https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html
//
// The new configuration is in force when the call returns, though the answer
// says InProgress, as AWS's always does; only large new layers are waited for
// as new code is.
func (s *Service) UpdateFunctionConfiguration(ctx context.Context, in *api.UpdateFunctionConfigurationRequest) (*api.FunctionConfiguration, error) {
	r, err := locateFunction(ctx, "UpdateFunctionConfiguration", in.FunctionName)
	if err != nil {
		return nil, err
	}
	c := settings{
		Runtime: in.Runtime, Role: in.Role, Handler: in.Handler, Description: in.Description,
		Timeout: in.Timeout, MemorySize: in.MemorySize, VpcConfig: in.VpcConfig,
		DeadLetterConfig: in.DeadLetterConfig, Environment: in.Environment, KMSKeyArn: in.KMSKeyArn,
		TracingConfig: in.TracingConfig, FileSystemConfigs: in.FileSystemConfigs,
		ImageConfig: in.ImageConfig, EphemeralStorage: in.EphemeralStorage, SnapStart: in.SnapStart,
		LoggingConfig: in.LoggingConfig, CapacityProviderConfig: in.CapacityProviderConfig,
		DurableConfig: in.DurableConfig,
	}
	snap, err := s.must(ctx, r, r.arn())
	if err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := s.checkDeadLetter(in.DeadLetterConfig); err != nil {
		return nil, err
	}
	if in.RevisionId != nil && *in.RevisionId != snap.doc.Latest.RevisionID {
		return nil, wrongRevision()
	}
	if err := snap.latest.mayChange(); err != nil {
		return nil, err
	}
	if snap.doc.Latest.Image != nil {
		if err := imageWithout(in.Runtime, in.Handler, in.Layers); err != nil {
			return nil, err
		}
	} else if hasImageConfig(in.ImageConfig) {
		return nil, invalidParameter("Please don't provide ImageConfig when updating a function with packageType Zip.")
	}
	if in.Handler != nil && *in.Handler == "" && snap.doc.Latest.Image == nil {
		return nil, invalidParameter("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	}
	doc := *snap.doc
	if err := c.applyTo(&doc.Latest, r.name); err != nil {
		return nil, err
	}
	doc.Latest.RevisionID, doc.Latest.LastModified = newRevisionID(), s.opts.Now()
	become := succeeding
	if in.Layers != nil && doc.Latest.Image == nil {
		layers, release, err := s.layersOf(ctx, in.Layers)
		if err != nil {
			return nil, err
		}
		defer release()
		if err := s.fitsStored(ctx, doc.Latest.CodeSHA256, layers); err != nil {
			return nil, err
		}
		if !slices.Equal(layers, doc.Latest.Layers) {
			doc.Latest.Layers = layers
			become = relayering
		}
	}
	updated := become(scopeKey{r.account, r.region}, r.name, &doc.Latest, snap.latest)
	err = s.change(ctx, map[string]*version{latest: updated},
		put(r.key(kindFunction, ""), &doc, store.AtRevision(snap.revision)))
	if err != nil {
		return nil, s.lost(ctx, r, err)
	}
	s.opts.Capacity.Expect(&updated.proto)
	out := updated.configuration(r, "")
	if updated.settled != nil {
		s.activate(updated)
	}
	if deref(out.State) == api.StateActive {
		showInProgress(out)
	}
	return out, nil
}
