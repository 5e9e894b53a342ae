"""A body on its way: who reads the client's messages, and what ends it."""

import asyncio

import pytest

from claude_proxy.errors import RequestError
from claude_proxy.server.context import Context
from claude_proxy.server.drain import Drain
from claude_proxy.server.upload import Upload
from claude_proxy.server.watch import ClientGone, Watch

GONE = {"type": "http.disconnect"}


def part(body, more=True):
    return {"type": "http.request", "body": body, "more_body": more}


def upload(*messages, limit=99, **headers):
    waiting = list(messages)

    async def receive():
        return waiting.pop(0) if waiting else GONE

    named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    context = Context("/v1/files", named, send=None)
    return Upload(context, receive, limit=limit)


async def read(body):
    return [each async for each in body]


CHUNKED = {"transfer_encoding": b"chunked"}


def test_parts_come_as_they_are():
    body = upload(part(b"a"), part(b""), part(b"bc", more=False), **CHUNKED)
    assert body.expected and body.length is None
    assert asyncio.run(read(body)) == [b"a", b"bc"]


def test_whoever_waits_for_the_client_gets_what_comes_after():
    async def both():
        body = upload(part(b"a"), part(b"b", more=False), **CHUNKED)
        after = asyncio.create_task(body.receive())
        return await read(body), await after

    assert asyncio.run(both()) == ([b"a", b"b"], GONE)


@pytest.mark.parametrize("headers", [{}, {"content_length": b"0"}])
def test_without_a_body_nobody_waits(headers):
    body = upload(**headers)
    assert not body.expected and asyncio.run(body.receive()) == GONE


def test_too_large_a_body_says_so_itself():
    with pytest.raises(RequestError) as caught:
        upload(content_length=b"100")
    assert caught.value.status == 413


async def watched(body):
    watch = Watch(body.receive, silence=9, drain=Drain())
    async with watch:
        body.watch = watch
        await asyncio.create_task(read(body))  # As transports do it.


@pytest.mark.parametrize(
    ("messages", "error"),
    [((part(b"a"), GONE), ClientGone), ((part(b"x" * 60), part(b"x" * 60)), RequestError)],
)
def test_what_goes_wrong_ends_the_work(messages, error):
    with pytest.raises(error):
        asyncio.run(watched(upload(*messages, **CHUNKED)))


def test_where_the_work_is_over_the_transport_does_not_wait_for_ever():
    with pytest.raises(ConnectionAbortedError):
        asyncio.run(asyncio.wait_for(read(upload(part(b"a"), GONE, **CHUNKED)), 5))
