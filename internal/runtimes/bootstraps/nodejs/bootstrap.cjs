// Runs a Node.js function as AWS Lambda's Node.js runtimes do. CommonJS, raw
// sockets and few modules, because each of their opposites delays the first
// answer of every new environment by some milliseconds.
"use strict";

require("./paddock/runtime.cjs").main();
