"""An upstream on bare sockets, which can be wrong in ways that no HTTP library allows.

A test gives it an `act`: a function that gets the connection and the request, and writes bytes,
waits, resets or leaves. `tests/upstream.py` is the one for what HTTP permits.
"""

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.upstream import Json, chunk, completion, ending, eventually, framed

_PATIENCE = 30.0  # seconds; no act may hold its thread for longer
_NO_LINGER = struct.pack("ii", 1, 0)

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Request:
    """What the proxy sent; header names in lower case."""

    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        parsed: Json = json.loads(self.body)
        return parsed

    @property
    def stream(self) -> bool:
        return bool(self.body) and bool(self.json.get("stream"))


class Connection:
    """One accepted connection. `served`: requests read on it. Mutable."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(_PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.served = 0

    def send(self, *parts: bytes) -> None:
        """Each part as a write, and so as a packet, of its own."""
        for part in parts:
            self.sock.sendall(part)

    def drip(self, data: bytes, *, seconds: float = 0.0, size: int = 1) -> None:
        for at in range(0, len(data), size):
            self.sock.sendall(data[at : at + size])
            time.sleep(seconds)

    def reset(self) -> None:
        """Ends the connection with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.sock.close()

    def wait_left(self, timeout: float = _PATIENCE) -> float | None:
        """When the proxy closed its side (`time.monotonic`); None if not within `timeout` s."""
        self.sock.settimeout(timeout)
        try:
            while self.sock.recv(65536):
                pass
        except TimeoutError:
            return None
        except OSError:
            pass  # A reset is a goodbye as well.
        return time.monotonic()

    def read_request(self) -> Request | None:
        """The next request; None when the proxy has closed the connection."""
        raw = self._read_until(b"\r\n\r\n")
        if raw is None:
            return None
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        missing = int(headers.get("content-length", 0)) - len(body)
        rest = self._read_exactly(missing)
        if rest is None:
            return None
        self.served += 1
        return Request(first.split(" ")[1], headers, body + rest)

    def _read_until(self, mark: bytes) -> bytes | None:
        raw = b""
        while mark not in raw:
            part = self.sock.recv(65536)
            if not part:
                return None
            raw += part
        return raw

    def _read_exactly(self, size: int) -> bytes | None:
        parts = []
        while size > 0:
            part = self.sock.recv(min(size, 1 << 20))
            if not part:
                return None
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


Act = Callable[[Connection, Request], bool | None]
"""Plays one request; True keeps the connection for the next one."""


@dataclass
class RawUpstream:
    """The server. `play` sets what happens next, and forgets what happened. Mutable."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    left: list[float | None] = field(default_factory=list)
    """When the proxy left, by request, for acts that wait for it."""
    accepted: int = 0
    tls: ssl.SSLContext | None = None
    greet: Callable[[Connection], None] | None = None
    """Plays each new connection before its first request is read."""

    def __post_init__(self) -> None:
        self._act: Act = lambda connection, request: whole(connection, completion("ok"))
        self._lock = threading.Lock()

    def play(self, act: Act) -> None:
        self._act = act
        self.requests, self.left, self.accepted = [], [], 0

    def wait_requests(self, count: int, timeout: float = 10.0) -> bool:
        return eventually(lambda: len(self.requests) >= count, timeout)

    def wait_left(self, count: int = 1, timeout: float = 10.0) -> bool:
        return eventually(lambda: len(self.left) >= count, timeout)

    def note_left(self, connection: Connection, timeout: float = _PATIENCE) -> None:
        """For the end of an act: waits until the proxy leaves and notes when that was."""
        at = connection.wait_left(timeout)
        with self._lock:
            self.left.append(at)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                with self._lock:
                    self.accepted += 1
                threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        # What breaks here is the proxy's side leaving, which the acts look for themselves.
        with contextlib.suppress(OSError), sock:
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_side=True)
            connection = Connection(sock)
            with sock:
                if self.greet is not None:
                    self.greet(connection)
                while (request := connection.read_request()) is not None:
                    with self._lock:
                        self.requests.append(request)
                    if not self._act(connection, request):
                        return


@contextlib.contextmanager
def raw_serving(
    *, tls: ssl.SSLContext | None = None, greet: Callable[[Connection], None] | None = None
) -> Iterator[RawUpstream]:
    """A `RawUpstream` on a free loopback port."""
    upstream = RawUpstream(tls=tls, greet=greet)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        scheme = "https" if tls else "http"
        upstream.url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        threading.Thread(target=upstream._accept, args=(listener,), daemon=True).start()
        yield upstream
        # A close alone does not wake up a thread that waits in accept.
        listener.shutdown(socket.SHUT_RDWR)


def head(status: str = "200 OK", /, *lines: str, version: str = "1.1", **headers: str) -> bytes:
    """An answer's head. Headers with underscores; `lines` go in as they are."""
    named = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    text = "\r\n".join([f"HTTP/{version} {status}", *named, *lines, "", ""])
    return text.encode("latin-1")


def chunked(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def streamed(items: Iterable[Any]) -> bytes:
    """A whole chunked body; items as in `tests.upstream.Play`, without the pauses."""
    return b"".join(chunked(framed(item)) for item in items) + LAST_CHUNK


def say(connection: Connection, *items: Any) -> None:
    """A stream's head and these items, each in a packet of its own, with no end."""
    connection.send(STREAM_HEAD, *(chunked(framed(item)) for item in items))


def whole(connection: Connection, body: Json | bytes, status: str = "200 OK", **more: str) -> bool:
    """A correct answer with a length."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content_type": "application/json", "content_length": str(len(raw)), **more}
    connection.send(head(status, **headers) + raw)
    return True


def well(connection: Connection, request: Request, text: str = "fine") -> bool:
    """The right answer, whole or streamed, as the request asks."""
    if not request.stream:
        return whole(connection, completion(text))
    connection.send(STREAM_HEAD + streamed([chunk({"content": text}), *ending("stop")]))
    return True
