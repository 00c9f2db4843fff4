// The Runtime API over one keep-alive HTTP connection, one call at a time: for
// programs that a wrapper starts, which may have put something between them and
// the daemon.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"use strict";

const net = require("net");

const BASE = "/2018-06-01/runtime/";
const HEAD_END = Buffer.from("\r\n\r\n");
const ERROR_TYPE = "Lambda-Runtime-Function-Error-Type";
const ERROR_BODY = "Lambda-Runtime-Function-Error-Body";

const FIELDS = [
  "aws-request-id",
  "deadline-ms",
  "invoked-function-arn",
  "trace-id",
  "client-context",
  "cognito-identity",
  "aws-tenant-id",
].map((name) => `lambda-runtime-${name}`);

class Client {
  constructor(address) {
    const colon = address.lastIndexOf(":");
    this.host = address;
    this.target = {
      host: address.slice(0, colon).replace(/^\[|\]$/g, ""),
      port: Number(address.slice(colon + 1)),
      noDelay: true,
    };
    this.socket = null;
    this.received = [];
    this.pending = null; // {resolve, reject} of the call that runs
  }

  // What function this is, as the other client has it: all is there already.
  async boot() {
    delete process.env._PADDOCK_OPT; // of use to Python's
    return {};
  }

  // Waits for an invocation: {fields (strings), body (a string)}.
  async next() {
    const response = await this.call(this.head("GET", "invocation/next", ""), "");
    if (response.status !== 200) {
      throw new Error(`the Runtime API answered ${response.status} to next: ${response.body}`);
    }
    const fields = FIELDS.map((name) => response.headers[name] || "");
    return { fields, body: response.body.utf8Slice() };
  }

  // Hands in a result. Whether it was taken is for the daemon to report.
  respond(requestId, body) {
    return this.post(`invocation/${requestId}/response`, "Content-Type: application/json\r\n", body);
  }

  fail(requestId, error) {
    return this.post(`invocation/${requestId}/error`, errorHeaders(error), JSON.stringify(error));
  }

  failInit(error) {
    return this.post("init/error", errorHeaders(error), JSON.stringify(error));
  }

  post(path, headers, body) {
    return this.call(this.head("POST", path, `${headers}Content-Length: ${Buffer.byteLength(body)}\r\n`), body);
  }

  // Keeps the process alive until the stream that is about to begin has ended.
  hold() {
    if (this.socket) this.socket.ref();
  }

  // Begins an answer of unknown length. write(data, done) and end(error) go on
  // with it; end resolves when the daemon has taken it all, and tells of the
  // error, if there is one, in trailers.
  stream(requestId, contentType) {
    const socket = this.connected();
    socket.write(
      this.head(
        "POST",
        `invocation/${requestId}/response`,
        `Lambda-Runtime-Function-Response-Mode: streaming\r\nContent-Type: ${contentType}\r\n` +
          `Trailer: ${ERROR_TYPE}, ${ERROR_BODY}\r\nTransfer-Encoding: chunked\r\n`,
      ),
    );
    const answered = this.answer();
    answered.catch(() => {}); // whoever ends it hears of it
    return {
      write(data, done) {
        socket.cork();
        socket.write(data.length.toString(16) + "\r\n");
        socket.write(data);
        socket.write("\r\n", done);
        socket.uncork();
      },
      end(error) {
        const trailers = error
          ? `${ERROR_TYPE}: ${headerText(error.errorType)}\r\n` +
            `${ERROR_BODY}: ${Buffer.from(JSON.stringify(error)).toString("base64")}\r\n`
          : "";
        socket.write("0\r\n" + trailers + "\r\n");
        return answered;
      },
    };
  }

  head(method, path, headers) {
    return `${method} ${BASE}${path} HTTP/1.1\r\nHost: ${this.host}\r\n${headers}\r\n`;
  }

  async call(head, body) {
    // A crash is reported beside the wait for an invocation.
    if (this.pending) return new Client(this.host).call(head, body);
    const reused = this.socket !== null;
    try {
      return await this.exchange(head, body);
    } catch (error) {
      if (!reused) throw error;
      return this.exchange(head, body); // kept alive for too long: once more
    }
  }

  exchange(head, body) {
    const socket = this.connected();
    // A short body shares a packet with its headers.
    if (typeof body === "string" && body.length < 65536) {
      socket.write(head + body);
    } else {
      socket.write(head);
      socket.write(body);
    }
    return this.answer();
  }

  answer() {
    return new Promise((resolve, reject) => {
      this.pending = { resolve, reject };
    });
  }

  // The connection, counted among what keeps the process alive until the call
  // that it is wanted for has ended.
  connected() {
    if (this.socket === null) {
      const socket = (this.socket = net.connect(this.target));
      this.received = [];
      socket.setNoDelay(true); // Node.js 16.15 and older ignore the option
      socket.on("data", (data) => this.onData(data));
      const lost = (error) => {
        if (this.socket !== socket) return;
        this.socket = null;
        this.settle((pending) => pending.reject(error || new Error("the Runtime API closed the connection")));
      };
      socket.on("error", lost);
      socket.on("close", () => lost());
    }
    this.socket.ref();
    return this.socket;
  }

  onData(data) {
    this.received.push(data);
    const response = this.parse();
    if (response === null) return;
    if (response.headers.connection === "close") {
      this.socket.destroy();
      this.socket = null;
    } else {
      this.socket.unref();
    }
    this.settle((pending) => pending.resolve(response));
  }

  settle(how) {
    const pending = this.pending;
    this.pending = null;
    if (pending) how(pending);
  }

  // The response, once all of it is here, else null.
  parse() {
    if (this.wanted !== undefined) {
      // Joined only when whole: joining at each packet takes quadratic time.
      this.have += this.received[this.received.length - 1].length;
      if (this.have < this.wanted) return null;
    }
    const all = this.received.length === 1 ? this.received[0] : Buffer.concat(this.received);
    this.received = [all];
    this.wanted = undefined;
    const headEnd = all.indexOf(HEAD_END);
    if (headEnd < 0) return null;
    const [first, ...lines] = all.utf8Slice(0, headEnd).split("\r\n");
    const headers = {};
    for (const line of lines) {
      const colon = line.indexOf(":");
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    const start = headEnd + HEAD_END.length;
    let body;
    if (headers["transfer-encoding"] === "chunked") {
      body = unchunk(all, start);
      if (body === null) return null;
    } else {
      const end = start + Number(headers["content-length"] || 0);
      if (all.length < end) {
        this.wanted = end;
        this.have = all.length;
        return null;
      }
      body = all.subarray(start, end);
    }
    this.received = [];
    return { status: Number(first.split(" ")[1]), headers, body };
  }
}

// The content of a chunked body, or null while its end is not there.
function unchunk(all, at) {
  const chunks = [];
  for (;;) {
    const lineEnd = all.indexOf("\r\n", at);
    if (lineEnd < 0) return null;
    const size = parseInt(all.latin1Slice(at, lineEnd), 16);
    if (size === 0) {
      return all.indexOf(HEAD_END, lineEnd) < 0 ? null : Buffer.concat(chunks);
    }
    at = lineEnd + 2;
    if (all.length < at + size + 2) return null;
    chunks.push(all.subarray(at, at + size));
    at += size + 2;
  }
}

function errorHeaders(error) {
  return `Content-Type: application/json\r\n${ERROR_TYPE}: ${headerText(error.errorType)}\r\n`;
}

// The type may be any string that a function gives its errors as a name.
function headerText(text) {
  return String(text).replace(/[^\x20-\x7e]/g, "?");
}

module.exports = { Client };
