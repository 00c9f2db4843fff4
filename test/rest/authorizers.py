"""Who may call a REST API: Lambda authorizers, user pools, signatures, resource policies, set up by boto3."""
import http.client
import io
import json
import os
import zipfile

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

URL = os.environ["AWS_ENDPOINT_URL"]
config = Config(retries={"total_max_attempts": 1})
gw, functions = (boto3.client(s, endpoint_url=URL, config=config) for s in ("apigateway", "lambda"))
ACCOUNT, ROLE = "000000000000", "arn:aws:iam::000000000000:role/any"

# As AWS's sample of a TOKEN authorizer has it.
TOKEN = '''
calls = 0
def lambda_handler(event, context):
    global calls
    calls += 1
    token = event["authorizationToken"]
    if token == "unauthorized":
        raise Exception("Unauthorized")
    if token not in ("allow", "deny"):
        raise Exception("Invalid token")
    return {"principalId": "user", "policyDocument": {"Version": "2012-10-17", "Statement": [{
        "Action": "execute-api:Invoke", "Effect": token.capitalize(), "Resource": event["methodArn"]}]},
        "context": {"stringKey": "value", "numberKey": 1, "booleanKey": True, "calls": calls}}
'''
# As AWS's sample of a REQUEST authorizer has it.
REQUEST = '''
export const handler = (event, context, callback) => {
  const policy = effect => ({principalId: "me", policyDocument: {Version: "2012-10-17", Statement: [
    {Action: "execute-api:Invoke", Effect: effect, Resource: event.methodArn}]}, context: {path: event.path, who: event.requestContext.identity.sourceIp}});
  if (event.headers.HeaderAuth1 === "headerValue1" && event.queryStringParameters.QueryString1 === "queryValue1" && event.stageVariables.StageVar1 === "stageValue1")
    callback(null, policy("Allow"));
  else
    callback("Unauthorized");
};
'''
ECHO = '''
import json
def lambda_handler(event, context):
    c = event["requestContext"]
    return {"statusCode": 200, "body": json.dumps({"authorizer": c.get("authorizer"), "identity": c["identity"], "body": event["body"]})}
'''


def create(name, runtime, handler, files):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as z:
        for path, text in files.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = 0o644 << 16  # the function runs as another user
            z.writestr(entry, text)
    functions.create_function(FunctionName=name, Runtime=runtime, Role=ROLE, Handler=handler, Code={"ZipFile": archive.getvalue()}, Timeout=20)
    functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:%s:function:%s/invocations" % (ACCOUNT, name)


token_uri = create("token", "python3.13", "f.lambda_handler", {"f.py": TOKEN})
request_uri = create("request", "nodejs22.x", "index.handler", {"index.mjs": REQUEST})
echo_uri = create("echo", "python3.13", "f.lambda_handler", {"f.py": ECHO})

api = gw.create_rest_api(name="guarded")["id"]
root = gw.get_resources(restApiId=api)["items"][0]["id"]
by_token = gw.create_authorizer(restApiId=api, name="token", type="TOKEN", identitySource="method.request.header.Authorization",
                                authorizerUri=token_uri.replace(":token/", ":${stageVariables.fn}/"), authorizerResultTtlInSeconds=300)["id"]
by_request = gw.create_authorizer(restApiId=api, name="request", type="REQUEST", authorizerUri=request_uri, authorizerResultTtlInSeconds=0,
                                  identitySource="method.request.header.HeaderAuth1,method.request.querystring.QueryString1,stageVariables.StageVar1")["id"]
by_pool = gw.create_authorizer(restApiId=api, name="pool", type="COGNITO_USER_POOLS", identitySource="method.request.header.Authorization",
                               providerARNs=[os.environ["POOL"]])["id"]


def guard(part, kind, authorizer=None, **options):
    where = {"restApiId": api, "resourceId": gw.create_resource(restApiId=api, parentId=root, pathPart=part)["id"], "httpMethod": "ANY"}
    if authorizer:
        options["authorizerId"] = authorizer
    gw.put_method(**where, authorizationType=kind, **options)
    gw.put_integration(**where, type="AWS_PROXY", integrationHttpMethod="POST", uri=echo_uri)


