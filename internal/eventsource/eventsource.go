// Package eventsource is what event source mappings and their pollers have in
// common: a mapping, the contract of a poller, how a function's answer about a
// batch is read, and the supervisor that runs pollers.
//
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
package eventsource

import "time"

// Kind says what an event source is, and so which Source makes its pollers.
type Kind string

// The kinds of event sources that can be polled. Kinesis and DynamoDB streams
// would be two more.
const (
	SQS   Kind = "sqs"
	Kafka Kind = "kafka" // self-managed
	MSK   Kind = "msk"   // by its ARN
)

// Mapping is a snapshot of an event source mapping. It is immutable; a change
// makes another with a higher Revision. It is stored as it is: fields may be
// added, and keep their names.
type Mapping struct {
	UUID            string
	Account, Region string
	ARN             string // arn:aws:lambda:…:event-source-mapping:UUID
	// FunctionARN is the function's, with its alias or version where one was named.
	FunctionARN string
	Kind        Kind
	// EventSourceARN is the queue's or the cluster's; empty for self-managed Kafka.
	EventSourceARN string `json:",omitempty"`
	// Revision is at least 1 and rises with each change.
	Revision int64

	BatchSize int           // records of one invocation at most: 1 to 10,000
	Window    time.Duration // how long to gather records: 0 to 300 s
	// MaximumConcurrency bounds concurrent invocations: 2 to 1000; 0: no bound.
	MaximumConcurrency      int      `json:",omitempty"`
	Filters                 []string `json:",omitempty"` // patterns, for filter.Compile; none: every record passes
	ReportBatchItemFailures bool     `json:",omitempty"`

	// OnFailure is the ARN of who gets what was given up (or "kafka://topic");
	// empty: nobody.
	OnFailure string `json:",omitempty"`
	// Retries is how often a batch that failed is tried again before it is given
	// up: -1 (until it expires, or for ever) to 10,000. Of streams and Kafka only.
	Retries int `json:",omitempty"`
	// MaxRecordAge gives up records that are older; 0 or less: none. Of streams
	// and Kafka only.
	MaxRecordAge time.Duration `json:",omitempty"`
	Bisect       bool          `json:",omitempty"` // halve a batch that failed

	// Pollers is set for provisioned mode; nil: pollers come and go by load.
	Pollers *ProvisionedPollers `json:",omitempty"`
	// Metrics are the opt-in groups: "EventCount", "ErrorCount", "KafkaMetrics".
	Metrics  []string `json:",omitempty"`
	LogLevel string   `json:",omitempty"` // "DEBUG", "INFO" or "WARN"; empty: none was set

	Topic *Topic `json:",omitempty"` // of Kafka and MSK only
}

// ProvisionedPollers bounds the event pollers of a mapping in provisioned mode.
type ProvisionedPollers struct {
	Min, Max int
	Group    string `json:",omitempty"` // PollerGroupName
}

// Topic is where the records of a Kafka mapping are, and how they are read.
type Topic struct {
	Name string
	// Brokers are host:port; of self-managed Kafka only.
	Brokers []string `json:",omitempty"`
	// Group is the consumer group's ID: the mapping's UUID where none was given.
	Group string
	// Start is "TRIM_HORIZON", "LATEST" or "AT_TIMESTAMP": where the group begins
	// that has committed nothing.
	Start          string
	StartTimestamp time.Time       `json:",omitzero"`  // of AT_TIMESTAMP
	Access         []Access        `json:",omitempty"` // SourceAccessConfigurations
	SchemaRegistry *SchemaRegistry `json:",omitempty"`
}

// Access is one of a mapping's SourceAccessConfigurations: how to log in, whom
// to trust, in which network.
type Access struct {
	Type string // "SASL_SCRAM_512_AUTH", "BASIC_AUTH", "SERVER_ROOT_CA_CERTIFICATE", …
	URI  string // a secret's ARN, "subnet:subnet-…", "security_group:sg-…"
}

// SchemaRegistry is where the schemas of a topic's records are.
type SchemaRegistry struct {
	URI string
	// EventRecordFormat is what a validated key or value is handed on as: "JSON",
	// or "SOURCE" for its bytes.
	EventRecordFormat string
	Access            []Access `json:",omitempty"`
	Validate          []string `json:",omitempty"` // "KEY", "VALUE"
}

// HasMetrics says whether a group of opt-in figures is wanted.
func (m *Mapping) HasMetrics(group string) bool {
	for _, g := range m.Metrics {
		if g == group {
			return true
		}
	}
	return false
}
