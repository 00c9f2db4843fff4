// Runs the handler for one invocation after another. Up to nodejs22.x handlers
// may take a callback, and an answer may wait for the event loop to empty; from
// nodejs24.x on there are only return values and promises.
"use strict";

const { Client } = require("./client.cjs");
const { describe } = require("./context.cjs");
const { faults, report } = require("./errors.cjs");
const loader = require("./loader.cjs");
const logs = require("./logs.cjs");

const env = process.env;

// Whether the function's runtime is nodejs24.x or newer. The identifier decides,
// not the Node.js that runs it: it may be the nearest.
let modern;

const CALLBACK_REFUSED =
  "ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. " +
  "You need to modify this function to use a supported handler signature to use Node.js 24 or later. " +
  "For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.";

let client;

// How an error outside the handler is reported: by the phase that runs. Until the
// first invocation that is init.
let reportCrash = (error) => client.failInit(report(error));

// What happens when nothing is left to do: see callbackWaitsForEmptyEventLoop.
let whenIdle = null;

async function main() {
  const [descriptor, ahead] = process.argv.splice(2);
  // Without a descriptor it speaks HTTP.
  client = descriptor ? new Client(Number(descriptor)) : new (require("./http.cjs").Client)(env.AWS_LAMBDA_RUNTIME_API);
  if (ahead === "ahead") await loadAhead();
  prepare(await client.boot());
  logs.patchConsole();
  if (modern) {
    logs.current.requestId = "-";
  } else {
    process.on("uncaughtException", (error) => crash("Uncaught Exception", error, 129));
    process.on("unhandledRejection", (reason) => {
      const error = new faults.UnhandledPromiseRejection(reason);
      error.reason = reason;
      crash("Unhandled Promise Rejection", error, 128);
    });
  }
  process.on("beforeExit", () => {
    const then = whenIdle;
    whenIdle = null;
    if (then) setImmediate(then);
  });
  installGlobals();

  let handler, streaming;
  try {
    handler = await loader.load(env.LAMBDA_TASK_ROOT, env._HANDLER, modern);
    streaming = loader.isStreaming(handler);
    if (modern && handler.length >= 3 && !streaming) throw new faults.CallbackHandlerDeprecated(CALLBACK_REFUSED);
  } catch (error) {
    await crash(modern ? "Init Error" : "Uncaught Exception", error, modern ? 1 : 129);
    return;
  }
  const handle = streaming ? handleStream : modern ? handleModern : handleClassic;
  const iterate = async () => {
    const { fields, body } = await client.next();
    begin(fields);
    handle(handler, fields, body, () => {
      reportCrash = () => undefined; // no invocation runs that it could be told of
      setImmediate(loop);
    });
  };
  const loop = () => iterate().catch(fatal);
  loop();
}

// Does before the function is known what would take it time later.
async function loadAhead() {
  for (const name of ["buffer", "crypto", "events", "http", "https", "stream", "timers", "url", "zlib"]) require(name);
  require("./stream.cjs");
  // The loader of ES modules is made when it is first used.
  await import("data:text/javascript,");
}

// Makes the process what a function expects to find.
function prepare(boot) {
  if (boot.env) {
    // Else this process was started with it. It has all that this process was
    // started with, but what the sandbox added.
    for (const [name, value] of Object.entries(boot.env)) if (env[name] !== value) env[name] = value;
    process.chdir(boot.dir);
    require("module")._initPaths(); // NODE_PATH
  }
  const release = /nodejs(\d+)/.exec(env.AWS_EXECUTION_ENV || "") || [null, process.versions.node.split(".")[0]];
  modern = Number(release[1]) >= 24;
}

let crashing = false;

async function crash(title, error, code) {
  if (crashing) return; // the first one counts
  crashing = true;
  logs.logError(title, error);
  try {
    await reportCrash(error);
  } catch (failure) {
    process.stderr.write(`${failure.stack}\n`);
  }
  process.exit(code);
}

