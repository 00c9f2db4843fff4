// What a handler gets as its context.
// https://docs.aws.amazon.com/lambda/latest/dg/nodejs-context.html
"use strict";

// The members that come from the environment and the invocation's fields.
function describe([requestId, deadlineMs, arn, , clientContext, identity, tenantId]) {
  const env = process.env;
  const deadline = Number(deadlineMs);
  return {
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: fromJSON(clientContext, "ClientContext"),
    identity: fromJSON(identity, "CognitoIdentity"),
    invokedFunctionArn: arn,
    awsRequestId: requestId,
    tenantId: tenantId || undefined,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

function fromJSON(text, name) {
  if (!text) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot parse ${name} as json: ${error}`);
  }
}

module.exports = { describe };
