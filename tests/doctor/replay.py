"""A recorded set of exchanges as an upstream: requests get what the likest of them got then."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.upstream import Json, Received, Reply


def replayed(folder: Path) -> Callable[[Received], Reply]:
    entries: list[Any] = [json.loads(path.read_text()) for path in sorted(folder.iterdir())]

    def answer(received: Received) -> Reply:
        likest = max(entries, key=lambda entry: _likeness(entry["request"]["body"], received.json))
        return _reply(likest["response"])

    return answer


def _likeness(one: Json, other: Json) -> tuple[bool, int]:
    """Not byte for byte: a later version may add a field to all of its requests."""
    same = sum(one.get(name) == value for name, value in other.items())
    return one["messages"] == other["messages"], same - len(set(one) - set(other))


def _reply(response: Any) -> Reply:
    headers = {"content-type": response["headers"]["content-type"]}
    reads = [text.encode() for _, text in response["reads"]]
    if "event-stream" in headers["content-type"]:
        return Reply(stream=reads, status=response["status"], headers=headers)
    return Reply(b"".join(reads), status=response["status"], headers=headers)
