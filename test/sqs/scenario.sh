#!/usr/bin/env bash
# What the AWS CLI v1 does with queues. It reads AWS_ENDPOINT_URL, but not for SQS.
set -euo pipefail
export AWS_MAX_ATTEMPTS=1
name=$1

fail() { echo "$*" >&2; exit 1; }
expect() { [ "$1" = "$2" ] || fail "$3: $1, want $2"; }
sqs() { aws --endpoint-url "$AWS_ENDPOINT_URL" sqs "$@"; }

url=$(sqs create-queue --queue-name "$name" --attributes VisibilityTimeout=45 --query QueueUrl --output text)
read -r id md5 <<<"$(sqs send-message --queue-url "$url" --message-body hello \
  --message-attributes '{"n":{"DataType":"Number","StringValue":"7"}}' --query '[MessageId,MD5OfMessageBody]' --output text)"
expect "$md5" 5d41402abc4b2a76b9719d911017c592 "the body's MD5"
read -r handle got body n <<<"$(sqs receive-message --queue-url "$url" --wait-time-seconds 5 --message-attribute-names All \
  --query 'Messages[0].[ReceiptHandle,MessageId,Body,MessageAttributes.n.StringValue]' --output text)"
expect "$got $body $n" "$id hello 7" "the message"
counts() {
  sqs get-queue-attributes --queue-url "$url" --attribute-names All --output text \
    --query 'Attributes.[ApproximateNumberOfMessages,ApproximateNumberOfMessagesNotVisible,VisibilityTimeout]'
}
expect "$(counts)" $'0\t1\t45' "the attributes of a queue whose message is in flight"
sqs delete-message --queue-url "$url" --receipt-handle "$handle"
expect "$(counts)" $'0\t0\t45' "the attributes of an empty queue"
sqs delete-queue --queue-url "$url"
