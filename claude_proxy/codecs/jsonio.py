"""JSON in and out: one place that knows how bytes can fail to be JSON.

msgspec refuses NaN, Infinity, lone surrogates and numbers outside of a double, so nothing that
is parsed here can leave as invalid JSON.
"""

from typing import Any

import msgspec

from claude_proxy.errors import RequestError
from claude_proxy.types import Json

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()

dumps = _encoder.encode


def dumps_text(value: Any) -> str:
    """JSON text, compact, with characters outside of ASCII as they are."""
    return _encoder.encode(value).decode()


def loads(raw: bytes | str) -> Any:
    """The parsed value; `ValueError` for whatever is not JSON, however it is broken."""
    try:
        return _decoder.decode(raw)
    except RecursionError:
        # `from None`: the traceback of a hundred thousand frames helps nobody.
        raise ValueError("JSON is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ValueError(str(error)) from error


def loads_body(raw: bytes) -> Json:
    """A request body; `RequestError` (400) unless it is one JSON object."""
    try:
        body = loads(raw)
    except ValueError as error:
        raise RequestError(f"The request body is not valid JSON: {error}") from error
    if not isinstance(body, dict):
        raise RequestError("The request body must be a JSON object.")
    return body
