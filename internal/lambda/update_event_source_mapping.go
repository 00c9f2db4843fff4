package lambda

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/identity"
)

// UpdateEventSourceMapping implements
// https://docs.aws.amazon.com/lambda/latest/api/API_UpdateEventSourceMapping.html
//
// Batches that run with the old settings finish before the new ones apply; until
// then the mapping is in use.
func (s *Service) UpdateEventSourceMapping(ctx context.Context, in *api.UpdateEventSourceMappingRequest) (*api.EventSourceMappingConfiguration, error) {
	id := identity.Of(ctx)
	s.settleMapping(ctx, deref(in.UUID))
	doc, err := s.changeMapping(ctx, mappingsPrefix(id.Account, id.Region)+deref(in.UUID), func(doc *mappingDoc) error {
		state, result := s.mappings.state(doc)
		doc.Result = result
		if state != mappingEnabled && state != mappingDisabled {
			return inUse("update")
		}
		r, err := parseName(doc.FunctionARN)
		if err != nil {
			return err
		}
		if in.FunctionName != nil {
			if r, err = locate(ctx, "UpdateEventSourceMapping", in.FunctionName, nil); err != nil {
				return err
			}
			doc.FunctionARN = r.qualified()
		}
		if err := updateSettings(in).apply(&doc.Mapping); err != nil {
			return err
		}
		if err := s.checkMapping(ctx, r, doc); err != nil {
			return err
		}
		was := doc.Enabled
		if in.Enabled != nil {
			doc.Enabled = *in.Enabled
		}
		switch {
		case doc.Enabled && !was:
			doc.Change = mappingEnabling
		case was && !doc.Enabled:
			doc.Change = mappingDisabling
		default:
			doc.Change = mappingUpdating
		}
		doc.LastModified = s.opts.Now()
		doc.Revision++
		return nil
	})
	if err != nil {
		return nil, err
	}
	_, result := s.mappings.state(doc)
	return doc.configuration(doc.Change, result), nil
}

func updateSettings(in *api.UpdateEventSourceMappingRequest) *mappingSettings {
	return &mappingSettings{
		batchSize: in.BatchSize, window: in.MaximumBatchingWindowInSeconds, filters: in.FilterCriteria,
		destination: in.DestinationConfig, maxAge: in.MaximumRecordAgeInSeconds, retries: in.MaximumRetryAttempts,
		parallelization: in.ParallelizationFactor, tumbling: in.TumblingWindowInSeconds, bisect: in.BisectBatchOnFunctionError,
		access: in.SourceAccessConfigurations, responses: in.FunctionResponseTypes,
		managed: in.AmazonManagedKafkaEventSourceConfig, selfManaged: in.SelfManagedKafkaEventSourceConfig,
		scaling: in.ScalingConfig, documentDB: in.DocumentDBEventSourceConfig, key: in.KMSKeyArn,
		metrics: in.MetricsConfig, logging: in.LoggingConfig, pollers: in.ProvisionedPollerConfig,
	}
}

// inUse refuses to change a mapping that is on its way from one state to another.
func inUse(action string) error {
	return &api.ResourceInUseException{Type: new(faultOfUser), Message: text("Cannot %s the event source mapping because it is in use.", action)}
}
