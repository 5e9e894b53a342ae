"""The base of all ratios: a minimal byte passthrough, without any translation.

`BENCH_UPSTREAM` is the address of the upstream, `http://127.0.0.1:18080` by default.
"""

import os

import httpx
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

client = httpx.AsyncClient(
    base_url=os.environ.get("BENCH_UPSTREAM", "http://127.0.0.1:18080"),
    timeout=None,
    trust_env=False,
    limits=httpx.Limits(max_connections=None, max_keepalive_connections=1000),
)


async def copy(request):
    body = await request.body()
    req = client.build_request(
        "POST", request.url.path, content=body, headers={"content-type": "application/json"}
    )
    r = await client.send(req, stream=True)
    if r.headers["content-type"].startswith("text/event-stream"):

        async def gen():
            try:
                async for b in r.aiter_raw():
                    yield b
            finally:
                await r.aclose()

        return StreamingResponse(gen(), media_type="text/event-stream")
    b = await r.aread()
    return Response(b, r.status_code, media_type="application/json")


PATHS = ("/v1/chat/completions", "/v1/messages")
app = Starlette(routes=[Route(path, copy, methods=["POST"]) for path in PATHS])
