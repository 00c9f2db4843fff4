"""What boto3 does with queues: it checks the MD5s of all that it sends and receives."""

import json
import sys
import threading
import time

import boto3
from botocore.exceptions import ClientError

prefix = sys.argv[1]
sqs = boto3.client("sqs")


def fails(code, call, **kwargs):
    try:
        call(**kwargs)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e.response
        return e.response["Error"]["Message"]
    raise AssertionError(f"{kwargs} does not fail")


# A queue with a dead-letter queue.
dead = sqs.create_queue(QueueName=prefix + "-dead")["QueueUrl"]
dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 1})
url = sqs.create_queue(QueueName=prefix, Attributes={"RedrivePolicy": redrive, "VisibilityTimeout": "0"}, tags={"team": "a"})["QueueUrl"]
assert sqs.create_queue(QueueName=prefix, Attributes={"RedrivePolicy": redrive})["QueueUrl"] == url
assert sqs.get_queue_url(QueueName=prefix)["QueueUrl"] == url
fails("QueueAlreadyExists", sqs.create_queue, QueueName=prefix, Attributes={"DelaySeconds": "1"})
fails("AWS.SimpleQueueService.NonExistentQueue", sqs.get_queue_url, QueueName="nowhere")
fails("InvalidAttributeValue", sqs.set_queue_attributes, QueueUrl=url, Attributes={"DelaySeconds": "1000"})
assert url in sqs.list_queues(QueueNamePrefix=prefix)["QueueUrls"]
assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "a"}

# Messages with every kind of attribute.
attributes = {
    "s": {"DataType": "String", "StringValue": "ä"},
    "n": {"DataType": "Number", "StringValue": "12"},
    "b": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
}
trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-67891233-abcdef012345678912345678"}}
sqs.send_message(QueueUrl=url, MessageBody="body", MessageAttributes=attributes, MessageSystemAttributes=trace)
got = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"], WaitTimeSeconds=20)["Messages"][0]
assert got["Body"] == "body" and got["MessageAttributes"]["b"]["BinaryValue"] == b"\x00\xff", got
assert got["Attributes"]["AWSTraceHeader"] == trace["AWSTraceHeader"]["StringValue"], got
# The second receive finds nothing: the message is in the dead-letter queue.
assert "Messages" not in sqs.receive_message(QueueUrl=url)
letter = sqs.receive_message(QueueUrl=dead, VisibilityTimeout=0, AttributeNames=["All"])["Messages"][0]
assert letter["MessageId"] == got["MessageId"] and letter["Attributes"]["DeadLetterQueueSourceArn"].endswith(prefix), letter
sqs.start_message_move_task(SourceArn=dead_arn)
back = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20, VisibilityTimeout=30)["Messages"][0]
assert back["Body"] == "body" and back["MessageId"] != got["MessageId"], back
sqs.delete_message(QueueUrl=url, ReceiptHandle=back["ReceiptHandle"])
fails("ReceiptHandleIsInvalid", sqs.delete_message, QueueUrl=url, ReceiptHandle="nonsense")
fails("InvalidParameterValue", sqs.change_message_visibility, QueueUrl=url, ReceiptHandle=back["ReceiptHandle"], VisibilityTimeout=1)
fails("MissingParameter", sqs.send_message, QueueUrl=url, MessageBody="")
fails("AWS.SimpleQueueService.EmptyBatchRequest", sqs.send_message_batch, QueueUrl=url, Entries=[])
fails("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", sqs.send_message_batch, QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "a"}] * 2)

# A long poll is answered by what another client sends.
timer = threading.Timer(0.3, lambda: boto3.client("sqs").send_message(QueueUrl=url, MessageBody="late"))
start = time.monotonic()
timer.start()
late = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20, VisibilityTimeout=30)["Messages"][0]
took = time.monotonic() - start
assert late["Body"] == "late" and 0.2 < took < 15, (late, took)
timer.join()

# A FIFO queue.
fifo = sqs.create_queue(QueueName=prefix + ".fifo", Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"})["QueueUrl"]
entries = [{"Id": str(i), "MessageBody": f"m{i}", "MessageGroupId": "g"} for i in range(10)]
first = sqs.send_message_batch(QueueUrl=fifo, Entries=entries)
again = sqs.send_message_batch(QueueUrl=fifo, Entries=entries)
assert [m["MessageId"] for m in first["Successful"]] == [m["MessageId"] for m in again["Successful"]]
order = []
while batch := sqs.receive_message(QueueUrl=fifo, MaxNumberOfMessages=3).get("Messages"):
    order += [m["Body"] for m in batch]
    done = sqs.delete_message_batch(QueueUrl=fifo, Entries=[{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(batch)])
    assert len(done["Successful"]) == len(batch), done
assert order == [f"m{i}" for i in range(10)], order
fails("MissingParameter", sqs.send_message, QueueUrl=fifo, MessageBody="x")

# A message as large as may be, and one byte more.
large = "x" * (1 << 20)
sqs.send_message(QueueUrl=dead, MessageBody=large)
assert sqs.receive_message(QueueUrl=dead)["Messages"][0]["Body"] == large
assert "1048576 bytes" in fails("InvalidParameterValue", sqs.send_message, QueueUrl=dead, MessageBody=large + "x")

sqs.purge_queue(QueueUrl=dead)
fails("AWS.SimpleQueueService.PurgeQueueInProgress", sqs.purge_queue, QueueUrl=dead)
for q in (url, fifo, dead):
    sqs.delete_queue(QueueUrl=q)
fails("AWS.SimpleQueueService.QueueDeletedRecently", sqs.create_queue, QueueName=prefix)