guard("token", "CUSTOM", by_token)
guard("request", "CUSTOM", by_request)
guard("pool", "COGNITO_USER_POOLS", by_pool)
guard("scoped", "COGNITO_USER_POOLS", by_pool, authorizationScopes=["pets/read"])
guard("iam", "AWS_IAM")
guard("open", "NONE")


def deploy():
    gw.create_deployment(restApiId=api, stageName="dev", variables={"fn": "token", "StageVar1": "stageValue1"})


deploy()


def call(path, method="GET", body=None, **headers):
    """Sends headers as they are written: functions see their case."""
    c = http.client.HTTPConnection(URL.removeprefix("http://"))
    c.request(method, "/dev/" + path, body, {"Host": api + ".execute-api.us-east-1.localhost", **headers})
    r = c.getresponse()
    out = r.status, r.headers, r.read().decode()
    c.close()
    return out


def signed(path, method="GET", body=None, key=os.environ["AWS_ACCESS_KEY_ID"], secret=os.environ["AWS_SECRET_ACCESS_KEY"], sent_to=None, sent_body=None):
    """A request signed by botocore, sent as it is, or with what changed on the way."""
    host = api + ".execute-api.us-east-1.localhost"
    r = AWSRequest(method=method, url="http://%s/dev/%s" % (host, path), data=body, headers={"Host": host})
    SigV4Auth(Credentials(key, secret), "execute-api", "us-east-1").add_auth(r)
    return call(sent_to or path, method, sent_body or body, **dict(r.headers))


def expect(got, status, text, error=None):
    assert got[0] == status and text in got[2] and got[1].get("x-amzn-ErrorType") == error, (got[0], got[2], got[1].items(), "want", status, text, error)
    return json.loads(got[2])


# A Lambda authorizer of type TOKEN.
first = expect(call("token", Authorization="allow"), 200, "")["authorizer"]
assert first["principalId"] == "user" and first["stringKey"] == "value" and first["numberKey"] == "1" and first["booleanKey"] == "true", first
again = expect(call("token", Authorization="allow"), 200, "")["authorizer"]
assert again["calls"] == first["calls"], (first, again)  # kept
expect(call("token", "POST", b"x", Authorization="allow"), 403, '{"Message":"User is not authorized to access this resource"}', "AccessDeniedException")  # kept, for another method
expect(call("token", Authorization="deny"), 403, '{"Message":"User is not authorized to access this resource with an explicit deny"}', "AccessDeniedException")
expect(call("token", Authorization="unauthorized"), 401, '{"message":"Unauthorized"}', "UnauthorizedException")
expect(call("token", Authorization="boom"), 500, '{"message":null}', "AuthorizerFailureException")
expect(call("token"), 401, '{"message":"Unauthorized"}', "UnauthorizedException")
gw.flush_stage_authorizers_cache(restApiId=api, stageName="dev")
expect(call("token", Authorization="allow"), 200, "")  # asks again, which the function counts
flushed = expect(call("token", Authorization="allow"), 200, "")["authorizer"]
assert int(flushed["calls"]) > int(first["calls"]), (first, flushed)

# One of type REQUEST.
got = expect(call("request?QueryString1=queryValue1", HeaderAuth1="headerValue1"), 200, "")["authorizer"]
assert got["principalId"] == "me" and got["path"] == "/request" and got["who"] == "127.0.0.1", got
expect(call("request?QueryString1=x", HeaderAuth1="headerValue1"), 401, '{"message":"Unauthorized"}', "UnauthorizedException")
expect(call("request", HeaderAuth1="headerValue1"), 401, '{"message":"Unauthorized"}', "UnauthorizedException")

# A user pool, whose keys a local issuer has.
got = expect(call("pool", Authorization="Bearer " + os.environ["ID_TOKEN"]), 200, "")["authorizer"]["claims"]
assert got["sub"] == "me" and got["cognito:groups"] == "a,b" and got["exp"].endswith(str(2100)), got
expect(call("pool", Authorization=os.environ["EXPIRED_TOKEN"]), 401, '{"message":"The incoming token has expired"}', "UnauthorizedException")
expect(call("pool", Authorization=os.environ["FORGED_TOKEN"]), 401, '{"message":"Unauthorized"}', "UnauthorizedException")
expect(call("pool", Authorization=os.environ["ACCESS_TOKEN"]), 401, '{"message":"Unauthorized"}', "UnauthorizedException")
expect(call("scoped", Authorization=os.environ["ACCESS_TOKEN"]), 200, "")
expect(call("scoped", Authorization=os.environ["ID_TOKEN"]), 401, '{"message":"Unauthorized"}', "UnauthorizedException")

