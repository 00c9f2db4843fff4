"""What boto3 does with what belongs to no API: keys, plans, domain names,
certificates; and with OpenAPI documents, which it imports, exports and imports
again. The arguments are documents of others."""

import datetime
import json
import sys

import boto3
from botocore.exceptions import ClientError

apigw = boto3.client("apigateway")


def fails(code, text, call, **kwargs):
    try:
        call(**kwargs)
    except ClientError as e:
        error = e.response["Error"]
        assert error["Code"] == code and text in error["Message"], error
        return
    raise AssertionError(f"{kwargs} does not fail")


def patch(op, path, value):
    return {"op": op, "path": path, "value": value}


# A document, as a client sends it.
document = {
    "swagger": "2.0",
    "info": {"title": "Pets", "version": "3", "description": "All pets"},
    "basePath": "/v1/shop",
    "paths": {
        "/pets/{id}": {
            "get": {
                "summary": "One pet",
                "parameters": [{"name": "id", "in": "path", "required": True, "type": "string"}],
                "security": [{"api_key": []}],
                "responses": {"200": {"description": "A pet", "schema": {"$ref": "#/definitions/Pet"}}},
                "x-amazon-apigateway-integration": {
                    "type": "mock",
                    "requestTemplates": {"application/json": '{"statusCode": 200}'},
                    "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": '{"name": "Rex"}'}}},
                },
            }
        }
    },
    "securityDefinitions": {"api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"}},
    "definitions": {"Pet": {"type": "object", "properties": {"name": {"type": "string"}}}},
}
made = apigw.import_rest_api(
    body=json.dumps(document).encode(), parameters={"endpointConfigurationTypes": "REGIONAL", "basepath": "prepend"}
)
api = made["id"]
assert made["name"] == "Pets" and made["endpointConfiguration"]["types"] == ["REGIONAL"], made
paths = sorted(r["path"] for r in apigw.get_resources(restApiId=api)["items"])
assert paths == ["/", "/v1", "/v1/shop", "/v1/shop/pets", "/v1/shop/pets/{id}"], paths
fails("BadRequestException", "Invalid OpenAPI input.", apigw.import_rest_api, body=b"nonsense")

parts = apigw.get_documentation_parts(restApiId=api, type="METHOD")["items"]
assert json.loads(parts[0]["properties"]) == {"summary": "One pet"}, parts
apigw.create_deployment(restApiId=api, stageName="test")
version = apigw.create_documentation_version(restApiId=api, documentationVersion="1.0", stageName="test")
assert version["version"] == "1.0" and version["createdDate"], version


def export(api, kind, accepts="application/json", extensions="apigateway"):
    out = apigw.get_export(
        restApiId=api, stageName="test", exportType=kind, accepts=accepts, parameters={"extensions": extensions}
    )
    assert out["contentType"] == accepts and "attachment" in out["contentDisposition"], out
    return out["body"].read().decode()


text = export(api, "oas30")
exported = json.loads(text)
assert exported["openapi"] == "3.0.1" and exported["info"]["version"] == "3", exported
operation = exported["paths"]["/v1/shop/pets/{id}"]["get"]
assert operation["summary"] == "One pet" and operation["security"] == [{"api_key": []}], operation
assert operation["x-amazon-apigateway-integration"]["type"] == "mock", operation
assert "---" in export(api, "swagger", "application/yaml")

# Documents of others: imported, exported and imported again, to the same API.
for name in sys.argv[1:]:
    with open(name, "rb") as f:
        first = apigw.import_rest_api(body=f.read())
    exports = []
    for _ in range(2):
        for r in apigw.get_resources(restApiId=first["id"], limit=500, embed=["methods"])["items"]:
            for method, m in r.get("resourceMethods", {}).items():
                if "methodIntegration" not in m:
                    apigw.put_integration(restApiId=first["id"], resourceId=r["id"], httpMethod=method, type="MOCK")
        apigw.create_deployment(restApiId=first["id"], stageName="test")
        exports.append(export(first["id"], "swagger").replace(first["id"], "API"))
        first = apigw.import_rest_api(body=exports[-1].encode())
    assert exports[0] == exports[1], name

