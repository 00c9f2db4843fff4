// The console, in the forms that Lambda's log has. Events go to the descriptor
// that _LAMBDA_TELEMETRY_LOG_FD names, each in a frame that keeps its lines
// together, else to standard output.
// https://docs.aws.amazon.com/lambda/latest/dg/nodejs-logging.html
"use strict";

const fs = require("fs");
const { format } = require("util");
const { toError, logText } = require("./errors.cjs");

const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
const TEXT_FRAME = 0xa55a0003;

let json = false;
let descriptor;

// That of the invocation that runs.
const current = { requestId: undefined, tenantId: undefined };

// Reads the environment, and makes the console what a function expects.
function patchConsole() {
  json = (process.env.AWS_LAMBDA_LOG_FORMAT || "").toUpperCase() === "JSON";
  descriptor = process.env._LAMBDA_TELEMETRY_LOG_FD;
  delete process.env._LAMBDA_TELEMETRY_LOG_FD;
  try {
    if (descriptor) fs.fstatSync(Number(descriptor));
  } catch {
    descriptor = undefined; // a wrapper has closed it
  }
  const least = LEVELS.indexOf((process.env.AWS_LAMBDA_LOG_LEVEL || "TRACE").toUpperCase());
  LEVELS.forEach((level, rank) => {
    console[level.toLowerCase()] = rank < least ? () => {} : (...args) => log(level, args);
  });
  console.log = console.info;
}

function log(level, args) {
  const now = new Date();
  const time = now.toISOString();
  const text = json
    ? jsonLine(time, level, args)
    : `${time}\t${current.requestId}\t${level}\t${format(...args)}`; // during init it is "undefined"
  write(now, text);
}

function write(now, text) {
  if (descriptor === undefined) {
    // Without frames a line feed would make several events of it.
    process.stdout.write(text.replace(/\n/g, "\r") + "\n");
    return;
  }
  const message = Buffer.from(text + "\n");
  const frame = Buffer.allocUnsafe(16 + message.length);
  frame.writeUInt32BE(TEXT_FRAME, 0);
  frame.writeUInt32BE(message.length, 4);
  frame.writeBigUInt64BE(BigInt(now.getTime()) * 1000n, 8);
  message.copy(frame, 16);
  let sent = 0;
  while (sent < frame.length) {
    try {
      sent += fs.writeSync(Number(descriptor), frame, sent);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
      // A pipe that does not block is full: wait a millisecond for its reader.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

function jsonLine(timestamp, level, args) {
  const event = { timestamp, level, requestId: current.requestId };
  if (current.tenantId !== undefined) event.tenantId = current.tenantId;
  if (args.length === 1) {
    event.message = args[0];
    try {
      return JSON.stringify(event, (_, value) => (value instanceof Error ? { ...errorFields(value), ...value } : value));
    } catch {
      event.message = format(args[0]); // circular, a BigInt
      return JSON.stringify(event);
    }
  }
  event.message = format(...args);
  const error = args.find((arg) => arg instanceof Error);
  if (error) Object.assign(event, errorFields(error));
  return JSON.stringify(event);
}

function errorFields(error) {
  return {
    errorType: (error.constructor && error.constructor.name) || "UnknownError",
    errorMessage: error.message,
    stackTrace: typeof error.stack === "string" ? error.stack.split("\n") : [],
  };
}

// Logs an error that is about to be reported to the Runtime API.
function logError(title, error) {
  if (json) console.error(toError(error));
  else console.error(title, "\t" + logText(toError(error)));
}

module.exports = { current, patchConsole, logError };
