// The scenario of test/clients in the AWS SDK for JavaScript v3. The environment
// says where, and what.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import http from "node:http";
import * as apigateway from "@aws-sdk/client-apigatewayv2";
import * as cloudwatch from "@aws-sdk/client-cloudwatch";
import * as cloudwatchlogs from "@aws-sdk/client-cloudwatch-logs";
import * as lambda from "@aws-sdk/client-lambda";

const name = process.env.NAME, endpoint = process.env.AWS_ENDPOINT_URL;
const once = { maxAttempts: 1 };
const functions = new lambda.LambdaClient(once);
const apis = new apigateway.ApiGatewayV2Client(once);
const logs = new cloudwatchlogs.CloudWatchLogsClient(once);
const text = (bytes) => new TextDecoder().decode(bytes);

function get(path, headers) {
  return new Promise((resolve, reject) => {
    http.get(endpoint + path, { headers }, (res) => {
      const parts = [];
      res.on("data", (p) => parts.push(p)).on("error", reject);
      res.on("end", () => resolve({ status: res.statusCode, body: Buffer.concat(parts).toString() }));
    }).on("error", reject);
  });
}

// failing is the error that a command is answered with.
async function failing(client, command) {
  try {
    await client.send(command);
  } catch (e) {
    return e;
  }
  assert.fail(`${command.constructor.name} does not fail`);
}

const create = {
  FunctionName: name, Runtime: "python3.13", Handler: "app.handler", Role: "arn:aws:iam::000000000000:role/any",
  Code: { ZipFile: await readFile(process.env.FUNCTION_ZIP) }, Timeout: 60, Environment: { Variables: { GREETING: "Hello" } },
};
const made = await functions.send(new lambda.CreateFunctionCommand(create));
try {
  await lambda.waitUntilFunctionActiveV2({ client: functions, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { FunctionName: name });
  const answer = await functions.send(new lambda.InvokeCommand({ FunctionName: name, Payload: JSON.stringify({ name: "Ada" }), LogType: "Tail" }));
  assert.equal(answer.StatusCode, 200);
  assert.equal(answer.ExecutedVersion, "$LATEST");
  assert.equal(JSON.parse(text(answer.Payload)).message, "Hello, Ada!");
  assert.match(Buffer.from(answer.LogResult, "base64").toString(), /called with/);
  const failed = await functions.send(new lambda.InvokeCommand({ FunctionName: name, Payload: JSON.stringify({ fail: true }) }));
  assert.equal(failed.FunctionError, "Unhandled");
  assert.equal(JSON.parse(text(failed.Payload)).errorType, "ValueError");
  const stream = await functions.send(new lambda.InvokeWithResponseStreamCommand({ FunctionName: name, Payload: JSON.stringify({ name: "Eve" }) }));
  let streamed = "", complete = false;
  for await (const e of stream.EventStream) {
    if (e.PayloadChunk) streamed += text(e.PayloadChunk.Payload);
    if (e.InvokeComplete) complete = true;
  }
  assert.equal(JSON.parse(streamed).message, "Hello, Eve!");
  assert.ok(complete);

  const api = await apis.send(new apigateway.CreateApiCommand({ Name: name, ProtocolType: "HTTP", Target: made.FunctionArn }));
  try {
    for (const [path, headers] of [
      [`/_aws/execute-api/${api.ApiId}/$default/pets`, {}],
      ["/pets", { host: `${api.ApiId}.execute-api.us-east-1.localhost` }],
    ]) {
      const res = await get(path, headers);
      assert.equal(res.status, 200, res.body);
      assert.equal(JSON.parse(res.body).path, "/pets");
    }
  } finally {
    await apis.send(new apigateway.DeleteApiCommand({ ApiId: api.ApiId }));
  }

  const deadline = Date.now() + 60_000;
  for (;;) {
    const { events } = await logs.send(new cloudwatchlogs.FilterLogEventsCommand({ logGroupName: `/aws/lambda/${name}`, filterPattern: "called" }));
    if (events.length >= 5) break;
    assert.ok(Date.now() < deadline, `the log has ${JSON.stringify(events)}`);
  }

  const missing = await failing(functions, new lambda.GetFunctionCommand({ FunctionName: name + "-missing" }));
  assert.ok(missing instanceof lambda.ResourceNotFoundException, String(missing));
  assert.equal(missing.$metadata.httpStatusCode, 404);
  assert.ok(missing.$metadata.requestId);
  const twice = await failing(functions, new lambda.CreateFunctionCommand(create));
  assert.ok(twice instanceof lambda.ResourceConflictException, String(twice));
  assert.match(twice.message, /Function already exist/);
  const group = await failing(logs, new cloudwatchlogs.GetLogEventsCommand({ logGroupName: "/missing/" + name, logStreamName: "x" }));
  assert.ok(group instanceof cloudwatchlogs.ResourceNotFoundException, String(group));
  const gone = await failing(apis, new apigateway.GetApiCommand({ ApiId: "missing" }));
  assert.ok(gone instanceof apigateway.NotFoundException, String(gone));
} finally {
  await functions.send(new lambda.DeleteFunctionCommand({ FunctionName: name }));
}

// What is not implemented says so, in the protocols that this SDK chooses.
for (const [client, command, operation] of [
  [functions, new lambda.ListCodeSigningConfigsCommand({}), "ListCodeSigningConfigs"],
  [new cloudwatch.CloudWatchClient(once), new cloudwatch.ListDashboardsCommand({}), "ListDashboards"],
]) {
  const e = await failing(client, command);
  assert.equal(e.name, "NotImplementedException");
  assert.equal(e.$metadata.httpStatusCode, 501);
  assert.ok(e.message.includes(operation), e.message);
}
console.log("ok");
