"""Reads on behind a head that asks for another protocol, as if it had not asked.

RFC 9110 lets a server ignore `Upgrade`; Java's client sends it (h2c) with its first requests. But
httptools stops behind such a head, whatever body it announces. So a new parser reads on. It is
given a head of ours with the client's framing, which is thereby checked as strictly as any other,
and tells the connection only of what comes behind.
"""

from typing import Any

import httptools

Headers = list[tuple[bytes, bytes]]

_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_WISHES = frozenset({b"upgrade", b"http2-settings"})


def drop_wish(headers: Headers) -> None:
    """Takes the wish out of a request's headers, in place: it is an ordinary request then.

    A websocket's stays: its client could not use such an answer, so the app refuses it.
    """
    wishes = b",".join(value for name, value in headers if name == b"upgrade")
    if b"websocket" not in wishes.lower():
        headers[:] = [header for header in headers if header[0] not in _WISHES]


def head_again(version: str, headers: Headers) -> bytes:
    """A head that announces the same body."""
    lines = [b"%s: %s\r\n" % header for header in headers if header[0] in _FRAMING]
    return b"POST / HTTP/%s\r\n%s\r\n" % (version.encode(), b"".join(lines))


def parser_behind(connection: Any) -> httptools.HttpRequestParser:
    """A parser that keeps its first head to itself. `connection`: uvicorn's protocol."""
    parser = httptools.HttpRequestParser(_Listener(connection))
    parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
    return parser


class _Listener:
    """Passes on what a parser finds, from the end of its first head on. Mutable."""

    def __init__(self, connection: Any) -> None:
        self.on_body = connection.on_body
        self.on_message_complete = connection.on_message_complete
        self._connection = connection
        self._first = True

    def on_message_begin(self) -> None:
        if not self._first:
            self._connection.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._first:
            self._connection.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._first:
            self._connection.on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self._first:
            self._connection.on_headers_complete()
        self._first = False
