"""Answers as bytes on the wire: one write where that is possible, and never a wrong frame."""

import asyncio
import socket

import pytest
import uvicorn

from claude_proxy.server.protocol import Connections, Protocol
from claude_proxy.server.runner import uvicorn_options
from claude_proxy.settings import load_settings

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
LENGTH = (b"content-length", b"2")


class Wire(asyncio.Transport):
    """What a client would read, one entry for each write."""

    def __init__(self):
        super().__init__()
        self.written, self.protocol, self.closed = [], None, False

    def write(self, data):
        self.written.append(bytes(data))

    def get_extra_info(self, name, default=None):
        return {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)}.get(name, default)

    def get_protocol(self):
        return self.protocol

    def is_closing(self):
        return self.closed

    def get_write_buffer_size(self):
        return 0

    def can_write_eof(self):
        return False

    def close(self):
        self.closed = True

    def pause_reading(self): ...

    def resume_reading(self): ...


def answered(headers, *bodies, request=GET, status=200, chunked=False):
    """The writes to a client, and whether its connection was closed then."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for at, body in enumerate(bodies):
            more = at + 1 < len(bodies) or chunked
            await send({"type": "http.response.body", "body": body, "more_body": more})

    async def talk():
        settings = load_settings(environ={}, trusted_folder=False)
        shared = Connections(settings, most=9, hit=lambda name: None)
        config = uvicorn.Config(app, **{**uvicorn_options(), "lifespan": "off"})
        config.load()
        wire = Wire()
        wire.protocol = Protocol(config, shared, {}, asyncio.get_running_loop())
        wire.protocol.connection_made(wire)
        wire.protocol.data_received(request)
        await asyncio.gather(*shared.tasks)
        return wire.written, wire.closed

    return asyncio.run(talk())


def test_a_whole_answer_is_one_write():
    written, closed = answered([LENGTH, (b"x-a", b"1")], b"ok")
    assert not closed
    assert written == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-a: 1\r\n\r\nok"]


@pytest.mark.parametrize(
    ("headers", "bodies", "more", "sent"),
    [
        ([LENGTH], [b"o", b"k"], {}, b"content-length: 2\r\n\r\nok"),
        ([], [b"ok"], {}, b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        ([(b"Content-Length", b"2")], [b"ok"], {}, b"content-length: 2\r\n\r\nok"),
        ([LENGTH], [b""], {"request": GET.replace(b"GET", b"HEAD")}, b"content-length: 2\r\n\r\n"),
        ([], [b""], {"status": 204}, b"\r\n\r\n"),
        (
            [LENGTH, (b"vary", b"a"), (b"vary", b"b")],
            [b"ok"],
            {},
            b"content-length: 2\r\nvary: a\r\nvary: b\r\n\r\nok",
        ),
    ],
    ids=["parts", "chunked", "capitals", "head", "no content", "twice"],
)
def test_all_others_are_framed_as_uvicorn_does(headers, bodies, more, sent):
    written, closed = answered(headers, *bodies, **more)
    assert not closed
    head, _, rest = b"".join(written).partition(b"\r\n")
    assert head.startswith(b"HTTP/1.1 20") and (head + b"\r\n" + rest).endswith(sent)
    assert rest.count(b"content-length") + rest.count(b"transfer-encoding") <= 1


def test_the_head_waits_for_the_first_of_the_body():
    written, _ = answered([(b"content-type", b"text/event-stream")], b"a", b"b")
    assert len(written) == 2 and written[0].endswith(b"\r\n\r\n1\r\na\r\n")


@pytest.mark.parametrize(
    ("headers", "request_line"),
    [([LENGTH, (b"connection", b"close")], b""), ([LENGTH], b"connection: close\r\n")],
    ids=["by us", "by the client"],
)
def test_a_connection_that_is_to_end_says_so_and_ends(headers, request_line):
    request = GET.replace(b"\r\n\r\n", b"\r\n" + request_line + b"\r\n")
    written, closed = answered(headers, b"ok", request=request)
    sent = b"".join(written)
    assert closed and sent.lower().count(b"connection: close") == 1 and sent.endswith(b"\r\n\r\nok")


@pytest.mark.parametrize("body", [b"o", b"okay"])
def test_a_body_of_another_length_ends_the_connection(body):
    written, closed = answered([LENGTH], body)
    assert closed and b"okay" not in b"".join(written)


@pytest.mark.parametrize(
    "header", [(b"x-a", b"1\r\nx-b: 2"), (b"x\r\ny", b"1"), (b"x-a", b"\0")], ids=repr
)
def test_a_header_that_would_be_more_than_one_is_not_written(header):
    written, closed = answered([LENGTH, header], b"ok")
    assert b"x-b" not in b"".join(written) and b"\0" not in b"".join(written)
    assert closed or b"500" in written[0]


def test_over_a_real_socket(server, upstream):
    live = server()
    with socket.create_connection(("127.0.0.1", live.port)) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        head, _, body = client.recv(65536).partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"http/1.1 200 ok"
    assert b"content-length: %d" % len(body) in lines
    assert any(line.startswith(b"date: ") for line in lines)
