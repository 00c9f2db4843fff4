"""The Runtime API over one keep-alive HTTP connection: for programs that a wrapper
starts, which may have put something between them and the daemon.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import os

# The C half of the socket module: all that is needed, at a tenth of its import.
import _socket

_BASE = "/2018-06-01/runtime/"
_FIELDS = tuple(
    "lambda-runtime-" + name
    for name in (
        "aws-request-id",
        "deadline-ms",
        "invoked-function-arn",
        "trace-id",
        "client-context",
        "cognito-identity",
        "aws-tenant-id",
    )
)
# Bodies below this go out in one packet with their headers.
_SMALL = 64 * 1024


from . import marshal


class ConnectionClosed(Exception):
    """The daemon closed the connection before it answered."""


class Client:
    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self._address = (host, int(port))
        self._host = address
        self._socket = None
        self._received = b""
        self._next = self._head("GET", "invocation/next", "")

    def boot(self):
        """What function this is, as client.Client.boot has it: all is there already."""
        return b'{"opt": %s}' % marshal.encode(os.environ.pop("_PADDOCK_OPT", "/opt")).encode()

    def next(self):
        """Waits for an invocation: its fields, and its payload in bytes."""
        status, headers, body = self._call(self._next, b"")
        if status != 200:
            raise RuntimeError("the Runtime API answered %d to next: %r" % (status, body))
        # Headers are bytes: what is UTF-8 in them is meant to be.
        return [headers.get(name, "").encode("latin-1").decode("utf-8", "replace") for name in _FIELDS], body

    def respond(self, request_id, body, content_type):
        """Hands in a result. Whether it was taken is for the daemon to report."""
        self._post("invocation/" + request_id + "/response", body, "Content-Type: " + content_type + "\r\n")

    def fail(self, request_id, error_type, body):
        self._post("invocation/" + request_id + "/error", body, _error_headers(error_type))

    def fail_init(self, error_type, body):
        self._post("init/error", body, _error_headers(error_type))

    def _post(self, path, body, headers):
        head = self._head("POST", path, headers + "Content-Length: %d\r\n" % len(body))
        self._call(head, body)

    def _head(self, method, path, headers):
        return ("%s %s%s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (method, _BASE, path, self._host, headers)).encode("latin-1")

    def _call(self, head, body):
        if self._socket is not None:
            try:
                return self._exchange(head, body)
            except (ConnectionClosed, ConnectionError):
                pass  # kept alive for too long: once more on a new connection
        self._connect()
        return self._exchange(head, body)

    def _connect(self):
        if self._socket is not None:
            self._socket.close()
        family = _socket.AF_INET
        host, port = self._address
        if host.startswith("["):
            family, host = _socket.AF_INET6, host[1:-1]
        self._socket = _socket.socket(family, _socket.SOCK_STREAM)
        self._socket.connect((host, port))
        self._socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        self._received = b""

    def _exchange(self, head, body):
        if len(body) < _SMALL:
            self._socket.sendall(head + body)
        else:
            self._socket.sendall(head)
            self._socket.sendall(body)
        return self._read_response()

    def _read_response(self):
        while True:
            end = self._received.find(b"\r\n\r\n")
            if end >= 0:
                break
            self._receive()
        lines = self._received[:end].decode("latin-1").split("\r\n")
        self._received = self._received[end + 4 :]
        status = int(lines[0].split(" ", 2)[1])
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("transfer-encoding") == "chunked":
            body = self._read_chunks()
        else:
            body = self._read(int(headers.get("content-length", 0)))
        if headers.get("connection") == "close":
            self._socket.close()
            self._socket = None
        return status, headers, body

    def _read_chunks(self):
        body = []
        while True:
            size = int(self._read_line().split(b";")[0], 16)
            if size == 0:
                break
            body.append(self._read(size))
            self._read_line()
        while self._read_line():
            pass  # trailers
        return b"".join(body)

    def _read_line(self):
        while True:
            end = self._received.find(b"\r\n")
            if end >= 0:
                line = self._received[:end]
                self._received = self._received[end + 2 :]
                return line
            self._receive()

    def _read(self, size):
        if len(self._received) < size:
            body = bytearray(size)
            have = len(self._received)
            body[:have] = self._received
            rest = memoryview(body)[have:]
            while rest:
                n = self._socket.recv_into(rest)
                if n == 0:
                    raise ConnectionClosed("the Runtime API closed the connection")
                rest = rest[n:]
            self._received = b""
            return bytes(body)
        body = self._received[:size]
        self._received = self._received[size:]
        return body

    def _receive(self):
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionClosed("the Runtime API closed the connection")
        self._received += data


def _error_headers(error_type):
    # The type may be a class name of the function's own, in any script.
    text = error_type.encode("ascii", "backslashreplace").decode()
    return "Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: " + text + "\r\n"
