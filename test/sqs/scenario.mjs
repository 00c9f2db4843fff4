// What the AWS SDK for JavaScript does with queues: it sends its requests to the
// host of a queue's URL, and checks MD5s.
import assert from "node:assert/strict";
import {
  SQSClient, CreateQueueCommand, SendMessageCommand, SendMessageBatchCommand, ReceiveMessageCommand,
  DeleteMessageCommand, GetQueueAttributesCommand, DeleteQueueCommand, QueueDoesNotExist,
} from "@aws-sdk/client-sqs";

const prefix = process.argv[2];
const sqs = new SQSClient({});
const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: prefix }));
await sqs.send(new SendMessageCommand({
  QueueUrl, MessageBody: "héllo",
  MessageAttributes: { a: { DataType: "String", StringValue: "b" }, bytes: { DataType: "Binary", BinaryValue: new Uint8Array([0, 255]) } },
}));
await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries: [{ Id: "1", MessageBody: "two" }, { Id: "2", MessageBody: "three" }] }));
const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, MessageAttributeNames: ["All"], WaitTimeSeconds: 5 }));
assert.deepEqual(Messages.map((m) => m.Body), ["héllo", "two", "three"]);
assert.deepEqual([...Messages[0].MessageAttributes.bytes.BinaryValue], [0, 255]);
for (const m of Messages) await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: m.ReceiptHandle }));
const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }));
assert.equal(Attributes.ApproximateNumberOfMessages + Attributes.ApproximateNumberOfMessagesNotVisible, "00");
await sqs.send(new DeleteQueueCommand({ QueueUrl }));
await assert.rejects(sqs.send(new ReceiveMessageCommand({ QueueUrl })), QueueDoesNotExist);
