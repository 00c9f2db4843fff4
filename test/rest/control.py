"""What boto3 does with the control plane of REST APIs: the calls of AWS's tutorials."""

import json

import boto3
from botocore.exceptions import ClientError

apigw = boto3.client("apigateway")
region = apigw.meta.region_name
function = f"arn:aws:lambda:{region}:000000000000:function:GetStartedLambdaProxyIntegration"
invocations = f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function}/invocations"


def fails(code, text, call, **kwargs):
    try:
        call(**kwargs)
    except ClientError as e:
        error = e.response["Error"]
        assert error["Code"] == code and text in error["Message"], error
        return
    raise AssertionError(f"{kwargs} does not fail")


def status(response):
    return response["ResponseMetadata"]["HTTPStatusCode"]


# The tutorial with Lambda proxy integration: a resource, GET and ANY, a stage.
made = apigw.create_rest_api(name="LambdaProxyAPI", description="a tutorial's", tags={"team": "a"})
assert status(made) == 201
api, root = made["id"], made["rootResourceId"]
assert apigw.get_resources(restApiId=api)["items"] == [{"id": root, "path": "/"}]
hello = apigw.create_resource(restApiId=api, parentId=root, pathPart="helloworld")
assert status(hello) == 201 and hello["path"] == "/helloworld", hello
at = {"restApiId": api, "resourceId": hello["id"]}
fails("BadRequestException", "doesn't contain any methods", apigw.create_deployment, restApiId=api)
for method in "GET", "ANY":
    apigw.put_method(**at, httpMethod=method, authorizationType="NONE")
    fails("BadRequestException", "No integration defined for method", apigw.create_deployment, restApiId=api)
    put = apigw.put_integration(**at, httpMethod=method, type="AWS_PROXY", integrationHttpMethod="POST", uri=invocations)
    assert status(put) == 201 and put["timeoutInMillis"] == 29000, put
fails("ConflictException", "Method already exists", apigw.put_method, **at, httpMethod="GET", authorizationType="NONE")
fails("NotFoundException", "Invalid Resource identifier", apigw.get_resource, restApiId=api, resourceId="nosuch")
deployment = apigw.create_deployment(restApiId=api, stageName="test", description="first")
assert status(deployment) == 201
stage = apigw.get_stage(restApiId=api, stageName="test")
assert stage["deploymentId"] == deployment["id"] and stage["methodSettings"] == {}, stage
summary = apigw.get_deployment(restApiId=api, deploymentId=deployment["id"], embed=["apisummary"])["apiSummary"]
assert summary == {"/helloworld": {m: {"authorizationType": "NONE", "apiKeyRequired": False} for m in ("GET", "ANY")}}, summary

# A custom integration with models, a validator, an authorizer and responses.
pets = apigw.create_resource(restApiId=api, parentId=root, pathPart="pets")["id"]
at = {"restApiId": api, "resourceId": pets, "httpMethod": "POST"}
schema = {"$schema": "http://json-schema.org/draft-04/schema#", "type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}
apigw.create_model(restApiId=api, name="Pet", contentType="application/json", schema=json.dumps(schema))
fails("BadRequestException", "Invalid model specified: Validation Result: warnings : [], errors : [", apigw.create_model, restApiId=api, name="Bad", contentType="application/json", schema="{")
assert "$inputRoot" in apigw.get_model_template(restApiId=api, modelName="Pet")["value"]
validator = apigw.create_request_validator(restApiId=api, name="body", validateRequestBody=True)
authorizer = apigw.create_authorizer(restApiId=api, name="custom", type="TOKEN", authorizerUri=invocations, identitySource="method.request.header.Authorization")
apigw.put_method(
    **at, authorizationType="CUSTOM", authorizerId=authorizer["id"], apiKeyRequired=True, requestValidatorId=validator["id"],
    requestModels={"application/json": "Pet"}, requestParameters={"method.request.querystring.kind": True},
)
apigw.put_integration(
    **at, type="AWS", integrationHttpMethod="POST", uri=invocations, passthroughBehavior="NEVER",
    requestTemplates={"application/json": '{"id": $input.json("$.id")}'},
    requestParameters={"integration.request.header.kind": "method.request.querystring.kind"},
)
fails("BadRequestException", "Invalid mapping template", apigw.put_integration, **at, type="MOCK", requestTemplates={"application/json": "#if($x"})
apigw.put_method_response(**at, statusCode="200", responseModels={"application/json": "Empty"}, responseParameters={"method.response.header.x": False})
apigw.put_integration_response(**at, statusCode="200", selectionPattern="-", responseParameters={"method.response.header.x": "'y'"})
updated = apigw.update_method(**at, patchOperations=[{"op": "replace", "path": "/operationName", "value": "AddPet"}])
assert updated["operationName"] == "AddPet" and updated["methodIntegration"]["integrationResponses"]["200"]["responseParameters"] == {"method.response.header.x": "'y'"}, updated
apigw.put_gateway_response(restApiId=api, responseType="UNAUTHORIZED", statusCode="403", responseTemplates={"application/json": "{}"})
assert apigw.get_gateway_response(restApiId=api, responseType="UNAUTHORIZED")["defaultResponse"] is False
assert len(apigw.get_gateway_responses(restApiId=api)["items"]) == 21

# A canary, promoted; settings of methods; tags.
apigw.create_deployment(restApiId=api, stageName="test", canarySettings={"percentTraffic": 10.5, "stageVariableOverrides": {"v": "2"}})
stage = apigw.update_stage(restApiId=api, stageName="test", patchOperations=[
    {"op": "replace", "path": "/~1pets/POST/throttling/rateLimit", "value": "10"},
    {"op": "copy", "from": "/canarySettings/deploymentId", "path": "/deploymentId"},
    {"op": "copy", "from": "/canarySettings/stageVariableOverrides", "path": "/variables"},
])
assert stage["deploymentId"] == stage["canarySettings"]["deploymentId"] and stage["variables"] == {"v": "2"}, stage
assert stage["methodSettings"]["~1pets/POST"]["throttlingRateLimit"] == 10, stage
assert status(apigw.flush_stage_cache(restApiId=api, stageName="test")) == 202
arn = f"arn:aws:apigateway:{region}::/restapis/{api}/stages/test"
assert status(apigw.tag_resource(resourceArn=arn, tags={"a": "b"})) == 204
assert apigw.get_tags(resourceArn=arn)["tags"] == {"a": "b"}
apigw.untag_resource(resourceArn=arn, tagKeys=["a"])
fails("BadRequestException", "Active stages pointing to this deployment must be moved or deleted", apigw.delete_deployment, restApiId=api, deploymentId=stage["deploymentId"])

# Paging, as boto3's paginators do it.
for i in range(30):
    apigw.create_resource(restApiId=api, parentId=pets, pathPart=f"r{i}")
pages = list(apigw.get_paginator("get_resources").paginate(restApiId=api, PaginationConfig={"PageSize": 10}))
assert [len(p["items"]) for p in pages] == [10, 10, 10, 3], pages
assert apigw.get_account()["throttleSettings"] == {"burstLimit": 5000, "rateLimit": 10000.0}

# The clean-up.
assert status(apigw.delete_stage(restApiId=api, stageName="test")) == 202
assert status(apigw.delete_resource(restApiId=api, resourceId=pets)) == 202
assert status(apigw.delete_rest_api(restApiId=api)) == 202
fails("NotFoundException", f"Invalid API identifier specified 000000000000:{api}", apigw.get_rest_api, restApiId=api)