# Put, in both modes.
more = {"swagger": "2.0", "info": {"title": "More", "version": "4"}, "paths": {"/more": {}}}
apigw.put_rest_api(restApiId=api, mode="merge", body=json.dumps(more).encode())
assert len(apigw.get_resources(restApiId=api)["items"]) == 6
put = apigw.put_rest_api(restApiId=api, mode="overwrite", body=json.dumps(more).encode())
assert put["name"] == "More" and len(apigw.get_resources(restApiId=api)["items"]) == 2, put

# Keys and plans.
key = apigw.create_api_key(name="one", enabled=True, tags={"a": "b"})
assert len(key["value"]) == 40, key
assert "value" not in apigw.get_api_key(apiKey=key["id"])
assert apigw.get_api_keys(nameQuery="on", includeValues=True)["items"][0]["value"] == key["value"]
plan = apigw.create_usage_plan(
    name="gold",
    throttle={"rateLimit": 5, "burstLimit": 7},
    quota={"limit": 100, "period": "MONTH"},
    apiStages=[{"apiId": api, "stage": "test", "throttle": {"/pets/GET": {"rateLimit": 1.5, "burstLimit": 2}}}],
)
joined = apigw.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
assert joined["value"] == key["value"] and joined["type"] == "API_KEY", joined
up = apigw.update_usage_plan(
    usagePlanId=plan["id"],
    patchOperations=[
        patch("replace", "/quota/limit", "50"),
        patch("replace", f"/apiStages/{api}:test/throttle/~1pets/GET/rateLimit", "2.5"),
    ],
)
assert up["quota"]["limit"] == 50 and up["apiStages"][0]["throttle"]["/pets/GET"]["rateLimit"] == 2.5, up
today = datetime.date.today().isoformat()
usage = apigw.get_usage(usagePlanId=plan["id"], startDate=today, endDate=today)
assert usage["items"] == {key["id"]: [[0, 50]]}, usage
csv = f"Name,Key,UsagePlanIds\nimported,abcdefghij0123456789,{plan['id']}\n"
ids = apigw.import_api_keys(body=csv.encode(), format="csv")["ids"]
assert len(apigw.get_usage_plan_keys(usagePlanId=plan["id"])["items"]) == 2
fails("BadRequestException", "API stages are associated", apigw.delete_usage_plan, usagePlanId=plan["id"])
apigw.update_usage_plan(usagePlanId=plan["id"], patchOperations=[patch("remove", "/apiStages", f"{api}:test")])
apigw.delete_usage_plan(usagePlanId=plan["id"])
for id in ids + [key["id"]]:
    apigw.delete_api_key(apiKey=id)
fails("NotFoundException", "Invalid API Key identifier specified", apigw.get_api_key, apiKey=key["id"])

# Domain names.
name = "pets.example.com"
domain = apigw.create_domain_name(
    domainName=name,
    regionalCertificateArn="arn:aws:acm:us-east-1:000000000000:certificate/1",
    endpointConfiguration={"types": ["REGIONAL"]},
)
assert domain["domainNameStatus"] == "AVAILABLE", domain
mapping = apigw.create_base_path_mapping(domainName=name, restApiId=api, stage="test")
assert mapping["basePath"] == "(none)", mapping
apigw.update_base_path_mapping(domainName=name, basePath="(none)", patchOperations=[patch("replace", "/basePath", "v2")])
assert apigw.get_base_path_mapping(domainName=name, basePath="v2")["stage"] == "test"
apigw.delete_base_path_mapping(domainName=name, basePath="v2")
apigw.delete_domain_name(domainName=name)
fails("NotFoundException", "Invalid domain name identifier specified", apigw.get_domain_name, domainName=name)

# Certificates, VPC links, SDKs.
certificate = apigw.generate_client_certificate(description="for backends")
assert certificate["pemEncodedCertificate"].startswith("-----BEGIN CERTIFICATE-----"), certificate
apigw.delete_client_certificate(clientCertificateId=certificate["clientCertificateId"])
nlb = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/net/n/1"
link = apigw.create_vpc_link(name="link", targetArns=[nlb])
assert apigw.get_vpc_link(vpcLinkId=link["id"])["status"] == "AVAILABLE"
apigw.delete_vpc_link(vpcLinkId=link["id"])
assert {t["id"] for t in apigw.get_sdk_types()["items"]} >= {"java", "javascript"}
fails("NotImplementedException", "does not generate SDKs", apigw.get_sdk, restApiId=api, stageName="test", sdkType="java")
