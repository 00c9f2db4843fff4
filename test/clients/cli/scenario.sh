#!/usr/bin/env bash
# The scenario of test/clients with the AWS CLI. The environment says where, and
# what. The AWS CLI v1 reads AWS_ENDPOINT_URL, but not for SQS.
set -euo pipefail
export AWS_MAX_ATTEMPTS=1

fail() { echo "$*" >&2; exit 1; }
expect() { [ "$1" = "$2" ] || fail "$3: $1, want $2"; }
contains() { case "$1" in *"$2"*) ;; *) fail "$3: $1, which lacks $2" ;; esac; }
# refused COMMAND…: the command fails, and this is what it says.
refused() { if "$@" 2>&1; then fail "$* does not fail"; fi; }

arn=$(aws lambda create-function --function-name "$NAME" --runtime python3.13 --handler app.handler --timeout 60 \
  --role arn:aws:iam::000000000000:role/any --zip-file "fileb://$FUNCTION_ZIP" --environment 'Variables={GREETING=Hello}' \
  --query FunctionArn --output text)
trap 'aws lambda delete-function --function-name "$NAME" >/dev/null' EXIT
aws lambda wait function-active-v2 --function-name "$NAME"

version=$(aws lambda invoke --function-name "$NAME" --payload '{"name":"Ada"}' --query ExecutedVersion --output text out.json)
expect "$version" '$LATEST' "Invoke's version"
contains "$(cat out.json)" 'Hello, Ada!' "the function's answer"
expect "$(aws lambda invoke --function-name "$NAME" --payload '{"fail":true}' --query FunctionError --output text out.json)" Unhandled "a failure"
contains "$(cat out.json)" '"errorType": "ValueError"' "a failure's answer"
contains "$(aws lambda list-functions --query 'Functions[].FunctionName' --output text)" "$NAME" "the list"

api=$(aws apigatewayv2 create-api --name "$NAME" --protocol-type HTTP --target "$arn" --query ApiId --output text)
contains "$(curl -sS "$AWS_ENDPOINT_URL/_aws/execute-api/$api/\$default/pets")" '"path": "/pets"' "the API by its path"
contains "$(curl -sS -H "Host: $api.execute-api.us-east-1.localhost" "$AWS_ENDPOINT_URL/pets")" '"path": "/pets"' "the API by its host"
aws apigatewayv2 delete-api --api-id "$api"

lines=0
for _ in $(seq 60); do
  lines=$(aws logs filter-log-events --log-group-name "/aws/lambda/$NAME" --filter-pattern called --query 'length(events)' --output text)
  [ "$lines" -lt 4 ] || break
done
expect "$lines" 4 "the log's lines"

contains "$(refused aws lambda get-function --function-name "$NAME-missing")" '(ResourceNotFoundException) when calling the GetFunction operation: Function not found: arn:aws:lambda:' "a missing function"
contains "$(refused aws logs get-log-events --log-group-name "/missing/$NAME" --log-stream-name x)" '(ResourceNotFoundException)' "a missing log group"
contains "$(refused aws apigatewayv2 get-api --api-id missing)" '(NotFoundException)' "a missing API"
contains "$(refused aws lambda list-code-signing-configs)" '(NotImplementedException) when calling the ListCodeSigningConfigs operation' "restJson1"
contains "$(refused aws --endpoint-url "$AWS_ENDPOINT_URL" sqs get-queue-url --queue-name none)" '(AWS.SimpleQueueService.NonExistentQueue) when calling the GetQueueUrl operation' "a missing queue"
contains "$(refused aws cloudwatch list-dashboards)" '(NotImplementedException) when calling the ListDashboards operation' "awsJson or rpcv2Cbor"
contains "$(refused aws iam list-virtual-mfa-devices)" '(NotImplementedException) when calling the ListVirtualMFADevices operation' "awsQuery"
contains "$(refused aws s3api create-bucket --bucket a-bucket)" '(NotImplementedException) when calling the CreateBucket operation' "restXml"
echo ok
