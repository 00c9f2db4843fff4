#!/usr/bin/env bash
# AWS's tutorial "Create a REST API with a Lambda proxy integration", by the AWS
# CLI: resource helloworld, methods ANY and GET, stage test, and its clean-up.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-create-api-as-simple-proxy-for-lambda.html
set -euo pipefail
export AWS_MAX_ATTEMPTS=1 AWS_DEFAULT_OUTPUT=text

fail() { echo "$*" >&2; exit 1; }
expect() { [ "$1" = "$2" ] || fail "$3: $1, want $2"; }
contains() { case "$1" in *"$2"*) ;; *) fail "$3: $1, which lacks $2" ;; esac; }

function=$(aws lambda create-function --function-name "$NAME" --runtime nodejs22.x --handler index.handler --timeout 30 \
  --role arn:aws:iam::000000000000:role/GetStartedLambdaBasicExecutionRole --zip-file "fileb://$FUNCTION_ZIP" --query FunctionArn)
aws lambda wait function-active-v2 --function-name "$NAME"

api=$(aws apigateway create-rest-api --name LambdaProxyAPI --endpoint-configuration types=REGIONAL --query id)
root=$(aws apigateway get-resources --rest-api-id "$api" --query 'items[0].id')
resource=$(aws apigateway create-resource --rest-api-id "$api" --parent-id "$root" --path-part helloworld --query id)
uri=arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/$function/invocations
for method in ANY GET; do
  aws apigateway put-method --rest-api-id "$api" --resource-id "$resource" --http-method $method --authorization-type NONE >/dev/null
  aws apigateway put-integration --rest-api-id "$api" --resource-id "$resource" --http-method $method --type AWS_PROXY \
    --integration-http-method POST --uri "$uri" >/dev/null
done
aws lambda add-permission --function-name "$NAME" --statement-id apigateway --action lambda:InvokeFunction \
  --principal apigateway.amazonaws.com --source-arn "arn:aws:execute-api:us-east-1:000000000000:$api/*/*/helloworld" >/dev/null
test=$(aws apigateway test-invoke-method --rest-api-id "$api" --resource-id "$resource" --http-method GET --path-with-query-string '/helloworld?name=Ann' --output json)
contains "$test" 'Good day, Ann of World.' "the test"
contains "$test" 'Execution log for request ' "the test's log"
contains "$test" 'Method completed with status: 200' "the test's log"
aws apigateway create-deployment --rest-api-id "$api" --stage-name test >/dev/null

port=${AWS_ENDPOINT_URL##*:}
host="$api.execute-api.us-east-1.localhost:$port"
call() { local path=$1; shift; curl -sS --resolve "${host%:*}:$port:127.0.0.1" "$@" "http://$host$path"; }

answer=$(call '/test/helloworld?name=John&city=Seattle' -X POST -H 'content-type: application/json' -H 'day: Thursday' -d '{ "time": "evening" }')
contains "$answer" '"message":"Good evening, John of Seattle. Happy Thursday!"' "curl -X POST"
contains "$answer" '"httpMethod":"POST"' "the event"
answer=$(call '/test/helloworld?name=John&city=Seattle' -H 'day: Thursday')
contains "$answer" '"message":"Good day, John of Seattle. Happy Thursday!"' "curl -X GET"
contains "$answer" '"resource":"/helloworld"' "the event"
head=$(call '/test/helloworld' -D - -o /dev/null | tr -d '\r')
contains "$head" 'X-Custom-Header: my custom header value' "the headers"
contains "$head" 'Content-Type: application/json' "the headers"
expect "$(call /test/nowhere)" '{"message":"Missing Authentication Token"}' "a path that is none"
expect "$(curl -sS "$AWS_ENDPOINT_URL/restapis/$api/test/_user_request_/helloworld?name=P" | grep -o 'Good day, P of World')" 'Good day, P of World' "the path form"
expect "$(curl -sS "$AWS_ENDPOINT_URL/_aws/execute-api/$api/test/helloworld?name=P" | grep -o 'Good day, P of World')" 'Good day, P of World' "the other path form"

aws apigateway delete-rest-api --rest-api-id "$api"
expect "$(call /test/helloworld)" '{"message":"Forbidden"}' "the API once it is deleted"
aws lambda delete-function --function-name "$NAME"
echo ok
