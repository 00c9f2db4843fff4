"""What a botocore of the days when SQS spoke Query does with queues: it checks the
MD5s of the bodies and attributes of all messages that pass."""

import json
import os
import sys

import boto3
import botocore
from botocore.exceptions import ClientError

prefix = sys.argv[1]
sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])  # which it does not read itself
assert botocore.__version__ == "1.29.165", botocore.__version__
assert sqs.meta.service_model.metadata["protocol"] == "query"


def fails(code, status, call, **kwargs):
    try:
        call(**kwargs)
    except ClientError as e:
        got = e.response["Error"]
        assert got["Code"] == code and got.get("Type", "Sender") == "Sender" and got["Message"], e.response
        assert e.response["ResponseMetadata"]["HTTPStatusCode"] == status, e.response
        return
    raise AssertionError(f"{kwargs} does not fail")


# A queue's life.
fails("AWS.SimpleQueueService.NonExistentQueue", 400, sqs.get_queue_url, QueueName=prefix)
try:
    sqs.get_queue_url(QueueName=prefix)
except sqs.exceptions.QueueDoesNotExist as e:
    assert e.response["ResponseMetadata"]["RequestId"], e.response
url = sqs.create_queue(QueueName=prefix, Attributes={"VisibilityTimeout": "60", "DelaySeconds": "0"}, tags={"team": "a&b"})["QueueUrl"]
assert sqs.get_queue_url(QueueName=prefix)["QueueUrl"] == url
assert sqs.list_queues(QueueNamePrefix=prefix)["QueueUrls"] == [url]
assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "a&b"}
fails("QueueAlreadyExists", 400, sqs.create_queue, QueueName=prefix, Attributes={"VisibilityTimeout": "1"})
fails("InvalidAttributeValue", 400, sqs.set_queue_attributes, QueueUrl=url, Attributes={"DelaySeconds": "1000"})
fails("InvalidAttributeName", 400, sqs.set_queue_attributes, QueueUrl=url, Attributes={"Colour": "red"})
fails("InvalidAttributeName", 400, sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["Colour"])
fails("InvalidAttributeName", 400, sqs.receive_message, QueueUrl=url, AttributeNames=["Colour"])
policy = json.dumps({"Version": "2012-10-17", "Statement": []})
sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "50", "MaximumMessageSize": "2048", "Policy": policy})
attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
assert attributes["VisibilityTimeout"] == "50" and attributes["MaximumMessageSize"] == "2048" and json.loads(attributes["Policy"]) == json.loads(policy), attributes
some = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn", "DelaySeconds"])["Attributes"]
assert some["DelaySeconds"] == "0" and some["QueueArn"].endswith(":" + prefix) and len(some) == 2, some

