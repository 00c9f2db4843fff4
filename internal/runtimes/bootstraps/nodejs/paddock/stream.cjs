// Response streaming: what a streaming handler writes to.
// https://docs.aws.amazon.com/lambda/latest/dg/config-rs-write-functions.html
"use strict";

const { Writable } = require("stream");
const { faults, report } = require("./errors.cjs");

const PRELUDE_TYPE = "application/vnd.awslambda.http-integration-response";
const PRELUDE_END = Buffer.alloc(8);

class ResponseStream extends Writable {
  constructor(client, requestId, highWaterMark) {
    super({ highWaterMark });
    this.on("error", () => {}); // the handler's own failure is what gets reported
    client.hold(); // the process stays alive until something ends the stream
    this.open = (contentType) => client.stream(requestId, contentType);
    this.contentType = "application/octet-stream";
    this.wire = null;
    this.answered = null; // settled once the wire has ended
  }

  setContentType(contentType) {
    if (this.wire) throw new faults.InvalidStreamingOperation("Cannot set content-type, too late.");
    this.contentType = contentType;
  }

  write(chunk, ...rest) {
    return super.write(toBytes(chunk), ...rest);
  }

  end(chunk, ...rest) {
    if (chunk === undefined || chunk === null || typeof chunk === "function") return super.end(chunk, ...rest);
    return super.end(toBytes(chunk), ...rest);
  }

  begin() {
    if (this.wire) return;
    this.wire = this.open(this.contentType);
    if (typeof this._onBeforeFirstWrite === "function") {
      this._onBeforeFirstWrite((data) => this.wire.write(Buffer.from(data)));
    }
  }

  _write(chunk, _encoding, done) {
    this.begin();
    if (chunk.length === 0) done(); // an empty chunk would end the body
    else this.wire.write(chunk, done);
  }

  _final(done) {
    this.close(null);
    this.answered.then(() => done(), done);
  }

  // Ends the answer, with an error after what was written or without.
  close(error) {
    if (this.answered) return this.answered;
    this.begin();
    this.answered = this.wire.end(error ? report(error) : null);
    this.answered.catch(() => {}); // for those who do not wait
    return this.answered;
  }
}

function toBytes(chunk) {
  return typeof chunk === "string" || chunk instanceof Uint8Array ? chunk : JSON.stringify(chunk);
}

class HttpResponseStream {
  // Puts a status code, headers and cookies before what is written to stream.
  static from(stream, metadata) {
    stream.setContentType(PRELUDE_TYPE);
    const prelude = JSON.stringify(metadata);
    stream._onBeforeFirstWrite = (write) => {
      write(prelude);
      write(PRELUDE_END);
    };
    return stream;
  }
}

module.exports = { ResponseStream, HttpResponseStream };
