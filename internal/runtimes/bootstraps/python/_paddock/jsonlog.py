"""Log records as JSON objects, as Lambda's advanced logging controls write them.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html
"""

import json
import logging
import traceback

# What a record has of its own: anything else came with "extra".
_OWN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "aws_request_id", "tenant_id", "taskName"}

_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


class Formatter(logging.Formatter):
    def format(self, record):
        level = min(max(record.levelno, 0), logging.CRITICAL) // 10 * 10
        message = record.msg if isinstance(record.msg, dict) and not record.args else record.getMessage()
        event = {
            "timestamp": self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"),
            "level": logging.getLevelName(level),
            "message": message,
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0] is not None:
            kind, error, trace = record.exc_info
            event["stackTrace"] = traceback.format_tb(trace)
            event["errorType"] = kind.__name__
            event["errorMessage"] = str(error)
        event["requestId"] = record.aws_request_id
        if "errorType" in event:
            event["location"] = "%s:%s:%d" % (record.pathname, record.funcName, record.lineno)
        if record.tenant_id is not None:
            event["tenantId"] = record.tenant_id
        for name, value in vars(record).items():
            if name not in _OWN and name not in event and value is not None:
                event[name] = value
        return _encode(event) + "\n"