# A message with every kind of attribute; the SDK compares both MD5s.
body = "<ä & \"b\">\t\n\r\U0001f40e+%20"
kinds = {
    "s": {"DataType": "String", "StringValue": "ä <&> +"},
    "n.1": {"DataType": "Number.float", "StringValue": "1.5"},
    "b-c": {"DataType": "Binary.png", "BinaryValue": bytes(range(256))},
}
trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-67891233-abcdef012345678912345678"}}
sent = sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=kinds, MessageSystemAttributes=trace)
assert sent["MD5OfMessageAttributes"] and sent["MD5OfMessageSystemAttributes"], sent
got = sqs.receive_message(QueueUrl=url, AttributeNames=["All"], MessageAttributeNames=["All"], WaitTimeSeconds=5)["Messages"][0]
assert got["Body"] == body and got["MessageId"] == sent["MessageId"] and got["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"], got
assert got["MessageAttributes"] == kinds, got
assert got["Attributes"]["ApproximateReceiveCount"] == "1" and got["Attributes"]["AWSTraceHeader"] == trace["AWSTraceHeader"]["StringValue"], got
assert "Messages" not in sqs.receive_message(QueueUrl=url)
sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"], VisibilityTimeout=0)
again = sqs.receive_message(QueueUrl=url, AttributeNames=["ApproximateReceiveCount"], MessageAttributeNames=["n.*"])["Messages"][0]
assert again["Attributes"] == {"ApproximateReceiveCount": "2"} and list(again["MessageAttributes"]) == ["n.1"], again
sqs.delete_message(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
fails("ReceiptHandleIsInvalid", 400, sqs.delete_message, QueueUrl=url, ReceiptHandle="nonsense")
fails("InvalidParameterValue", 400, sqs.send_message, QueueUrl=url, MessageBody="x" * 2049)
fails("InvalidParameterValue", 400, sqs.receive_message, QueueUrl=url, MaxNumberOfMessages=11)

# Batches, of which entries fail.
entries = [{"Id": str(i), "MessageBody": f"m{i}", "MessageAttributes": {"i": {"DataType": "Number", "StringValue": str(i)}}} for i in range(9)]
batch = sqs.send_message_batch(QueueUrl=url, Entries=entries + [{"Id": "bad", "MessageBody": "x", "DelaySeconds": 901}])
assert [m["Id"] for m in batch["Successful"]] == [e["Id"] for e in entries], batch
assert [(f["Id"], f["Code"], f["SenderFault"]) for f in batch["Failed"]] == [("bad", "InvalidParameterValue", True)], batch
messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["i"])["Messages"]
assert sorted(m["Body"] for m in messages) == [e["MessageBody"] for e in entries], messages
assert all(m["Body"] == "m" + m["MessageAttributes"]["i"]["StringValue"] for m in messages), messages
handles = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)]
changed = sqs.change_message_visibility_batch(QueueUrl=url, Entries=[{**h, "VisibilityTimeout": 30} for h in handles])
assert len(changed["Successful"]) == 9 and "Failed" not in changed, changed
deleted = sqs.delete_message_batch(QueueUrl=url, Entries=handles[:8] + [{"Id": "bad", "ReceiptHandle": "nonsense"}])
assert len(deleted["Successful"]) == 8 and [(f["Id"], f["Code"]) for f in deleted["Failed"]] == [("bad", "ReceiptHandleIsInvalid")], deleted
fails("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400, sqs.send_message_batch, QueueUrl=url, Entries=entries[:1] * 2)
fails("AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400, sqs.send_message_batch, QueueUrl=url, Entries=[{"Id": str(i), "MessageBody": "x"} for i in range(11)])

# Purging takes what is in flight, too.
sqs.purge_queue(QueueUrl=url)
counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"] == dict.fromkeys(counts, "0")
fails("AWS.SimpleQueueService.PurgeQueueInProgress", 403, sqs.purge_queue, QueueUrl=url)

# A FIFO queue: order, groups and deduplication.
fifo = sqs.create_queue(QueueName=prefix + ".fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
assert sorted(sqs.list_queues(QueueNamePrefix=prefix)["QueueUrls"]) == sorted([url, fifo])
first = sqs.send_message(QueueUrl=fifo, MessageBody="a", MessageGroupId="g", MessageDeduplicationId="1")
twice = sqs.send_message(QueueUrl=fifo, MessageBody="a", MessageGroupId="g", MessageDeduplicationId="1")
assert first["MessageId"] == twice["MessageId"] and first["SequenceNumber"] == twice["SequenceNumber"], (first, twice)
second = sqs.send_message(QueueUrl=fifo, MessageBody="b", MessageGroupId="g", MessageDeduplicationId="2")
assert int(second["SequenceNumber"]) > int(first["SequenceNumber"]), (first, second)
one = sqs.receive_message(QueueUrl=fifo, AttributeNames=["All"], ReceiveRequestAttemptId="r")["Messages"][0]
assert one["Body"] == "a" and one["Attributes"]["MessageGroupId"] == "g" and one["Attributes"]["MessageDeduplicationId"] == "1", one
assert "Messages" not in sqs.receive_message(QueueUrl=fifo)  # the group waits
sqs.delete_message(QueueUrl=fifo, ReceiptHandle=one["ReceiptHandle"])
assert sqs.receive_message(QueueUrl=fifo)["Messages"][0]["Body"] == "b"
fails("MissingParameter", 400, sqs.send_message, QueueUrl=fifo, MessageBody="x", MessageDeduplicationId="3")
fails("InvalidParameterValue", 400, sqs.send_message, QueueUrl=fifo, MessageBody="x", MessageGroupId="g")

# A dead-letter queue.
redrive = json.dumps({"deadLetterTargetArn": some["QueueArn"], "maxReceiveCount": 1})
source = sqs.create_queue(QueueName=prefix + "-source", Attributes={"RedrivePolicy": redrive})["QueueUrl"]
assert sqs.list_dead_letter_source_queues(QueueUrl=url)["queueUrls"] == [source]

for q in (source, fifo, url):
    sqs.delete_queue(QueueUrl=q)
fails("AWS.SimpleQueueService.NonExistentQueue", 400, sqs.send_message, QueueUrl=url, MessageBody="x")
fails("AWS.SimpleQueueService.QueueDeletedRecently", 400, sqs.create_queue, QueueName=prefix)
