package lambda

import "github.com/paddock-run/paddock/internal/coverage"

const (
	create     = "CreateFunction"
	configure  = "CreateFunction, UpdateFunctionConfiguration"
	uploading  = "CreateFunction, UpdateFunctionCode"
	invoking   = "Invoke, InvokeWithResponseStream"
	permitting = "AddPermission, RemovePermission, GetPolicy"
	mapping    = "CreateEventSourceMapping, UpdateEventSourceMapping"
	eventing   = "PutFunctionEventInvokeConfig, UpdateFunctionEventInvokeConfig"
)

// Settings says what becomes of what Lambda's API takes, where that is not
// simply what AWS documents.
var Settings = []coverage.Setting{
	{
		Operation: create, Setting: "FunctionName", Status: coverage.Works,
		Note: "Every form of name. An ARN of another account is answered with AccessDeniedException.",
	},
	{
		Operation: uploading, Setting: "ZipFile", Status: coverage.Works,
		Note: "Unix permissions are kept as the archive has them; an entry without any gets 0644, a folder at least 0755. Links that lead out of the archive, devices, overlapping entries and unsafe names are refused.",
	},
	{
		Operation: uploading, Setting: "S3Bucket, S3Key, S3ObjectVersion", Status: coverage.Refused,
		Note: "Code has to come with the request.",
	},
	{
		Operation: uploading, Setting: "ImageUri, PackageType Image", Status: coverage.Works,
		Note: "With the linux sandbox driver. An image of Paddock's own registry (Amazon ECR's API), of another that --registry names, or, where Paddock listens on loopback, oci-layout:/path and docker-archive:/path, each with :tag or @digest where it holds several. Images for several architectures are refused, as on AWS, and those for another than this machine's.",
	},
	{
		Operation: configure, Setting: "ImageConfig", Status: coverage.Works,
	},
	{
		Operation: uploading, Setting: "SourceKMSKeyArn", Status: coverage.Refused,
		Note: "Code is not encrypted.",
	},
	{
		Operation: uploading, Setting: "Architectures", Status: coverage.Works,
		Note: "Only the host's own architecture; any other is refused. Left out, it is the host's, where AWS takes x86_64.",
	},
	{
		Operation: uploading, Setting: "Publish", Status: coverage.Works,
	},
	{
		Operation: uploading + ", PublishVersion", Setting: "PublishTo", Status: coverage.Refused,
		Note: "There are no managed instances.",
	},
	{
		Operation: "UpdateFunctionCode", Setting: "DryRun", Status: coverage.Works,
	},
	{
		Operation: configure, Setting: "Runtime", Status: coverage.Works,
		Note: "Identifiers that AWS has deprecated are taken too. Whether this host has an interpreter shows when the function is invoked (InvalidRuntimeException names what to install).",
	},
	{
		Operation: configure, Setting: "Role", Status: coverage.StoredOnly,
		Note: "Any well-formed ARN of a role is taken; whether the role exists is not checked, and its policies limit nothing yet.",
	},
	{
		Operation: configure, Setting: "Handler, Timeout, MemorySize, EphemeralStorage", Status: coverage.Works,
		Note: "How strictly memory and /tmp are limited depends on the sandbox driver, which says so at start.",
	},
	{
		Operation: configure, Setting: "Environment", Status: coverage.Works,
		Note: "Kept unencrypted in the data folder. Values with a NUL character are refused.",
	},
	{
		Operation: configure, Setting: "Description", Status: coverage.Works,
	},
	{
		Operation: configure, Setting: "TracingConfig", Status: coverage.StoredOnly,
		Note: "The trace header reaches the function with its sampling decision; no traces are collected.",
	},
	{
		Operation: configure, Setting: "LoggingConfig.LogFormat, LoggingConfig.LogGroup", Status: coverage.Works,
	},
	{
		Operation: configure, Setting: "LoggingConfig.ApplicationLogLevel, LoggingConfig.SystemLogLevel", Status: coverage.Works,
		Note: "The managed runtimes filter what functions log; programs for provided.* find the level in AWS_LAMBDA_LOG_LEVEL, as on AWS.",
	},
	{
		Operation: configure, Setting: "KMSKeyArn", Status: coverage.Refused,
		Note: "Variables are not encrypted with a key.",
	},
	{
		Operation: configure, Setting: "VpcConfig", Status: coverage.Refused,
		Note: "An empty one, which means none, is taken.",
	},
	{
		Operation: configure, Setting: "DeadLetterConfig", Status: coverage.Works,
		Note: "Standard SQS queues that exist; SNS topics are refused.",
	},
	{
		Operation: configure, Setting: "Layers", Status: coverage.Works,
		Note: "Layers of other accounts too, where their policy says so. As on AWS, what a layer says it is compatible with is not compared with the function.",
	},
	{
		Operation: "PublishLayerVersion", Setting: "Content.ZipFile", Status: coverage.Works,
		Note: "Unpacked as function code is, when a function first uses it.",
	},
	{
		Operation: "PublishLayerVersion", Setting: "Content.S3Bucket, Content.S3Key, Content.S3ObjectVersion", Status: coverage.Refused,
		Note: "The archive has to come with the request.",
	},
	{
		Operation: "PublishLayerVersion, ListLayers, ListLayerVersions", Setting: "CompatibleRuntimes, CompatibleArchitectures, CompatibleRuntime, CompatibleArchitecture", Status: coverage.Works,
		Note: "For filtering only, as on AWS.",
	},
	{
		Operation: "GetLayerVersion, GetLayerVersionByArn", Setting: "Content.Location", Status: coverage.Works,
		Note: "A URL on Paddock itself, valid for ten minutes or until Paddock restarts.",
	},
	{
		Operation: "DeleteLayerVersion", Status: coverage.Works,
		Note: "Functions that use the version go on with it; its archive is deleted with the last of them.",
	},
	{
		Operation: "AddLayerVersionPermission, RemoveLayerVersionPermission, GetLayerVersionPolicy", Setting: "Principal", Status: coverage.Works,
		Note: "Enforced when another account reads the version or gives it to a function.",
	},
	{
		Operation: "AddLayerVersionPermission", Setting: "OrganizationId", Status: coverage.StoredOnly,
		Note: "There are no organizations: such a statement allows nobody.",
	},
	{
		Operation: configure, Setting: "FileSystemConfigs", Status: coverage.Refused,
		Note: "An empty list is taken.",
	},
	{
		Operation: configure, Setting: "SnapStart", Status: coverage.Refused,
		Note: "ApplyOn None is taken.",
	},
	{
		Operation: configure, Setting: "CapacityProviderConfig", Status: coverage.Refused,
		Note: "There are no managed instances.",
	},
	{
		Operation: configure, Setting: "DurableConfig", Status: coverage.Refused,
		Note: "There are no durable functions.",
	},
	{
		Operation: create, Setting: "TenancyConfig", Status: coverage.Refused,
		Note: "There is no tenant isolation.",
	},
	{
		Operation: create, Setting: "CodeSigningConfigArn", Status: coverage.Refused,
		Note: "Signatures are not checked.",
	},
	{
		Operation: create, Setting: "Tags", Status: coverage.Works,
		Note: "Keys that begin with aws: are refused.",
	},
	{
		Operation: create, Setting: "State", Status: coverage.Works,
		Note: "The answer says Pending, as on AWS. A function whose archive is small (8 MB unzipped, 64 files) is Active at once and unpacked when it first runs; a larger one is Active when it is unpacked.",
	},
	{
		Operation: "GetFunction", Setting: "Code.Location", Status: coverage.Works,
		Note: "A URL on Paddock itself, valid for ten minutes or until Paddock restarts.",
	},
	{
		Operation: "GetFunction, GetFunctionConfiguration", Setting: "RevisionId", Status: coverage.Works,
		Note: "AWS gives a function another RevisionId when it becomes Active; here the one that CreateFunction answered stays valid.",
	},
	{
		Operation: "GetFunction, GetFunctionConfiguration", Setting: "RuntimeVersionConfig", Status: coverage.StoredOnly,
		Note: "A name made up from the runtime's identifier: runtimes are those of the host.",
	},
	{
		Operation: "ListFunctions", Setting: "MasterRegion", Status: coverage.Works,
		Note: "There are no Lambda@Edge functions: a region is answered with an empty list.",
	},
	{
		Operation: "CreateAlias, UpdateAlias", Setting: "RoutingConfig", Status: coverage.Works,
		Note: "Applied to each invocation.",
	},
	{
		Operation: permitting, Status: coverage.StoredOnly,
		Note: "Policies are checked for form, kept and returned. Nothing is refused for lack of a permission yet, as callers have no identity.",
	},
	{
		Operation: "TagResource, UntagResource, ListTags", Setting: "Resource", Status: coverage.Works,
		Note: "Functions and event source mappings.",
	},
	{
		Operation: "CreateEventSourceMapping", Setting: "EventSourceArn", Status: coverage.Works,
		Note: "Queues of Paddock's own, of the same account and region, and Amazon MSK clusters whose brokers Paddock was told of. Kinesis and DynamoDB streams, Amazon MQ and DocumentDB are refused.",
	},
	{
		Operation: mapping, Setting: "State", Status: coverage.Works,
		Note: "Changes take effect at once, unless batches still run. An update or a deletion waits up to a second for that before it is answered with ResourceInUseException. LastProcessingResult is shown for queues too; while nothing has come since the start, it is that of the last update.",
	},
	{
		Operation: mapping, Setting: "BatchSize, MaximumBatchingWindowInSeconds", Status: coverage.Works,
		Note: "A batch of a queue without a window has what is there when it is received. Kafka's window is 500 ms unless one is set, shown as 0.",
	},
	{
		Operation: mapping, Setting: "FilterCriteria", Status: coverage.Works,
		Note: "Up to 10 patterns, with all operators of EventBridge, those that Lambda does not document included (cidr, wildcard).",
	},
	{
		Operation: mapping, Setting: "KMSKeyArn", Status: coverage.Refused,
		Note: "Filter criteria are not encrypted with a key.",
	},
	{
		Operation: mapping, Setting: "ScalingConfig", Status: coverage.Works,
		Note: "Without it, 5 batches at once to begin with, and 5 more each second while there is a backlog, up to 1250; fewer while the function fails or is throttled.",
	},
	{
		Operation: mapping, Setting: "ProvisionedPollerConfig", Status: coverage.Works,
		Note: "Of a queue, each poller runs up to 10 batches at once. PollerGroupName is kept and has no effect.",
	},
	{
		Operation: mapping, Setting: "ParallelizationFactor, TumblingWindowInSeconds, DocumentDBEventSourceConfig", Status: coverage.Refused,
		Note: "Of streams and of DocumentDB only, which are no event sources here.",
	},
	{
		Operation: "CreateEventSourceMapping", Setting: "Queues", Status: coverage.Refused,
		Note: "Of Amazon MQ only, which is no event source here.",
	},
	{
		Operation: mapping, Setting: "DestinationConfig", Status: coverage.Works,
		Note: "Of Kafka: a queue of the same account and region, or a topic of the same cluster. SNS topics and S3 buckets are refused.",
	},
	{
		Operation: mapping, Setting: "SourceAccessConfigurations", Status: coverage.Works,
		Note: "The secrets are files that Paddock was told of (--secret ARN=FILE). VPC_SUBNET and VPC_SECURITY_GROUP are kept and have no effect.",
	},
	{
		Operation: mapping, Setting: "LoggingConfig", Status: coverage.StoredOnly,
		Note: "What pollers have to say is in Paddock's own log.",
	},
	{
		Operation: mapping, Setting: "MetricsConfig", Status: coverage.Works,
	},
	{
		Operation: "PutFunctionConcurrency", Setting: "ReservedConcurrentExecutions", Status: coverage.Works,
		Note: "Enforced over all versions of the function and taken out of what the account's other functions share, which keep at least 100. For a moment after a change, what ran before it counts where it did.",
	},
	{
		Operation: "PutProvisionedConcurrencyConfig", Setting: "ProvisionedConcurrentExecutions", Status: coverage.Works,
		Note: "Environments of the version, whichever way it is invoked. What cannot be had is FAILED with its reason, and tried again after 5 seconds up to 5 minutes. A version with a configuration is not deleted.",
	},
	{
		Operation: eventing, Setting: "MaximumRetryAttempts, MaximumEventAgeInSeconds", Status: coverage.Works,
		Note: "An event keeps to what was set when it was taken.",
	},
	{
		Operation: eventing, Setting: "DestinationConfig", Status: coverage.Works,
		Note: "Lambda functions of the account and region, and standard SQS queues; SNS topics, event buses and S3 buckets are refused.",
	},
	{
		Operation: "GetAccountSettings", Setting: "AccountLimit", Status: coverage.Works,
		Note: "ConcurrentExecutions is what --concurrency says. The others are the quotas of a new AWS account; the sum of code sizes is reported and not limited.",
	},
	{
		Operation: invoking, Setting: "ClientContext", Status: coverage.Works,
		Note: "Given to synchronous invocations only, as on AWS.",
	},
	{
		Operation: invoking, Setting: "TenantId", Status: coverage.Refused,
		Note: "With AWS's error for functions without tenant isolation, which all are.",
	},
	{
		Operation: "Invoke", Setting: "InvocationType Event", Status: coverage.Works,
		Note: "Events are durable before they are acknowledged, and run at least once, across restarts too. A function has at most 100,000 of them waiting: one more is answered with TooManyRequestsException. Retries are one and two minutes later; what is throttled is tried again after 1 second up to 5 minutes.",
	},
	{
		Operation: "Invoke", Setting: "DurableExecutionName", Status: coverage.Refused,
		Note: "There are no durable functions.",
	},
	{
		Operation: invoking, Setting: "Payload", Status: coverage.Works,
		Note: "Too large a payload is answered with RequestEntityTooLargeException, as AWS does, though the model names it RequestTooLargeException.",
	},
}
