"""The scenario of test/clients in boto3. The environment says where, and what."""

import json
import os
import time
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

NAME, ENDPOINT = os.environ["NAME"], os.environ["AWS_ENDPOINT_URL"]
CONFIG = Config(retries={"max_attempts": 0})
aws_lambda = boto3.client("lambda", config=CONFIG)
apis = boto3.client("apigatewayv2", config=CONFIG)
logs = boto3.client("logs", config=CONFIG)


def expect(got, want, what):
    assert got == want, f"{what}: {got!r}, want {want!r}"


with open(os.environ["FUNCTION_ZIP"], "rb") as f:
    archive = f.read()
role = "arn:aws:iam::000000000000:role/any"
made = aws_lambda.create_function(
    FunctionName=NAME, Runtime="python3.13", Handler="app.handler", Role=role,
    Code={"ZipFile": archive}, Timeout=60, Environment={"Variables": {"GREETING": "Hello"}},
)
try:
    aws_lambda.get_waiter("function_active_v2").wait(FunctionName=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    answer = aws_lambda.invoke(FunctionName=NAME, Payload=json.dumps({"name": "Ada"}), LogType="Tail")
    expect(answer["StatusCode"], 200, "Invoke's status")
    expect(answer["ExecutedVersion"], "$LATEST", "Invoke's version")
    expect(json.load(answer["Payload"])["message"], "Hello, Ada!", "the function's answer")
    failed = aws_lambda.invoke(FunctionName=NAME, Payload=json.dumps({"fail": True}))
    expect(failed["FunctionError"], "Unhandled", "a failure")
    expect(json.load(failed["Payload"])["errorType"], "ValueError", "a failure's type")
    chunks = aws_lambda.invoke_with_response_stream(FunctionName=NAME, Payload=json.dumps({"name": "Eve"}))["EventStream"]
    events = list(chunks)
    text = b"".join(e["PayloadChunk"]["Payload"] for e in events if "PayloadChunk" in e)
    expect(json.loads(text)["message"], "Hello, Eve!", "the function's answer as a stream")
    assert "InvokeComplete" in events[-1], f"the stream ends with {events[-1]}"

    api = apis.create_api(Name=NAME, ProtocolType="HTTP", Target=made["FunctionArn"])
    try:
        for url, host in [
            (f"{ENDPOINT}/_aws/execute-api/{api['ApiId']}/$default/pets", None),
            (f"{ENDPOINT}/pets", f"{api['ApiId']}.execute-api.us-east-1.localhost"),
        ]:
            request = urllib.request.Request(url, headers={"Host": host} if host else {})
            with urllib.request.urlopen(request) as r:
                expect(json.load(r)["path"], "/pets", f"the API at {url}")
    finally:
        apis.delete_api(ApiId=api["ApiId"])

    deadline = time.monotonic() + 60
    while True:
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{NAME}", filterPattern="called")["events"]
        if len(events) >= 5:
            break
        assert time.monotonic() < deadline, f"the log has {events}"
    assert events[0]["message"].startswith("called with"), events[0]

    try:
        aws_lambda.get_function(FunctionName=NAME + "-missing")
        raise AssertionError("a missing function is found")
    except aws_lambda.exceptions.ResourceNotFoundException as e:
        expect(e.response["Error"]["Code"], "ResourceNotFoundException", "the code")
        expect(e.response["ResponseMetadata"]["HTTPStatusCode"], 404, "the status")
        assert e.response["ResponseMetadata"]["RequestId"], "no request ID"
    try:
        aws_lambda.create_function(FunctionName=NAME, Runtime="python3.13", Handler="app.handler", Role=role, Code={"ZipFile": archive})
        raise AssertionError("a function is created twice")
    except aws_lambda.exceptions.ResourceConflictException as e:
        assert "Function already exist" in e.response["Error"]["Message"], e
    try:
        logs.get_log_events(logGroupName="/missing/" + NAME, logStreamName="x")
        raise AssertionError("a missing log group is found")
    except logs.exceptions.ResourceNotFoundException as e:
        expect(e.response["ResponseMetadata"]["HTTPStatusCode"], 400, "the status")
    try:
        apis.get_api(ApiId="missing")
        raise AssertionError("a missing API is found")
    except apis.exceptions.NotFoundException as e:
        expect(e.response["ResponseMetadata"]["HTTPStatusCode"], 404, "the status")
finally:
    aws_lambda.delete_function(FunctionName=NAME)

# What is not implemented says so: CloudWatch in JSON (the SDK for Go speaks
# CBOR with CloudWatch), IAM in Query, S3 in XML, and Lambda in JSON over REST.

for service, operation, arguments, name, protocol in [
    ("lambda", "list_code_signing_configs", {}, "ListCodeSigningConfigs", "rest-json"),
    ("cloudwatch", "list_dashboards", {}, "ListDashboards", "json"),
    ("iam", "list_virtual_mfa_devices", {}, "ListVirtualMFADevices", "query"),
    ("s3", "create_bucket", {"Bucket": "a-bucket"}, "CreateBucket", "rest-xml"),
]:
    client = boto3.client(service, config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}))
    expect(client.meta.service_model.resolved_protocol, protocol, f"the protocol of {service}")
    try:
        getattr(client, operation)(**arguments)
        raise AssertionError(f"{name} is implemented: choose another operation here")
    except ClientError as e:
        expect(e.response["ResponseMetadata"]["HTTPStatusCode"], 501, f"{name}'s status")
        expect(e.response["Error"]["Code"], "NotImplementedException", f"{name}'s code")
        assert name in e.response["Error"]["Message"], e
        assert e.response["ResponseMetadata"]["RequestId"], f"{name}: no request ID"
print("ok")
