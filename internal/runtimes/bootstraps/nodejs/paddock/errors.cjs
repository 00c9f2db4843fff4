// Errors of the runtime's own, and the forms in which errors leave it.
"use strict";

const util = require("util");

function fault(name) {
  const kind = class extends Error {};
  kind.prototype.name = "Runtime." + name;
  return kind;
}

const faults = {
  CallbackHandlerDeprecated: fault("CallbackHandlerDeprecated"),
  HandlerNotFound: fault("HandlerNotFound"),
  ImportModuleError: fault("ImportModuleError"),
  InvalidStreamingOperation: fault("InvalidStreamingOperation"),
  MalformedHandlerName: fault("MalformedHandlerName"),
  MalformedStreamingHandler: fault("MalformedStreamingHandler"),
  UnhandledPromiseRejection: fault("UnhandledPromiseRejection"),
  UserCodeSyntaxError: fault("UserCodeSyntaxError"),
};

// An error as the Runtime API takes it.
function report(error) {
  try {
    if (util.types.isNativeError(error) || looksLikeError(error)) {
      return {
        errorType: escape(error.name),
        errorMessage: escape(error.message),
        trace: escape(error.stack).split("\n"),
      };
    }
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  } catch {
    // A getter or toString of the function's own threw.
    return { errorType: "handled", errorMessage: "the error could not be read: its name, message or stack failed", trace: [] };
  }
}

function looksLikeError(value) {
  return value && ["name", "message", "stack"].every((field) => typeof value[field] === "string" && value[field]);
}

// Lambda takes no DEL in an error.
function escape(text) {
  return String(text === undefined ? "" : text).replace(/\x7f/g, "%7F");
}

function toError(value) {
  return value instanceof Error ? value : new Error(value);
}

// An error as it stands in a text log: its fields, and those of its causes.
function logText(error) {
  try {
    return JSON.stringify(error, (_, value) => {
      if (!(value instanceof Error)) return value;
      const fields = { errorType: value.name, errorMessage: value.message, code: value.code, ...value };
      if (typeof value.stack === "string") fields.stack = value.stack.split("\n");
      return fields;
    });
  } catch {
    return JSON.stringify(report(error)); // circular
  }
}

module.exports = { faults, report, toError, logText };
