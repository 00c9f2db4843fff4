"""JSON in and out, with the leniencies of Lambda's own encoder."""

import json
import os

# A Decimal is written with all its digits. The encoder has no way to pass raw
# text through, so it becomes a string marked with what no function can guess,
# and the marks are cut out afterwards.
_MARK = os.urandom(12).hex()


class _Encoder(json.JSONEncoder):
    decimals = False

    def default(self, value):
        if isinstance(value, bytes):
            return value.decode("utf-8")
        # By name, since decimal is only imported if the function did.
        if any(c.__module__ in ("decimal", "_decimal", "_pydecimal") and c.__name__ == "Decimal" for c in type(value).__mro__):
            if value.is_nan():
                return float("nan")
            self.decimals = True
            return _MARK + str(value) + _MARK
        return super().default(value)


def _ascii_only():
    """Up to Python 3.11 Lambda escapes what is not ASCII, from 3.12 on it does not.

    https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html
    """
    name = os.environ.get("AWS_EXECUTION_ENV", "")
    release = name.rpartition("python3.")[2]
    return release.isdigit() and int(release) < 12


_encoder = _Encoder()


def configure():
    """Reads the environment."""
    global _encoder
    _encoder = _Encoder(ensure_ascii=_ascii_only())


def encode(value):
    """The JSON text of value. Raises TypeError or ValueError if it has none."""
    text = _encoder.encode(value)
    if _encoder.decimals:
        _encoder.decimals = False
        text = text.replace('"' + _MARK, "").replace(_MARK + '"', "")
    return text


decode = json.loads
