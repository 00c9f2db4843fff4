"""Where log records go, and how they look.

Records (not plain prints) go to the descriptor that _LAMBDA_TELEMETRY_LOG_FD
names, each in a frame that keeps its lines together, else to standard output.

https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
"""

import os
import sys
import time

_TEXT_FRAME = (0xA55A0003).to_bytes(4, "big")

_descriptor = None
json_format = False
_level = ""

# Those of the invocation that runs.
request_id = None
tenant_id = None


def configure():
    """Reads the environment."""
    global _descriptor, json_format, _level
    _descriptor = os.environ.pop("_LAMBDA_TELEMETRY_LOG_FD", None)
    if _descriptor is not None:
        _descriptor = int(_descriptor)
        try:
            os.set_inheritable(_descriptor, False)
        except OSError:  # a wrapper has closed it
            _descriptor = None
    json_format = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
    _level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper().replace("TRACE", "DEBUG").replace("FATAL", "CRITICAL")


def write(text):
    """Writes one event."""
    if _descriptor is None:
        sys.stdout.write(text)
        return
    message = text.encode("utf-8", "backslashreplace")
    stamp = time.time_ns() // 1000
    frame = _TEXT_FRAME + len(message).to_bytes(4, "big") + stamp.to_bytes(8, "big") + message
    # What the function printed before this comes before it.
    sys.stdout.flush()
    sent = os.write(_descriptor, frame)
    while sent < len(frame):
        sent += os.write(_descriptor, frame[sent:])


def write_error(error, encode):
    """Logs an error as it is about to be reported to the Runtime API."""
    if json_format:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        write(encode(dict({"timestamp": stamp, "level": "ERROR"}, **error)) + "\n")
        return
    title = "[ERROR]"
    if error["errorType"]:
        title += " " + error["errorType"]
    if error["errorMessage"]:
        title += (":" if error["errorType"] else "") + " " + error["errorMessage"]
    lines = [title, "Traceback (most recent call last):"]
    for element in error["stackTrace"]:
        for line in element.splitlines():
            # Lambda indents with no-break spaces, which the console keeps.
            text = line.lstrip(" ")
            lines.append("\u00a0" * (len(line) - len(text)) + text)
    # Without frames a line feed would make several events of it.
    if _descriptor is None:
        write("\r".join(lines) + "\n")
    else:
        write("\n".join(lines))


class Hook:
    """Sets up the root logger the moment the function first imports logging.

    logging takes longer to import than all of the bootstrap, and many a function
    never uses it.
    """

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                _after(spec.loader, _set_up)
                return spec
        return None


def _after(loader, then):
    """Makes a loader call then with the module it has executed, once."""
    execute = loader.exec_module

    def exec_module(module):
        del loader.exec_module  # the class's own again
        execute(module)
        then(module)

    loader.exec_module = exec_module


def install():
    if "logging" in sys.modules:  # imported ahead, or by a .pth file of the host's Python
        _set_up(sys.modules["logging"])
    else:
        sys.meta_path.insert(0, Hook())


def _set_up(logging):
    logging.Formatter.converter = time.gmtime

    class Handler(logging.Handler):
        def emit(self, record):
            record.aws_request_id = request_id or ""
            record.tenant_id = tenant_id
            try:
                text = self.format(record)
                write(text if text.endswith("\n") else text + "\n")
            except Exception:
                self.handleError(record)

    handler = Handler()
    if json_format:
        from . import jsonlog

        handler.setFormatter(jsonlog.Formatter())
    else:
        handler.setFormatter(
            logging.Formatter(
                "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n",
                "%Y-%m-%dT%H:%M:%S",
            )
        )
    root = logging.getLogger()
    root.addHandler(handler)
    if _level in ("DEBUG", "INFO", "WARN", "WARNING", "ERROR", "CRITICAL"):
        root.setLevel(_level)
