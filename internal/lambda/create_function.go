package lambda

import (
	"context"
	"errors"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/store"
)

// CreateFunction implements
// https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
func (s *Service) CreateFunction(ctx context.Context, in *api.CreateFunctionRequest) (*api.FunctionConfiguration, error) {
	r, err := locate(ctx, "CreateFunction", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if r.qualifier != "" {
		return nil, invalidParameter("1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: a new function has no version or alias", *in.FunctionName)
	}
	if len(r.name) > maxNameLength {
		return nil, invalidParameter("1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to %d", r.name, maxNameLength)
	}
	doc, taken, err := s.newFunction(ctx, r, in)
	if err != nil {
		return nil, err
	}
	if snap, err := s.find(ctx, r); err != nil {
		return nil, err
	} else if snap != nil {
		return nil, alreadyExists(r)
	}

	layers, releaseLayers, err := s.layersOf(ctx, in.Layers)
	if err != nil {
		return nil, err
	}
	defer releaseLayers()
	if taken.image == nil {
		if err := fits(taken.archive.UnzippedSize, layers); err != nil {
			return nil, err
		}
	}
	doc.Latest.Layers = layers

	release, err := s.store(ctx, taken)
	if err != nil {
		return nil, err
	}
	defer release()

	// A function of small archives is active at once, though AWS's answer is always
	// Pending; one with a large one when it is unpacked.
	begin, small := creating, taken.small && allSmall(layers)
	if small {
		begin = newVersion
	}
	scope := scopeKey{r.account, r.region}
	shown := begin(scope, r.name, &doc.Latest)
	made := map[string]*version{latest: shown}
	states := []*version{shown}
	var writes []store.Write
	if deref(in.Publish) {
		published := publish(doc, "")
		shown = begin(scope, r.name, published)
		made[published.Version] = shown
		states = append(states, shown)
		writes = append(writes, put(r.key(kindVersion, published.Version), published, store.Absent))
	}
	// Last, so that the function is seen once it is whole.
	writes = append(writes, put(r.key(kindFunction, ""), doc, store.Absent))
	if err := s.change(ctx, made, writes...); err != nil {
		if errors.Is(err, store.ErrConflict) {
			return nil, alreadyExists(r)
		}
		return nil, err
	}
	s.opts.Capacity.Expect(&shown.proto)
	out := shown.configuration(r, "") // unqualified even where it is published
	showPending(out)
	if !small {
		s.activate(states...)
	}
	return out, nil
}

func alreadyExists(r ref) error { return conflict("Function already exist: %s", r.name) }

// newFunction checks a request and makes the function's document, with AWS's
// defaults for what is absent.
func (s *Service) newFunction(ctx context.Context, r ref, in *api.CreateFunctionRequest) (*functionDoc, *code, error) {
	c := settings{
		Runtime: in.Runtime, Role: in.Role, Handler: in.Handler, Description: in.Description,
		Timeout: in.Timeout, MemorySize: in.MemorySize, VpcConfig: in.VpcConfig,
		DeadLetterConfig: in.DeadLetterConfig, Environment: in.Environment, KMSKeyArn: in.KMSKeyArn,
		TracingConfig: in.TracingConfig, FileSystemConfigs: in.FileSystemConfigs,
		ImageConfig: in.ImageConfig, EphemeralStorage: in.EphemeralStorage, SnapStart: in.SnapStart,
		LoggingConfig: in.LoggingConfig, CapacityProviderConfig: in.CapacityProviderConfig,
		DurableConfig: in.DurableConfig,
	}
	switch {
	case deref(in.CodeSigningConfigArn) != "":
		return nil, nil, unsupported("CodeSigningConfigArn")
	case in.PublishTo != nil:
		return nil, nil, unsupported("PublishTo")
	case in.TenancyConfig != nil:
		return nil, nil, unsupported("TenancyConfig")
	case deref(in.PackageType) == api.PackageTypeImage:
		if err := imageWithout(in.Runtime, in.Handler, in.Layers); err != nil {
			return nil, nil, err
		}
	case hasImageConfig(in.ImageConfig):
		return nil, nil, invalidParameter("Please don't provide ImageConfig when creating a function with packageType Zip.")
	case in.Runtime == nil || deref(in.Handler) == "":
		return nil, nil, invalidParameter("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	}
	if err := c.check(); err != nil {
		return nil, nil, err
	}
	if err := s.checkDeadLetter(in.DeadLetterConfig); err != nil {
		return nil, nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, nil, err
	}
	arch, err := s.architecture(in.Architectures, s.opts.Architecture)
	if err != nil {
		return nil, nil, err
	}
	from := deref(in.Code)
	var taken *code
	if deref(in.PackageType) == api.PackageTypeImage {
		taken, err = s.takeImage(ctx, "creating", from.ImageUri, from.ZipFile != nil, from.S3Bucket != nil || from.S3Key != nil || from.S3ObjectVersion != nil, from.SourceKMSKeyArn)
	} else {
		taken, err = takeCode(ctx, from.ZipFile, from.S3Bucket, from.S3Key, from.S3ObjectVersion, from.ImageUri, from.SourceKMSKeyArn)
	}
	if err != nil {
		return nil, nil, err
	}
	doc := &functionDoc{Tags: in.Tags, Latest: versionDoc{
		Version:      latest,
		RevisionID:   newRevisionID(),
		LastModified: s.opts.Now(),
		CodeSHA256:   taken.sha256, CodeSize: int64(len(taken.zip)), Image: taken.image,
		Timeout: 3, MemorySize: 128, Ephemeral: 512,
		Tracing: string(api.TracingModePassThrough), Architecture: arch,
		Logging: loggingDoc{Format: string(api.LogFormatText), Group: defaultLogGroup(r.name)},
	}}
	if err := c.applyTo(&doc.Latest, r.name); err != nil {
		return nil, nil, err
	}
	return doc, taken, nil
}
