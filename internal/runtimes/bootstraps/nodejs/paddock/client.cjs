// Frames to and from the daemon, over the descriptor that the bootstrap is given.
//
// A frame is its kind (1 byte), the length of its fields (3 bytes), the length of
// its body (4 bytes), the fields with line feeds between them, the body. The
// kinds are listed where the other end is: internal/runtimeapi/link.go.
"use strict";

const fs = require("fs");
const net = require("net");

const HEAD = 8;
const STARTED = Buffer.from("R\0\0\0\0\0\0\0");
const NEXT = Buffer.from("N\0\0\0\0\0\0\0");
const CHUNK = 64 * 1024;

class Client {
  constructor(descriptor) {
    this.descriptor = descriptor;
    this.waiting = null; // {resolve, reject} of who waits for a frame
    this.arrived = []; // frames that nobody has waited for
    this.lost = null; // the error that ended the connection
    this.partial = null; // a frame of which some is here
    this.filled = 0; // of it
    this.queued = 0; // writes that the socket has not taken yet
    this.socket = new net.Socket({
      fd: descriptor,
      readable: true,
      writable: true,
      onread: { buffer: Buffer.allocUnsafeSlow(CHUNK), callback: (length, buffer) => this.onData(buffer.subarray(0, length)) },
    });
    const lost = (error) => {
      this.lost = this.lost || error || new Error("the daemon closed the connection");
      if (this.waiting) this.take().reject(this.lost);
    };
    this.socket.on("error", lost);
    this.socket.on("end", lost);
    this.socket.on("close", () => lost());
    this.socket.resume(); // else there is no "end"
    // It counts among what keeps the process alive only while a frame is awaited.
    this.socket.unref();
  }

  // Waits to be told what function this is.
  async boot() {
    this.write(STARTED);
    return JSON.parse((await this.frame()).body);
  }

  // Waits for an invocation: {fields (strings), body (a string)}.
  next() {
    this.write(NEXT);
    return this.frame();
  }

  // Each of these returns nothing, or where the daemon is slow to take it a promise.
  respond(requestId, body) {
    return this.send("A", `${requestId}\napplication/json`, body);
  }

  fail(requestId, error) {
    return this.send("F", `${requestId}\n${oneLine(error.errorType)}`, JSON.stringify(error));
  }

  failInit(error) {
    return this.send("I", oneLine(error.errorType), JSON.stringify(error));
  }

  // Begins an answer of unknown length. write(data, done) and end(error) go on
  // with it; end resolves when all of it is on its way.
  stream(requestId, contentType) {
    this.send("S", `${requestId}\n${oneLine(contentType)}`, "");
    return {
      write: (data, done) => {
        if (data.length < CHUNK) {
          this.write(Buffer.concat([head("D", data.length), data]), done);
        } else {
          this.write(head("D", data.length));
          this.write(data, done);
        }
      },
      end: async (error) => {
        if (error) await this.send("Z", oneLine(error.errorType), JSON.stringify(error));
        else await this.send("Z", "", "");
        this.socket.unref();
      },
    };
  }

  // Keeps the process alive until the stream that is about to begin has ended.
  hold() {
    this.socket.ref();
  }

  send(kind, fields, body) {
    const fieldsLength = Buffer.byteLength(fields);
    const bodyLength = Buffer.byteLength(body);
    const frame = Buffer.allocUnsafe(HEAD + fieldsLength + bodyLength);
    frame.writeUInt32BE(fieldsLength, 0);
    frame[0] = kind.charCodeAt(0);
    frame.writeUInt32BE(bodyLength, 4);
    frame.utf8Write(fields, HEAD, fieldsLength);
    if (bodyLength > 0) frame.utf8Write(body, HEAD + fieldsLength, bodyLength);
    if (this.write(frame)) return undefined;
    return new Promise((resolve, reject) => {
      // Behind it in the queue.
      this.socket.write("", (error) => (error ? reject(error) : resolve()));
    });
  }

  // Writes, and tells whether all of it is gone already. done is called when it is.
  write(data, done) {
    if (this.queued === 0) {
      // At once, where the socket takes it: a tenth of the way through the stream.
      let sent = 0;
      try {
        sent = fs.writeSync(this.descriptor, data);
      } catch (error) {
        if (error.code !== "EAGAIN") {
          this.socket.destroy(error);
          if (done) done(error);
          return true; // there is nothing to wait for
        }
      }
      if (sent === data.length) {
        if (done) process.nextTick(done);
        return true;
      }
      data = data.subarray(sent);
    }
    this.queued++;
    this.socket.write(data, (error) => {
      this.queued--;
      if (done) done(error);
    });
    return false;
  }

  frame() {
    if (this.arrived.length > 0) return Promise.resolve(this.arrived.shift());
    if (this.lost) return Promise.reject(this.lost);
    this.socket.ref();
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
    });
  }

  take() {
    const waiting = this.waiting;
    this.waiting = null;
    this.socket.unref();
    return waiting;
  }

  onData(data) {
    let at = 0;
    while (at < data.length) {
      if (this.partial === null) {
        if (data.length - at >= HEAD) {
          const size = frameSize(data, at);
          if (data.length - at >= size) {
            this.give(data, at, size);
            at += size;
            continue;
          }
          this.partial = Buffer.allocUnsafeSlow(size);
        } else {
          this.partial = Buffer.allocUnsafeSlow(HEAD);
        }
        this.filled = 0;
      }
      const copied = data.copy(this.partial, this.filled, at);
      this.filled += copied;
      at += copied;
      if (this.filled < this.partial.length) break;
      const size = frameSize(this.partial, 0);
      if (this.partial.length < size) {
        const head = this.partial;
        this.partial = Buffer.allocUnsafeSlow(size);
        head.copy(this.partial);
      } else {
        const whole = this.partial;
        this.partial = null;
        this.give(whole, 0, size);
      }
    }
    return true; // go on reading
  }

  give(data, at, size) {
    const start = at + HEAD + data.readUIntBE(at + 1, 3);
    const frame = {
      fields: data.utf8Slice(at + HEAD, start).split("\n"),
      body: data.utf8Slice(start, at + size),
    };
    if (this.waiting) this.take().resolve(frame);
    else this.arrived.push(frame);
  }
}

function frameSize(data, at) {
  return HEAD + data.readUIntBE(at + 1, 3) + data.readUInt32BE(at + 4);
}

// The head of a frame without fields.
function head(kind, bodyLength) {
  const frame = Buffer.alloc(HEAD);
  frame[0] = kind.charCodeAt(0);
  frame.writeUInt32BE(bodyLength, 4);
  return frame;
}

// A field is one line. An error's type may be any string that a function gives
// its errors as a name.
function oneLine(text) {
  return String(text).replace(/[^\x20-\x7e]/g, "?");
}

module.exports = { Client };
