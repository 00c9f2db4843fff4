package apigatewayv2

import "github.com/paddock-run/paddock/internal/coverage"

// Settings says what becomes of the settings that have no full effect.
var Settings = []coverage.Setting{
	{Operation: "CreateApi", Setting: "protocolType", Status: coverage.Refused, Note: "WEBSOCKET answers 501."},
	{Operation: "CreateApi, UpdateApi", Setting: "target", Status: coverage.Works, Note: "The ARN of a Lambda function. An HTTP URL answers 501."},
	{Operation: "CreateApi, UpdateApi", Setting: "credentialsArn", Status: coverage.Refused, Note: "Answers 501: integrations call functions without a role."},
	{Operation: "CreateApi, UpdateApi", Setting: "ipAddressType", Status: coverage.StoredOnly, Note: "An API answers on the addresses that Paddock listens on."},
	{Operation: "CreateApi", Setting: "tags", Status: coverage.StoredOnly, Note: "Returned with the API."},
	{Operation: "CreateApi", Note: "The function's resource policy is not asked: the API may call any function of the account.", Status: coverage.Works},
}
