package sqs

import "github.com/paddock-run/paddock/internal/coverage"

// Settings says what becomes of the settings that have no full effect.
var Settings = []coverage.Setting{
	{Operation: "CreateQueue, SetQueueAttributes", Setting: "Policy", Status: coverage.StoredOnly, Note: "Callers are not authorized: the policy is checked, kept and returned."},
	{Operation: "AddPermission, RemovePermission", Status: coverage.StoredOnly, Note: "They edit the Policy attribute, which is not enforced."},
	{Operation: "CreateQueue, SetQueueAttributes", Setting: "KmsMasterKeyId, KmsDataKeyReusePeriodSeconds, SqsManagedSseEnabled", Status: coverage.StoredOnly, Note: "Messages are not encrypted: encrypt the disk that holds the data folder."},
	{Operation: "CreateQueue, SetQueueAttributes", Setting: "FifoThroughputLimit", Status: coverage.StoredOnly, Note: "No queue's throughput is limited."},
	{Operation: "SendMessage, SendMessageBatch", Setting: "MessageGroupId", Status: coverage.Works, Note: "On standard queues it is kept and returned; messages are received in the order in which they became visible, without fair queues' preference for quiet groups."},
	{Operation: "GetQueueAttributes", Setting: "ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible, ApproximateNumberOfMessagesDelayed", Status: coverage.Works, Note: "Exact."},
	{Operation: "ReceiveMessage", Setting: "ReceiveRequestAttemptId", Status: coverage.Works, Note: "A receive can be repeated for five minutes, but not after a restart of Paddock."},
	{Operation: "ReceiveMessage", Setting: "", Status: coverage.Works, Note: "At most 120,000 messages of a queue are in flight. A short poll of a standard queue is then answered OverLimit, other receives with no messages."},
	{Operation: "PurgeQueue, SetQueueAttributes", Status: coverage.Works, Note: "They have their effect at once and not within 60 seconds."},
	{Operation: "ChangeMessageVisibility", Status: coverage.Works, Note: "In a standard queue the last receipt handle of a message goes on working after its visibility timeout, until the message is received again."},
}
