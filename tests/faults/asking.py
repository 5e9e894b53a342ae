"""A strict client of the proxy."""

import json
import re
import ssl
import time
import urllib.request
from dataclasses import dataclass
from typing import Any

import httpx

from claude_proxy.codecs.fold import MessageFold
from tests.codecs.openai_chat.grammar import assert_legal
from tests.process import HELLO
from tests.upstream import Json

_PATIENCE = 60.0  # seconds
# The proxy is asked without TLS, and loading the certificates for it costs 30 ms a client.
_NO_ROOTS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the proxy, read to its end. `seconds`: how long that took."""

    status: int
    headers: httpx.Headers
    body: bytes
    seconds: float

    @property
    def events(self) -> list[Json]:
        """The stream's events, pings left out. Fails unless they obey the grammar."""
        assert self.headers["content-type"].startswith("text/event-stream"), self.body[:500]
        events = [event_of(part) for part in self.body.decode().split("\n\n")[:-1]]
        assert self.body.endswith(b"\n\n")
        said = [event for event in events if event["type"] != "ping"]
        assert_legal(said)
        return said

    @property
    def failure(self) -> tuple[int, str]:
        """Status and error type. Fails unless the error has its full shape."""
        if self.status == 200:
            last = self.events[-1]
        else:
            assert self.headers["content-type"] == "application/json"
            last = json.loads(self.body)
        assert set(last) == {"type", "error", "request_id"}, last
        assert last["type"] == "error" and last["error"]["message"]
        assert re.fullmatch("req_[0-9a-f]{32}", last["request_id"])
        assert last["request_id"] == self.headers["request-id"]
        return self.status, last["error"]["type"]

    @property
    def told(self) -> str:
        """The error's message."""
        assert self.failure
        last = self.events[-1] if self.status == 200 else json.loads(self.body)
        message: str = last["error"]["message"]
        return message

    @property
    def message(self) -> Json:
        """The whole message, folded if it was streamed. Fails unless it is a success."""
        assert self.status == 200, self.body[:500]
        if self.headers["content-type"] == "application/json":
            message: Json = json.loads(self.body)
            return message
        fold = MessageFold()
        for event in self.events:
            assert event["type"] != "error", event
            fold.feed(event)  # type: ignore[arg-type]
        return {**fold.message}

    @property
    def text(self) -> str:
        """The text of a successful answer."""
        return "".join(b["text"] for b in self.message["content"] if b["type"] == "text")


def event_of(part: str) -> Json:
    """One event of our stream, which is always two lines."""
    name, data = part.split("\n")
    event: Json = json.loads(data.removeprefix("data: "))
    assert name == f"event: {event['type']}"
    return event


def ask(url: str, *, stream: bool = False, **more: Any) -> Answer:
    """One request. Raises `httpx.RemoteProtocolError` for an answer that is cut off."""
    body = {**HELLO, "stream": stream, **more}
    begun = time.monotonic()
    with httpx.Client(trust_env=False, verify=_NO_ROOTS, timeout=_PATIENCE) as client:
        reply = client.post(f"{url}/v1/messages", json=body)
    return Answer(reply.status_code, reply.headers, reply.content, time.monotonic() - begun)


def in_flight(url: str) -> int:
    """Requests that the server is at, by its own count."""
    with urllib.request.urlopen(f"{url}/livez", timeout=_PATIENCE) as answer:
        return int(json.load(answer)["in_flight"])
