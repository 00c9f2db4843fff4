"""Loads the handler and runs it for one invocation after another."""

import os
import sys

from . import context, logs, marshal
from .client import Client

_HERE = os.path.dirname(os.path.abspath(__file__))


class Fault(Exception):
    """An error of the runtime's own, reported by a name that Lambda gives it."""

    def __init__(self, kind, message, trace=()):
        super().__init__(message)
        self.kind = "Runtime." + kind
        self.trace = list(trace)


def main():
    ahead = "ahead" in sys.argv[2:]
    if len(sys.argv) > 1:
        # Inherited by what the function starts it would be of no use there.
        descriptor = int(sys.argv[1])
        os.set_inheritable(descriptor, False)
        client = Client(descriptor)
    else:
        from .http import Client as HttpClient

        client = HttpClient(os.environ["AWS_LAMBDA_RUNTIME_API"])
    del sys.argv[1:]
    if ahead:
        _import_ahead()
    _prepare(marshal.decode(client.boot()))
    try:
        handler = load(os.environ["_HANDLER"])
    except Exception as error:  # sys.exit and the like end the process
        report = describe(error, "")
        logs.write_error(report, marshal.encode)
        sys.stdout.flush()
        client.fail_init(report["errorType"], _to_bytes(report))
        sys.exit(1)
    while True:
        fields, body = client.next()
        invoke(client, handler, fields, body)


def _import_ahead():
    """Does before the function is known what would take it time later.

    Only what most functions import, and what has no setting in the environment.
    """
    import base64, collections, copy, datetime, functools, importlib.machinery, inspect, io, json, logging, math, re, site, time, traceback, typing, urllib.parse, uuid  # noqa: E401, F401

    from . import jsonlog  # noqa: F401

    # What runs for the first time is slower: the errors' way, too.
    describe(Fault("Unknown", ""), "")
    marshal.encode(marshal.decode(b'{"a": [1, 2.5, "b", null, true]}'))


def _prepare(boot):
    """Makes the interpreter what a function expects to find."""
    if "env" in boot:  # else this process was started with it
        # It has all that this process was started with, but what the sandbox added.
        os.environ.update(boot["env"])
        os.chdir(boot["dir"])
    logs.configure()
    marshal.configure()
    context.configure()
    sys.dont_write_bytecode = True  # the function's folder is read-only on Lambda
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)

    # https://docs.aws.amazon.com/lambda/latest/dg/python-package.html#python-package-searchpath
    task = os.environ["LAMBDA_TASK_ROOT"]
    runtime_dir = os.path.dirname(_HERE)
    places = [task]
    if "PYTHONPATH" not in os.environ:
        os.environ["PYTHONPATH"] = runtime_dir
        release = os.environ.get("AWS_EXECUTION_ENV", "").rpartition("_")[2]
        places += [os.path.join(boot["opt"], "python/lib", release, "site-packages"), os.path.join(boot["opt"], "python")]
    sys.path[0:1] = places + [runtime_dir]
    import site

    for place in places:
        if os.path.isdir(place):
            site.addsitedir(place)  # for the .pth files there
    logs.install()


def load(name):
    """The function that a handler name like folder/module.function stands for."""
    try:
        module_name, function_name = name.rsplit(".", 1)
    except ValueError as error:
        raise Fault("MalformedHandlerName", "Bad handler '%s': %s" % (name, error)) from None
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault("BuiltInModuleConflict", "Cannot use built-in module %s as a handler module" % module_name)
    dotted = module_name.replace("/", ".")
    try:
        __import__(dotted)
    except ImportError as error:
        raise Fault("ImportModuleError", "Unable to import module '%s': %s" % (module_name, error)) from error
    except SyntaxError as error:
        raise Fault(
            "UserCodeSyntaxError",
            "Syntax error in module '%s': %s" % (module_name, error),
            ['  File "%s" Line %s\n    %s' % (error.filename, error.lineno, error.text)],
        ) from error
    try:
        return getattr(sys.modules[dotted], function_name)
    except AttributeError:
        raise Fault("HandlerNotFound", "Handler '%s' missing on module '%s'" % (function_name, module_name)) from None


def invoke(client, handler, fields, body):
    request_id, deadline, arn, trace, client_context, identity, tenant_id = fields
    logs.request_id = request_id
    logs.tenant_id = tenant_id or None
    if trace:
        os.environ["_X_AMZN_TRACE_ID"] = trace
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    try:
        about = context.LambdaContext(
            request_id,
            arn,
            int(deadline),
            _json_field(client_context, "Client Context"),
            _json_field(identity, "Cognito Identity"),
            logs.tenant_id,
        )
        result, content_type = _marshal(handler(_unmarshal(body), about))
    except Exception as error:
        report = describe(error, request_id)
        # Let go of the frames, and of all that the handler's variables hold.
        error = None
        logs.write_error(report, marshal.encode)
        _flush()
        client.fail(request_id, report["errorType"], _to_bytes(report))
        return
    _flush()
    client.respond(request_id, result, content_type)


def _flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, ValueError, OSError):
            pass  # the function closed or replaced it


def _json_field(text, title):
    if not text:
        return None
    try:
        return marshal.decode(text)
    except ValueError as error:
        raise Fault("LambdaContextUnmarshalError", "Unable to parse %s JSON: %s" % (title, error)) from None


def _unmarshal(body):
    try:
        return marshal.decode(body)
    except ValueError as error:
        raise Fault("UnmarshalError", "Unable to unmarshal input: %s" % error) from None


def _marshal(result):
    if isinstance(result, bytes):
        return result, "application/unknown"
    try:
        return marshal.encode(result).encode("utf-8"), "application/json"
    except Exception as error:
        raise Fault("MarshalError", "Unable to marshal response: %s" % error) from None


def describe(error, request_id):
    """An exception as the Runtime API takes it, without the bootstrap's frames."""
    if isinstance(error, Fault):
        kind, trace = error.kind, error.trace
    else:
        import traceback

        kind = type(error).__name__
        frames = traceback.extract_tb(error.__traceback__)
        while frames and frames[0].filename.startswith(_HERE):
            del frames[0]
        trace = traceback.format_list(frames)
    return {"errorMessage": str(error), "errorType": kind, "requestId": request_id, "stackTrace": trace}


def _to_bytes(report):
    return marshal.encode(report).encode("utf-8", "backslashreplace")
