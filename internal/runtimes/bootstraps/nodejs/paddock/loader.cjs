// From a handler name like folder/module.nested.function to the function.
// https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html
"use strict";

const fs = require("fs");
const path = require("path");
const { faults } = require("./errors.cjs");

const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");
const HIGH_WATER_MARK = Symbol.for("aws.lambda.runtime.handler.streaming.highWaterMark");

// modern is whether the function's runtime is nodejs24.x or newer: that one
// looks for everything as an ES module would, and in default exports too.
async function load(root, name, modern) {
  if (name.includes("..")) {
    throw new faults.MalformedHandlerName(
      `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const base = path.basename(name);
  const folder = name.slice(0, name.length - base.length);
  const dot = base.indexOf(".");
  if (dot < 0) throw new faults.MalformedHandlerName("Bad handler");
  const moduleName = base.slice(0, dot);
  const members = base.slice(dot + 1).split(".");

  let loaded;
  try {
    const file = path.resolve(root, folder, moduleName);
    loaded = (await (modern ? importFile(file) : requireFile(file))) || requireByName(root, folder, moduleName);
  } catch (error) {
    if (error instanceof SyntaxError) {
      const fault = new faults.UserCodeSyntaxError(error);
      fault.stack = error.stack; // it shows the file and the line
      throw fault;
    }
    if (error && error.code === "MODULE_NOT_FOUND") throw new faults.ImportModuleError(error);
    throw error;
  }
  let handler = member(loaded, members);
  if (!handler && modern && loaded) handler = member(loaded.default, members);
  if (!handler) throw new faults.HandlerNotFound(`${name} is undefined or not exported`);
  if (typeof handler !== "function") throw new faults.HandlerNotFound(`${name} is not a function`);
  return handler;
}

function member(object, names) {
  return names.reduce((value, name) => value && value[name], object);
}

async function importFile(file) {
  for (const extension of ["", ".js", ".mjs", ".cjs"]) {
    if (fs.existsSync(file + extension)) return importPath(file + extension);
  }
  return undefined;
}

async function requireFile(file) {
  if (fs.existsSync(file)) return require(file);
  if (fs.existsSync(file + ".js")) {
    return isModuleFolder(path.dirname(file)) ? importPath(file + ".js") : require(file + ".js");
  }
  if (fs.existsSync(file + ".mjs")) return importPath(file + ".mjs");
  if (fs.existsSync(file + ".cjs")) return require(file + ".cjs");
  return undefined;
}

let searched = false;

// From now on import finds what is in the folders of NODE_PATH. Hooks take time to
// start: they are only there where there is something to find.
function searchNodePath() {
  if (searched) return;
  searched = true;
  const { register } = require("module");
  if (!register) return; // Node.js 20.5 and older
  const { pathToFileURL } = require("url");
  const parents = (process.env.NODE_PATH || "")
    .split(path.delimiter)
    .filter((folder) => path.basename(folder) === "node_modules" && fs.existsSync(folder))
    .map((folder) => pathToFileURL(path.join(path.dirname(folder), "any.mjs")).href);
  if (parents.length > 0) register(pathToFileURL(path.join(__dirname, "nodepath.mjs")), { data: { parents } });
}

function importPath(file) {
  searchNodePath();
  return import(require("url").pathToFileURL(file));
}

// A package in a layer, for one.
function requireByName(root, folder, name) {
  return require(require.resolve(name, { paths: [root, path.join(root, folder)] }));
}

// Whether a .js file of that folder is an ES module.
function isModuleFolder(folder) {
  for (let at = folder; !at.endsWith("/node_modules"); at = path.dirname(at)) {
    const file = path.join(at, "package.json");
    if (fs.existsSync(file)) {
      try {
        return JSON.parse(fs.readFileSync(file, "utf8")).type === "module";
      } catch (error) {
        console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
        return false;
      }
    }
    if (at === path.dirname(at)) break;
  }
  return false;
}

// Whether the handler was made by awslambda.streamifyResponse.
function isStreaming(handler) {
  const mark = handler[STREAMING];
  if (mark === undefined || mark === null || mark === false) return false;
  if (mark !== "response") throw new faults.MalformedStreamingHandler("Only response streaming is supported.");
  return true;
}

function highWaterMark(handler) {
  const bytes = parseInt(handler[HIGH_WATER_MARK]);
  return Number.isNaN(bytes) ? undefined : bytes;
}

function streamifyResponse(handler, options) {
  handler[STREAMING] = "response";
  if (options && typeof options.highWaterMark === "number") handler[HIGH_WATER_MARK] = parseInt(options.highWaterMark);
  return handler;
}

module.exports = { load, isStreaming, highWaterMark, streamifyResponse };
