package lambda

import (
	"net"
	"slices"
	"strconv"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/eventsource"
)

// bootstrapServers is the only kind of endpoints of a self-managed source.
const bootstrapServers = string(api.EndPointTypeKafkaBootstrapServers)

// applyTopic takes what there is of Kafka only.
func (in *mappingSettings) applyTopic(m *eventsource.Mapping) error {
	if !isKafka(m) {
		switch {
		case len(in.access) > 0:
			return unsupportedByKind("SourceAccessConfigurations")
		case in.managed != nil:
			return unsupportedByKind("AmazonManagedKafkaEventSourceConfig")
		case in.selfManaged != nil:
			return unsupportedByKind("SelfManagedKafkaEventSourceConfig")
		}
		return nil
	}
	t := *m.Topic
	m.Topic = &t
	if in.access != nil {
		access, err := sourceAccess(m.Kind, in.access)
		if err != nil {
			return err
		}
		t.Access = access
	}
	var group *string
	var registry *api.KafkaSchemaRegistryConfig
	switch {
	case in.managed != nil && m.Kind == eventsource.MSK:
		group, registry = in.managed.ConsumerGroupId, in.managed.SchemaRegistryConfig
	case in.selfManaged != nil && m.Kind == eventsource.Kafka:
		group, registry = in.selfManaged.ConsumerGroupId, in.selfManaged.SchemaRegistryConfig
	case in.managed != nil:
		return unsupportedByKind("AmazonManagedKafkaEventSourceConfig")
	case in.selfManaged != nil:
		return unsupportedByKind("SelfManagedKafkaEventSourceConfig")
	}
	if group != nil {
		if t.Group != "" && t.Group != *group {
			return invalidParameter("The consumer group ID of an event source mapping cannot be changed.")
		}
		t.Group = *group
	}
	if registry != nil {
		r, err := schemaRegistry(registry)
		if err != nil {
			return err
		}
		t.SchemaRegistry = r
	}
	if t.SchemaRegistry != nil && m.Pollers == nil {
		return invalidParameter("SchemaRegistryConfig is only available for Provisioned Mode. To configure Schema Registry, please enable Provisioned Mode by specifying MinimumPollers in ProvisionedPollerConfig.")
	}
	m.Topic = &t
	return nil
}

// sourceAccess checks how a topic is to be reached. Networks are kept, and have
// no meaning here.
func sourceAccess(kind eventsource.Kind, configurations []*api.SourceAccessConfiguration) ([]eventsource.Access, error) {
	var out []eventsource.Access
	var logins, roots int
	for _, c := range configurations {
		a := eventsource.Access{Type: string(deref(deref(c).Type)), URI: deref(deref(c).URI)}
		if a.Type == "" || a.URI == "" {
			return nil, invalidParameter("SourceAccessConfigurations: each needs a Type and a URI.")
		}
		secret := true
		switch api.SourceAccessType(a.Type) {
		case api.SourceAccessTypeVpcSubnet, api.SourceAccessTypeVpcSecurityGroup:
			secret = false
			if kind == eventsource.MSK {
				return nil, invalidAccess(a.Type)
			}
		case api.SourceAccessTypeSaslScram512Auth, api.SourceAccessTypeClientCertificateTlsAuth:
			logins++
		case api.SourceAccessTypeSaslScram256Auth, api.SourceAccessTypeBasicAuth:
			logins++
			if kind == eventsource.MSK {
				return nil, invalidAccess(a.Type)
			}
		case api.SourceAccessTypeServerRootCaCertificate:
			roots++
			if kind == eventsource.MSK {
				return nil, invalidAccess(a.Type)
			}
		default:
			return nil, invalidAccess(a.Type)
		}
		if secret && !isSecret(a.URI) {
			return nil, invalidParameter("SourceAccessConfigurations: %s is not the ARN of a secret.", a.URI)
		}
		out = append(out, a)
	}
	if logins > 1 || roots > 1 {
		return nil, invalidParameter("SourceAccessConfigurations: at most one way of authentication and one SERVER_ROOT_CA_CERTIFICATE.")
	}
	return out, nil
}