function installGlobals() {
  if (["1", "true"].includes(env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) return;
  globalThis.awslambda = {
    ...globalThis.awslambda,
    streamifyResponse: loader.streamifyResponse,
    get HttpResponseStream() {
      return require("./stream.cjs").HttpResponseStream;
    },
  };
}

function begin([requestId, , , trace, , , tenantId]) {
  logs.current.requestId = requestId;
  logs.current.tenantId = tenantId || undefined;
  if (trace) env._X_AMZN_TRACE_ID = trace;
  else delete env._X_AMZN_TRACE_ID;
}

function isPromise(value) {
  return value && typeof value.then === "function";
}

// The result's JSON. What has none (undefined, a function) is null.
function serialize(result) {
  try {
    const text = JSON.stringify(result);
    return text === undefined ? "null" : text;
  } catch {
    const error = new Error("Unable to stringify response body"); // circular, a BigInt
    if (modern) error.name = "Runtime.JSONStringifyError";
    throw error;
  }
}

// Ends an invocation with a result or an error, then asks for the next one.
function finish(requestId, error, result, next) {
  whenIdle = null;
  const posted = post(requestId, error, result);
  reportCrash = () => posted; // too late for another answer
  if (posted === undefined) next();
  else posted.then(next, fatal);
}

function post(requestId, error, result) {
  if (error === undefined) {
    try {
      return client.respond(requestId, serialize(result));
    } catch (failure) {
      error = failure;
    }
  }
  logs.logError("Invoke Error", error);
  return client.fail(requestId, report(error));
}

// Ends the process: the daemon does not answer.
function fatal(error) {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
}

// nodejs16.x to nodejs22.x.
function handleClassic(handler, fields, body, next) {
  const [requestId] = fields;
  reportCrash = (error) => client.fail(requestId, report(error));
  let waits = true;
  let finished = false;
  const once =
    (then) =>
    (...args) => {
      if (finished) return;
      finished = true;
      whenIdle = null;
      then(...args);
    };
  const given = (error) => (error === null ? undefined : error);
  const done = once((error, result) => finish(requestId, given(error), result, next));
  const callback = once((error, result) => {
    if (given(error) !== undefined || !waits) finish(requestId, given(error), result, next);
    else whenIdle = () => finish(requestId, undefined, result, next);
  });
  const context = {
    get callbackWaitsForEmptyEventLoop() {
      return waits;
    },
    set callbackWaitsForEmptyEventLoop(value) {
      waits = value;
    },
    succeed: (result) => done(null, result),
    fail: (error) => done(given(error) === undefined ? "handled" : error),
    done,
  };
  // A handler that neither answers nor leaves anything to wait for.
  whenIdle = () => done(null, null);
  try {
    Object.assign(context, describe(fields));
    const result = handler(JSON.parse(body), context, callback);
    if (isPromise(result)) result.then(context.succeed, context.fail);
  } catch (error) {
    callback(error);
  }
}

// nodejs24.x and newer.
async function handleModern(handler, fields, body, next) {
  const [requestId] = fields;
  let result;
  try {
    result = await handler(JSON.parse(body), describe(fields));
  } catch (error) {
    return finish(requestId, error === undefined || error === null ? new Error(String(error)) : error, undefined, next);
  }
  return finish(requestId, undefined, result, next);
}

async function handleStream(handler, fields, body, next) {
  const { ResponseStream } = require("./stream.cjs");
  const stream = new ResponseStream(client, fields[0], loader.highWaterMark(handler));
  reportCrash = (error) => stream.close(error);
  let waits = !modern;
  try {
    const context = describe(fields);
    if (!modern) {
      Object.defineProperty(context, "callbackWaitsForEmptyEventLoop", {
        enumerable: true,
        get: () => waits,
        set: (value) => {
          waits = value;
        },
      });
    }
    const result = handler(JSON.parse(body), stream, context);
    if (!isPromise(result)) throw new Error("Streaming does not support non-async handlers.");
    if ((await result) !== undefined) console.warn("Streaming handlers ignore return values.");
    await finished(stream);
    if (!stream.writableFinished) throw new Error("Response stream is not finished.");
  } catch (error) {
    logs.logError("Invoke Error", error);
    await stream.close(error).catch(fatal);
    return next();
  }
  if (waits) whenIdle = next;
  else next();
}

// Waits for the stream's end, which may still be on its way when the handler
// has returned; forever if nothing ends it, until the function's time is up.
function finished(stream) {
  return new Promise((resolve) => {
    if (stream.writableFinished || stream.destroyed) resolve();
    else stream.once("close", resolve).once("finish", resolve);
  });
}

module.exports = { main };
