// What a handler gets as its context.
// https://docs.aws.amazon.com/lambda/latest/dg/nodejs-context.html
"use strict";

// The members that come from the environment and the invocation's headers.
function describe(headers) {
  const env = process.env;
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  return {
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: fromJSON(headers["lambda-runtime-client-context"], "ClientContext"),
    identity: fromJSON(headers["lambda-runtime-cognito-identity"], "CognitoIdentity"),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    tenantId: headers["lambda-runtime-aws-tenant-id"],
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

// Headers come as Latin-1, the JSON in them is UTF-8.
function fromJSON(text, name) {
  if (!text) return undefined;
  try {
    return JSON.parse(Buffer.from(text, "latin1").toString());
  } catch (error) {
    throw new Error(`Cannot parse ${name} as json: ${error}`);
  }
}

module.exports = { describe };
