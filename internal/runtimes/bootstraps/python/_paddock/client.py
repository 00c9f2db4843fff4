"""Frames to and from the daemon, over the descriptor that the bootstrap is given.

A frame is its kind (1 byte), the length of its fields (3 bytes), the length of
its body (4 bytes), the fields with line feeds between them, the body. The kinds
are listed where the other end is: internal/runtimeapi/link.go.
"""

# The C half of the socket module: all that is needed, at a tenth of its import.
import _socket

_NEXT = b"N\0\0\0\0\0\0\0"
_STARTED = b"R\0\0\0\0\0\0\0"
# Bodies below this go out in one piece with what stands before them.
_SMALL = 64 * 1024


class Client:
    def __init__(self, descriptor):
        self._socket = _socket.socket(fileno=descriptor)
        self._socket.setblocking(True)
        self._received = b""
        self._asked = False

    def boot(self):
        """Waits to be told what function this is: a JSON document, in bytes."""
        self._socket.sendall(_STARTED)
        kind, _, body = self._frame()
        if kind != b"B":
            raise RuntimeError("the daemon sent a frame of kind %r instead of a function" % kind)
        return body

    def next(self):
        """Waits for an invocation: its fields, and its payload in bytes."""
        if not self._asked:
            self._socket.sendall(_NEXT)
        self._asked = False
        kind, fields, body = self._frame()
        if kind != b"E":
            raise RuntimeError("the daemon sent a frame of kind %r instead of an event" % kind)
        return fields.split("\n"), body

    def respond(self, request_id, body, content_type):
        """Hands in a result, and asks for the next invocation with it."""
        self._send(b"A", request_id + "\n" + content_type, body, _NEXT)

    def fail(self, request_id, error_type, body):
        self._send(b"F", request_id + "\n" + _one_line(error_type), body, _NEXT)

    def fail_init(self, error_type, body):
        self._send(b"I", _one_line(error_type), body, b"")

    def _send(self, kind, fields, body, after):
        text = fields.encode("utf-8", "backslashreplace")
        head = kind + len(text).to_bytes(3, "big") + len(body).to_bytes(4, "big") + text
        if len(body) < _SMALL:
            self._socket.sendall(head + body + after)
        else:
            self._socket.sendall(head)
            self._socket.sendall(body)
            self._socket.sendall(after)
        self._asked = after is _NEXT

    def _frame(self):
        received = self._received
        while len(received) < 8:
            received += self._receive()
        start = 8 + int.from_bytes(received[1:4], "big")
        end = start + int.from_bytes(received[4:8], "big")
        if len(received) < end:
            received = self._rest(received, end)
        self._received = received[end:]
        return received[:1], received[8:start].decode("utf-8"), received[start:end]

    def _rest(self, received, size):
        # Joined only when whole: joining at each read takes quadratic time.
        whole = bytearray(size)
        have = len(received)
        whole[:have] = received
        rest = memoryview(whole)[have:]
        while rest:
            n = self._socket.recv_into(rest)
            if n == 0:
                raise ConnectionError("the daemon closed the connection")
            rest = rest[n:]
        return bytes(whole)

    def _receive(self):
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the daemon closed the connection")
        return data


def _one_line(error_type):
    # The type may be a class name of the function's own, in any script.
    return error_type.encode("ascii", "backslashreplace").decode().replace("\n", " ")