# Signatures, verified against the daemon's access keys.
got = expect(signed("iam?b=2&a=x%20y"), 200, "")["identity"]
assert got["accessKey"] == os.environ["AWS_ACCESS_KEY_ID"] and got["userArn"] == "arn:aws:iam::%s:root" % ACCOUNT and got["accountId"] == got["caller"] == ACCOUNT, got
assert expect(signed("iam", "POST", b'{"a":1}'), 200, "")["body"] == '{"a":1}'
mismatch = "The request signature we calculated does not match the signature you provided."
expect(call("iam"), 403, '{"message":"Missing Authentication Token"}', "MissingAuthenticationTokenException")
expect(signed("iam", secret="wrong"), 403, mismatch, "InvalidSignatureException")
expect(signed("iam?a=1", sent_to="iam?a=2"), 403, mismatch, "InvalidSignatureException")
expect(signed("iam", "POST", b"one", sent_body=b"two"), 403, mismatch, "InvalidSignatureException")
expect(signed("iam", key="AKIDUNKNOWN"), 403, "The security token included in the request is invalid.", "UnrecognizedClientException")

# A resource policy.
statement = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}
far = {**statement, "Condition": {"IpAddress": {"aws:SourceIp": ["192.0.2.0/24"]}}}
near = {**statement, "Effect": "Deny", "Condition": {"IpAddress": {"aws:SourceIp": ["127.0.0.0/8"]}}}


def set_policy(*statements):
    gw.update_rest_api(restApiId=api, patchOperations=[{"op": "replace", "path": "/policy", "value": json.dumps({"Version": "2012-10-17", "Statement": statements})}])


anonymous = '{"Message":"User: anonymous is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:us-east-1:********0000:%s/dev/GET/' % api
set_policy(far)
expect(call("open"), 200, "")  # a deployment is frozen
deploy()
expect(call("open"), 403, anonymous + 'open"}', "AccessDeniedException")
expect(call("pool", Authorization=os.environ["ID_TOKEN"]), 403, anonymous + 'pool"}', "AccessDeniedException")
expect(call("token", Authorization="allow"), 200, "")
expect(signed("iam"), 200, "")
set_policy(statement, near)
deploy()
expect(call("open"), 403, anonymous + 'open with an explicit deny"}', "AccessDeniedException")
expect(call("token", Authorization="allow"), 403, anonymous + 'token with an explicit deny"}', "AccessDeniedException")
expect(signed("iam"), 403, "User: arn:aws:iam::%s:root is not authorized" % ACCOUNT, "AccessDeniedException")
try:
    gw.update_rest_api(restApiId=api, patchOperations=[{"op": "replace", "path": "/policy", "value": '{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'}])
    raise AssertionError("a policy without a principal was taken")
except gw.exceptions.BadRequestException as e:
    assert "Invalid policy document" in str(e), e

# Test invocations.
got = gw.test_invoke_authorizer(restApiId=api, authorizerId=by_token, headers={"Authorization": "allow"}, pathWithQueryString="/token", stageVariables={"fn": "token"})
assert got["clientStatus"] == 0 and got["principalId"] == "user" and got["authorization"]["numberKey"] == ["1"], got
assert json.loads(got["policy"])["Statement"][0]["Resource"] == "arn:aws:execute-api:us-east-1:%s:%s/ESTestInvoke-stage/GET/token" % (ACCOUNT, api), got
assert "Successfully completed authorizer execution" in got["log"] and got["latency"] >= 0, got
got = gw.test_invoke_authorizer(restApiId=api, authorizerId=by_token, headers={"Authorization": "unauthorized"}, stageVariables={"fn": "token"})
assert got["clientStatus"] == 401 and "Unauthorized request" in got["log"], got
got = gw.test_invoke_authorizer(restApiId=api, authorizerId=by_pool, headers={"Authorization": os.environ["ID_TOKEN"]})
assert got["clientStatus"] == 0 and got["claims"]["sub"] == "me", got
print("ok")
