"""Keys, quotas, throttles, caches, domain names with TLS: by boto3 and over HTTP(S)."""
import http.client
import json
import os
import socket
import ssl
import sys
import time
import urllib.parse

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

URL = os.environ["AWS_ENDPOINT_URL"]
TLS, PEM = sys.argv[1], sys.argv[2]  # HOST:PORT, and the folder of certificates
gw = boto3.client("apigateway", endpoint_url=URL, config=Config(retries={"total_max_attempts": 1}))
at = urllib.parse.urlsplit(URL)

api = gw.create_rest_api(name="limits")["id"]
root = gw.get_resources(restApiId=api)["items"][0]["id"]


def mock(part, key, template):
    where = {"restApiId": api, "resourceId": gw.create_resource(restApiId=api, parentId=root, pathPart=part)["id"], "httpMethod": "GET"}
    gw.put_method(**where, authorizationType="NONE", apiKeyRequired=key, requestParameters={"method.request.querystring.q": False})
    gw.put_integration(**where, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'}, cacheKeyParameters=["method.request.querystring.q"])
    gw.put_method_response(**where, statusCode="200")
    gw.put_integration_response(**where, statusCode="200", responseTemplates={"application/json": template})


mock("keyed", True, '{"key": "$context.identity.apiKeyId"}')
mock("open", False, '{"id": "$context.requestId"}')
mock("who", False, '{"subject": "$context.identity.clientCert.subjectDN"}')
gw.create_deployment(restApiId=api, stageName="dev")


def call(path, host=None, connection=None, **headers):
    c = connection or http.client.HTTPConnection(at.hostname, at.port)
    headers["Host"] = host or api + ".execute-api.us-east-1.localhost"
    c.request("GET", path, headers=headers)
    r = c.getresponse()
    got = r.status, r.headers, r.read().decode()
    c.close()
    return got


def expect(got, status, text):
    assert got[0] == status and text in got[2], (got[0], got[2], "want", status, text)
    return got


def fails(text, fn, **arguments):
    try:
        fn(**arguments)
    except ClientError as e:
        assert text in str(e), e
        return
    raise AssertionError("no error: " + text)


# A key is required, known, enabled, and of a plan of the stage.
expect(call("/dev/keyed"), 403, '{"message":"Forbidden"}')
expect(call("/dev/keyed", **{"X-Api-Key": "nobody"}), 403, '{"message":"Forbidden"}')
key = gw.create_api_key(name="k", enabled=True)
mine = {"X-Api-Key": key["value"]}
expect(call("/dev/keyed", **mine), 403, '{"message":"Forbidden"}')
plan = gw.create_usage_plan(name="p", apiStages=[{"apiId": api, "stage": "dev"}], quota={"limit": 3, "period": "MONTH"})["id"]
gw.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
expect(call("/dev/keyed", **mine), 200, key["id"])
gw.update_api_key(apiKey=key["id"], patchOperations=[{"op": "replace", "path": "/enabled", "value": "false"}])
expect(call("/dev/keyed", **mine), 403, '{"message":"Forbidden"}')
gw.update_api_key(apiKey=key["id"], patchOperations=[{"op": "replace", "path": "/enabled", "value": "true"}])

# The quota ends, is extended, and ends again; usage says so.
for _ in range(2):
    expect(call("/dev/keyed", **mine), 200, "")
head = expect(call("/dev/keyed", **mine), 429, '{"message":"Limit Exceeded"}')[1]
assert head["x-amzn-ErrorType"] == "LimitExceededException", head
today = time.strftime("%Y-%m-%d", time.gmtime())
used = gw.get_usage(usagePlanId=plan, startDate=today, endDate=today)["items"]
assert used == {key["id"]: [[3, 0]]}, used
got = gw.update_usage(usagePlanId=plan, keyId=key["id"], patchOperations=[{"op": "replace", "path": "/remaining", "value": "1"}])["items"]
assert got == {key["id"]: [[3, 1]]}, got
expect(call("/dev/keyed", **mine), 200, "")
expect(call("/dev/keyed", **mine), 429, "Limit Exceeded")

# Throttles: of the plan, and of a stage's method. Nothing refills in the test's time.
gw.update_usage_plan(usagePlanId=plan, patchOperations=[{"op": "remove", "path": "/quota"}, {"op": "replace", "path": "/throttle/rateLimit", "value": "0.001"},
                                                        {"op": "replace", "path": "/throttle/burstLimit", "value": "2"}])
for _ in range(2):
    expect(call("/dev/keyed", **mine), 200, "")
head = expect(call("/dev/keyed", **mine), 429, '{"message":"Too Many Requests"}')[1]
assert head["x-amzn-ErrorType"] == "TooManyRequestsException", head
patch = lambda *ops: gw.update_stage(restApiId=api, stageName="dev", patchOperations=[{"op": "replace", "path": p, "value": v} for p, v in ops])
patch(("/~1who/GET/throttling/rateLimit", "0.001"), ("/~1who/GET/throttling/burstLimit", "1"))
expect(call("/dev/who"), 200, "")
expect(call("/dev/who"), 429, "Too Many Requests")
gw.update_stage(restApiId=api, stageName="dev", patchOperations=[{"op": "remove", "path": "/~1who/GET"}])
expect(call("/dev/who"), 200, "")

# The cache answers until it is flushed, or a client that may asks anew.
body = lambda path, **h: expect(call(path, **h), 200, "id")[2]
assert body("/dev/open") != body("/dev/open")
patch(("/cacheClusterEnabled", "true"), ("/cacheClusterSize", "0.5"), ("/*/*/caching/enabled", "true"))
first = body("/dev/open")
assert body("/dev/open") == first and body("/dev/open?q=1") != first
head = call("/dev/open", **{"Cache-Control": "max-age=0"})
assert head[2] == first and head[1]["Warning"].startswith("199 "), head
gw.flush_stage_cache(restApiId=api, stageName="dev")
second = body("/dev/open")
assert second != first and body("/dev/open") == second
patch(("/*/*/caching/unauthorizedCacheControlHeaderStrategy", "FAIL_WITH_403"))
assert call("/dev/open", **{"Cache-Control": "max-age=0"})[0] == 403
patch(("/*/*/caching/requireAuthorizationForCacheControl", "false"))
third = body("/dev/open", **{"Cache-Control": "max-age=0"})
assert third != second and body("/dev/open") == third
patch(("/cacheClusterEnabled", "false"))


# Custom domain names: TLS with a certificate of Paddock's, and mutual TLS.
def secure(name, cert=None, version=None):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if cert:
        context.load_cert_chain(os.path.join(PEM, cert + ".pem"), os.path.join(PEM, cert + ".key"))
    if version:
        context.maximum_version = version
    host, port = TLS.rsplit(":", 1)
    c = http.client.HTTPSConnection(host, int(port), context=context)
    c.sock = context.wrap_socket(socket.create_connection((host, int(port))), server_hostname=name)
    return c


arn = "arn:aws:acm:us-east-1:000000000000:certificate/x"
for name in ("open.example.test", "mutual.example.test"):
    gw.create_domain_name(domainName=name, regionalCertificateArn=arn, endpointConfiguration={"types": ["REGIONAL"]}, securityPolicy="TLS_1_2")
    gw.create_base_path_mapping(domainName=name, restApiId=api, stage="dev")
trust = lambda uri: gw.update_domain_name(domainName="mutual.example.test", patchOperations=[{"op": "replace", "path": "/mutualTlsAuthentication/truststoreUri", "value": uri}])
fails("no S3", trust, uri="s3://bucket/truststore.pem")
fails("cannot be read", trust, uri="file://" + PEM + "/none.pem")
trust("file://" + PEM + "/authority.pem")
expect(call("/who", "open.example.test", secure("open.example.test")), 200, '{"subject": ""}')
expect(call("/who", "open.example.test"), 200, "")  # without TLS, on the port of everything
expect(call("/who", "mutual.example.test", secure("mutual.example.test", "client")), 200, '{"subject": "CN=the client"}')
expect(call("/who", "mutual.example.test", secure("open.example.test", "client")), 403, '{"message":"Forbidden"}')
expect(call("/who", "mutual.example.test"), 403, '{"message":"Forbidden"}')
for cert in (None, "stranger"):
    try:
        got = call("/who", "mutual.example.test", secure("mutual.example.test", cert))
        raise AssertionError("%s was let in: %s" % (cert, got))
    except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
        pass
# CloudWatch has the figures, of the API, its stage, and methods with detailed metrics.
cw = boto3.client("cloudwatch", endpoint_url=URL)
patch(("/~1who/GET/metrics/enabled", "true"))
expect(call("/who", "open.example.test"), 200, "")


def total(metric, dimensions):
    now = time.time()
    points = cw.get_metric_statistics(Namespace="AWS/ApiGateway", MetricName=metric, StartTime=now - 900, EndTime=now + 120, Period=60, Statistics=["Sum"],
                                      Dimensions=[{"Name": n, "Value": v} for n, v in dimensions.items()])["Datapoints"]
    return sum(p["Sum"] for p in points)


stage = {"ApiName": "limits", "Stage": "dev"}
deadline = time.monotonic() + 20
while total("Count", {**stage, "Resource": "/who", "Method": "GET"}) != 1:
    assert time.monotonic() < deadline
for dimensions in ({"ApiName": "limits"}, stage):
    got = {m: total(m, dimensions) for m in ("Count", "4XXError", "5XXError", "CacheHitCount", "CacheMissCount")}
    assert got["Count"] > 20 and got["4XXError"] > 5 and got["5XXError"] == 0 and got["CacheHitCount"] >= 3 and got["CacheMissCount"] >= 4, got
    assert total("Latency", dimensions) > 0

gw.update_rest_api(restApiId=api, patchOperations=[{"op": "replace", "path": "/disableExecuteApiEndpoint", "value": "true"}])
gw.create_deployment(restApiId=api, stageName="dev")
expect(call("/dev/who"), 403, '{"message":"Forbidden"}')
expect(call("/who", "open.example.test"), 200, "")

# What is in use stays; a plan forgets stages that are gone.
fails("Invalid method setting path: /webAclArn", lambda: patch(("/webAclArn", "arn:aws:wafv2:x")))
fails("remove all base path mappings related to the stage", gw.delete_stage, restApiId=api, stageName="dev")
fails("remove all base path mappings related to the RestApi", gw.delete_rest_api, restApiId=api)
for name in ("open.example.test", "mutual.example.test"):
    gw.delete_domain_name(domainName=name)
gw.delete_rest_api(restApiId=api)
assert gw.get_usage_plan(usagePlanId=plan)["apiStages"] == []
gw.delete_usage_plan(usagePlanId=plan)