func invalidAccess(kind string) error {
	return invalidParameter("SourceAccessConfigurations: %s is not supported for given event source mapping type.", kind)
}

func isSecret(arn string) bool {
	parts := strings.SplitN(arn, ":", 7)
	return len(parts) == 7 && parts[0] == "arn" && parts[2] == "secretsmanager" && parts[5] == "secret" && parts[6] != ""
}

// schemaRegistry checks where schemas come from; one without a URI is none.
func schemaRegistry(c *api.KafkaSchemaRegistryConfig) (*eventsource.SchemaRegistry, error) {
	r := &eventsource.SchemaRegistry{URI: deref(c.SchemaRegistryURI), EventRecordFormat: string(deref(c.EventRecordFormat))}
	for _, a := range c.AccessConfigs {
		access := eventsource.Access{Type: string(deref(deref(a).Type)), URI: deref(deref(a).URI)}
		if access.Type == "" || !isSecret(access.URI) {
			return nil, invalidParameter("SchemaRegistryConfig: each of AccessConfigs needs a Type and the ARN of a secret.")
		}
		r.Access = append(r.Access, access)
	}
	for _, v := range c.SchemaValidationConfigs {
		attribute := string(deref(deref(v).Attribute))
		if attribute == "" || slices.Contains(r.Validate, attribute) {
			return nil, invalidParameter("SchemaRegistryConfig: SchemaValidationConfigs names KEY and VALUE at most once each.")
		}
		r.Validate = append(r.Validate, attribute)
	}
	switch {
	case r.URI == "" && r.EventRecordFormat == "" && r.Access == nil && r.Validate == nil:
		return nil, nil
	case r.URI == "":
		return nil, invalidParameter("SchemaRegistryConfig needs a SchemaRegistryURI.")
	case strings.HasPrefix(r.URI, "arn:"):
		return nil, unsupported("AWS Glue schema registries")
	case !strings.HasPrefix(r.URI, "https://") && !strings.HasPrefix(r.URI, "http://"):
		return nil, invalidParameter("SchemaRegistryConfig: %s is not the URL of a schema registry.", r.URI)
	case r.EventRecordFormat == "":
		return nil, invalidParameter("SchemaRegistryConfig needs an EventRecordFormat.")
	case len(r.Validate) == 0:
		return nil, invalidParameter("SchemaRegistryConfig needs SchemaValidationConfigs.")
	}
	return r, nil
}

// newTopic reads what a request to create a mapping says of its topic.
func newTopic(in *api.CreateEventSourceMappingRequest) (*eventsource.Topic, error) {
	t := &eventsource.Topic{}
	if len(in.Topics) != 1 {
		return nil, invalidParameter("Required 'topics' parameter is missing.")
	}
	t.Name = in.Topics[0]
	if in.StartingPosition == nil {
		return nil, invalidParameter("1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.")
	}
	t.Start = string(*in.StartingPosition)
	switch at := in.StartingPositionTimestamp; {
	case *in.StartingPosition == api.EventSourcePositionAtTimestamp && at == nil:
		return nil, invalidParameter("Need to specify a timestamp")
	case *in.StartingPosition == api.EventSourcePositionAtTimestamp:
		t.StartTimestamp = *at
	case at != nil:
		return nil, invalidParameter("StartingPositionTimestamp is only valid with StartingPosition AT_TIMESTAMP.")
	}
	if in.SelfManagedEventSource == nil {
		return t, nil
	}
	if in.SourceAccessConfigurations == nil {
		return nil, invalidParameter("Required 'sourceAccessConfigurations' parameter is missing.")
	}
	t.Brokers = in.SelfManagedEventSource.Endpoints[bootstrapServers]
	if len(t.Brokers) == 0 {
		return nil, invalidParameter("SelfManagedEventSource needs %s.", bootstrapServers)
	}
	for _, b := range t.Brokers {
		host, port, err := net.SplitHostPort(b)
		if n, nerr := strconv.Atoi(port); err != nil || nerr != nil || host == "" || n < 1 || n > 65535 {
			return nil, invalidParameter("SelfManagedEventSource: %s is not host:port.", b)
		}
	}
	return t, nil
}
