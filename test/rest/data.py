"""The data plane of REST APIs, set up by boto3 and called over HTTP."""
import json
import os
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
from botocore.config import Config

URL = os.environ["AWS_ENDPOINT_URL"]
config = Config(retries={"total_max_attempts": 1})
gw, sqs, logs = (boto3.client(s, endpoint_url=URL, config=config) for s in ("apigateway", "sqs", "logs"))


class Backend(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        text = json.dumps({"path": self.path, "host": self.headers["Host"], "body": body.decode(), "x": self.headers.get("X-Client")}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST

    def log_message(self, *args):
        pass


backend = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
threading.Thread(target=backend.serve_forever, daemon=True).start()
address = "127.0.0.1:%d" % backend.server_port

api = gw.create_rest_api(name="data")["id"]
root = gw.get_resources(restApiId=api)["items"][0]["id"]


def resource(part, parent=root):
    return gw.create_resource(restApiId=api, parentId=parent, pathPart=part)["id"]


def method(where, verb, integration, responses=(), **options):
    at = {"restApiId": api, "resourceId": where, "httpMethod": verb}
    gw.put_method(**at, authorizationType=options.pop("authorizationType", "NONE"), **options)
    gw.put_integration(**at, **integration)
    for r in responses:
        gw.put_method_response(**at, statusCode=r["statusCode"], responseParameters={k: False for k in r.get("responseParameters", {})})
        gw.put_integration_response(**at, **r)


method(resource("mock"), "GET", {"type": "MOCK", "requestTemplates": {"application/json": '{"statusCode": 200}'}},
       [{"statusCode": "200", "responseParameters": {"method.response.header.X-Stage": "context.stage"},
         "responseTemplates": {"application/json": '{"who": "$util.escapeJavaScript($input.params(\'who\'))", "v": "$stageVariables.v", "path": "$context.resourcePath"}'}}])
files = resource("{proxy+}", resource("files"))
method(files, "ANY", {"type": "HTTP_PROXY", "integrationHttpMethod": "ANY", "uri": "http://${stageVariables.backend}/base/{proxy}",
                      "requestParameters": {"integration.request.path.proxy": "method.request.path.proxy"}},
       requestParameters={"method.request.path.proxy": True})
queue = sqs.create_queue(QueueName="from-api")["QueueUrl"]
method(resource("send"), "POST", {
    "type": "AWS", "integrationHttpMethod": "POST", "uri": "arn:aws:apigateway:us-east-1:sqs:path/000000000000/from-api",
    "credentials": "arn:aws:iam::000000000000:role/any",
    "requestParameters": {"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"},
    "requestTemplates": {"application/json": "Action=SendMessage&MessageBody=$util.urlEncode($input.body)"}}, [{"statusCode": "200", "selectionPattern": "2.."}, {"statusCode": "500"}])
model = gw.create_model(restApiId=api, name="Pet", contentType="application/json",
                        schema='{"$schema":"http://json-schema.org/draft-04/schema#","type":"object","required":["name"]}')
validator = gw.create_request_validator(restApiId=api, name="all", validateRequestBody=True, validateRequestParameters=True)["id"]
method(resource("pets"), "POST", {"type": "MOCK", "requestTemplates": {"application/json": '{"statusCode": 200}'}}, [{"statusCode": "200"}],
       requestValidatorId=validator, requestModels={"application/json": "Pet"}, requestParameters={"method.request.querystring.kind": True})
method(resource("iam"), "GET", {"type": "MOCK", "requestTemplates": {"application/json": '{"statusCode": 200}'}}, [{"statusCode": "200"}], authorizationType="AWS_IAM")
gw.put_gateway_response(restApiId=api, responseType="BAD_REQUEST_BODY", statusCode="422", responseParameters={"gatewayresponse.header.X-Why": "'schema'"},
                        responseTemplates={"application/json": '{"why": "$context.error.responseType"}'})
logs.create_log_group(logGroupName="access")
gw.update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": "arn:aws:iam::000000000000:role/logs"}])
gw.create_deployment(restApiId=api, stageName="dev", variables={"v": "1", "backend": address})
gw.update_stage(restApiId=api, stageName="dev", patchOperations=[
    {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": "arn:aws:logs:us-east-1:000000000000:log-group:access"},
    {"op": "replace", "path": "/accessLogSettings/format", "value": "$context.requestId $context.httpMethod $context.resourcePath $context.status"},
    {"op": "replace", "path": "/*/*/logging/loglevel", "value": "INFO"}])


def call(path, method="GET", body=None, host=None, **headers):
    headers["Host"] = host or api + ".execute-api.us-east-1.localhost"
    if body is not None:
        headers.setdefault("Content-Type", "application/json")
    r = urllib.request.Request(URL + path, method=method, data=body, headers=headers)
    try:
        with urllib.request.urlopen(r) as got:
            return got.status, got.headers, got.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read().decode()


def expect(got, status, text):
    assert got[0] == status and text in got[2], (got[0], got[2], "want", status, text)
    return got


head = expect(call("/dev/mock?who=a%22b"), 200, '{"who": "a\\"b", "v": "1", "path": "/mock"}')[1]
assert head["X-Stage"] == "dev" and head["x-amzn-RequestId"] and head["x-amz-apigw-id"], head
got = json.loads(expect(call("/dev/files/a%20b/c?q=1", "POST", b"hello", **{"X-Client": "me"}), 200, "")[2])
assert got == {"path": "/base/a%20b/c?q=1", "host": address, "body": "hello", "x": "me"}, got
expect(call("/dev/send", "POST", b"one & two"), 200, "MessageId")
messages = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
assert [m["Body"] for m in messages] == ["one & two"], messages
expect(call("/dev/pets", "POST", b"{}"), 400, '{"message":"Missing required request parameters: [kind]"}')
head = expect(call("/dev/pets?kind=cat", "POST", b"{}"), 422, '{"why": "BAD_REQUEST_BODY"}')[1]
assert head["X-Why"] == "schema" and head["x-amzn-ErrorType"] == "BadRequestException", head
expect(call("/dev/pets?kind=cat", "POST", b'{"name":"x"}'), 200, "")
assert call("/dev/iam")[0] in (403, 501)  # never 200
expect(call("/nostage/mock"), 403, '{"message":"Forbidden"}')

# A deployment is frozen, and a custom domain name leads to it.
resource_mock = [r for r in gw.get_resources(restApiId=api)["items"] if r["path"] == "/mock"][0]["id"]
gw.delete_method(restApiId=api, resourceId=resource_mock, httpMethod="GET")
expect(call("/dev/mock"), 200, '"v": "1"')
gw.create_domain_name(domainName="api.example.test", regionalCertificateArn="arn:aws:acm:us-east-1:000000000000:certificate/x", endpointConfiguration={"types": ["REGIONAL"]})
gw.create_base_path_mapping(domainName="api.example.test", restApiId=api, stage="dev", basePath="v1")
expect(call("/v1/mock", host="api.example.test"), 200, '"v": "1"')
expect(call("/v2/mock", host="api.example.test"), 403, "Forbidden")


def lines(group):
    return [e["message"] for e in logs.filter_log_events(logGroupName=group)["events"]]


deadline = time.monotonic() + 20
while True:
    access = lines("access")
    if any(line.endswith(" POST /send 200") for line in access):
        break
    assert time.monotonic() < deadline, access
execution = lines("API-Gateway-Execution-Logs_%s/dev" % api)
assert any("Starting execution for request: " in line for line in execution), execution
assert any("Method completed with status: 422" in line for line in execution), execution
gw.delete_base_path_mapping(domainName="api.example.test", basePath="v1")
gw.delete_domain_name(domainName="api.example.test")
gw.delete_rest_api(restApiId=api)
sqs.delete_queue(QueueUrl=queue)
print("ok")
