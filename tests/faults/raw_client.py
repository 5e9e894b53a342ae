"""A client that says exactly the bytes that a test wants, and reads what comes back, in time."""

import json
import re
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

HELLO = json.dumps(
    {
        "model": "claude-haiku-5-5",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
    }
).encode()
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n")


@dataclass(frozen=True, slots=True)
class Heard:
    """Everything that came back on one connection."""

    raw: bytes
    closed: bool
    """Whether the server closed the connection, in time."""

    @property
    def statuses(self) -> list[int]:
        """The status of each answer, in order; 100 is none."""
        return [int(status) for status in _STATUS.findall(self.raw) if status != b"100"]

    @property
    def status(self) -> int:
        """The first answer's; 0 when there is none."""
        return self.statuses[0] if self.statuses else 0

    @property
    def head(self) -> bytes:
        """The first answer's header lines, in lower case."""
        return self.raw[_final(self.raw) :].partition(b"\r\n\r\n")[0].lower()

    @property
    def body(self) -> bytes:
        """The first answer's body, by its length."""
        rest = self.raw[_final(self.raw) :].partition(b"\r\n\r\n")[2]
        found = re.search(rb"content-length: *(\d+)", self.head)
        return rest[: int(found[1])] if found else rest

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def refused_or_closed(self) -> bool:
        """No answer but a close, or a 4xx first; never a success, never a fault of ours."""
        return all(400 <= status < 500 for status in self.statuses) and (
            bool(self.statuses) or self.closed
        )


def _final(raw: bytes) -> int:
    """Where the first answer that is not `100 Continue` begins."""
    found = next((m for m in _STATUS.finditer(raw) if m[1] != b"100"), None)
    return found.start() if found else 0


def request(
    path: bytes = b"/v1/messages",
    *headers: bytes,
    method: bytes = b"POST",
    body: bytes = HELLO,
    length: bool = True,
    host: bytes = b"localhost",
) -> bytes:
    """One request as bytes; `headers` are whole lines without their ends."""
    lines = [b"%b %b HTTP/1.1" % (method, path), b"host: " + host]
    lines += [b"content-type: application/json", *headers]
    if length:
        lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(*parts: bytes) -> bytes:
    """A chunked body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def connect(port: int, *, receive_buffer: int = 0) -> socket.socket:
    """A connection; a small `receive_buffer` (bytes) makes a reader that is slow at once."""
    client = socket.socket()
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(10)
    client.connect(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def exchange(
    port: int,
    sent: bytes | Iterable[bytes],
    *,
    answers: int = 1,
    timeout: float = 10,
    see_close: bool = False,
) -> Heard:
    """Sends the parts and listens until `answers` answers are whole, a close, or `timeout` s.

    `see_close`: listens on for a close after the last answer.
    """
    parts = [sent] if isinstance(sent, bytes) else list(sent)
    bare = parts[0].startswith(b"HEAD ")
    deadline = time.monotonic() + timeout
    raw = b""
    with connect(port) as client:
        with suppress(ConnectionError):
            for part in parts:
                client.sendall(part)
        while _whole(raw, bare=bare) < answers:
            client.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                part = client.recv(65536)
            except TimeoutError:
                return Heard(raw, closed=False)
            except ConnectionError:
                part = b""
            if not part:
                return Heard(raw, closed=True)
            raw += part
        return Heard(raw, closed=see_close and _closed(client))


def _closed(client: socket.socket) -> bool:
    """Whether a close follows at once on the last answer."""
    client.settimeout(1)
    with suppress(TimeoutError):
        try:
            return client.recv(1) == b""
        except ConnectionError:
            return True
    return False


def _whole(raw: bytes, *, bare: bool) -> int:
    """How many answers, with a length or chunked, are complete; `bare` ones have no body."""
    count = 0
    for found in _STATUS.finditer(raw):
        head, blank, rest = raw[found.start() :].partition(b"\r\n\r\n")
        if not blank or found[1] == b"100":
            continue
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        done = len(rest) >= int(length[1]) if length else b"0\r\n\r\n" in rest
        count += done or bare or found[1] == b"204"
    return count
