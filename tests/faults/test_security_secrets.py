"""Canaries: a server that meets all kinds of trouble writes no key, and no prompt, anywhere."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.conftest import UPSTREAM_KEY
from tests.faults.bodies import HELLO, Json, tool
from tests.faults.raw_client import exchange, request
from tests.process import SERVE, Process, started
from tests.upstream import (
    Received,
    Reply,
    Upstream,
    chunk,
    completion,
    refusal,
    serving,
    text_stream,
)

# None of them looks like a key: only their values can give them away.
SERVER_KEY = "canary0upstream0Zq81mXw"
AUTH_KEY = "canary0auth0Tb52kLpVe7"
HEADER_KEY = 'canary0header0"Rn+63/hG'
WRONG_KEY = "canary0wrong0Yc94dFsAj"
USER_KEY = "canary0user0Mv17bNtQw"
PROMPT = "canary0prompt0Wd35zKe"
KEYS = (SERVER_KEY, AUTH_KEY, HEADER_KEY, WRONG_KEY, USER_KEY)

CRASH = """
import os, sys
from claude_proxy.server import counting
def crash(request, *more, **options):
    keys = {name: value for name, value in os.environ.items() if "KEY" in name}
    try:
        raise LookupError(f"bug with {keys} in {request}")
    except LookupError as error:
        raise RuntimeError(repr(request)) from error
counting.measure = crash
from claude_proxy.cli import main
main()
"""


def forms(secret: str) -> list[str]:
    """The secret as a text may hold it."""
    raw = secret.encode()
    encoded = [base64.b64encode(b"x" * n + raw).decode()[4 : len(raw) // 3 * 4] for n in range(3)]
    # Its start is what is left where a long text was cut.
    return [
        secret[:10],
        secret,
        json.dumps(secret)[1:-1],
        quote(secret, safe=""),
        raw.hex(),
        *encoded,
    ]


def found(secrets: tuple[str, ...], texts: dict[str, str]) -> list[str]:
    return [
        f"{secret} in {place}: …{text[max(0, text.index(form) - 80) :][:160]}…"
        for place, text in texts.items()
        for secret in secrets
        for form in forms(secret)
        if form in text
    ]


def leaky(received: Received) -> Reply:
    """An upstream that repeats what it was sent wherever it can, as the request's text asks."""
    said = str(received.headers) + received.body.decode()
    key = received.headers.get("authorization", "").removeprefix("Bearer ")
    headers = {"x-request-id": key, "x-ratelimit-limit-requests": key}
    if received.method == "GET":
        return Reply({"error": said}, status=401, headers=headers)
    asked = received.json["messages"][-1]["content"]
    if not asked.startswith("fail "):
        stream = received.json.get("stream")
        return (
            Reply(stream=text_stream("ok")) if stream else Reply(completion("ok"), headers=headers)
        )
    _, status, how = asked.split()[:3]
    basic = base64.b64encode(f"user:{key}".encode()).decode()
    body = refusal(int(status), f"Wrong key {key} (Basic {basic}, {quote(key)}): {said}").body
    match how:
        case "plain":
            return Reply(said.encode(), status=int(status), headers=headers)
        case "html":
            return Reply(f"<html>{said}".encode(), status=int(status), headers=headers)
        case "stream":
            return Reply(stream=[chunk({"content": "a"}), body], headers=headers)
        case "cut":
            long = "x" * (2000 - 12) + key
            return Reply(refusal(int(status), long).body, status=int(status), headers=headers)
        case "redirect":
            return Reply(b"", status=307, headers={"location": f"https://a.example/?key={key}"})
        case _:
            return Reply(body, status=int(status), headers={**headers, "retry-after": key})


TROUBLE = [
    f"fail {status} {how} {PROMPT}"
    for status, how in (
        (400, "json"),
        (401, "json"),
        (401, "plain"),
        (401, "cut"),
        (403, "html"),
        (404, "json"),
        (429, "json"),
        (500, "json"),
        (502, "html"),
        (503, "plain"),
        (200, "stream"),
        (200, "html"),
        (307, "redirect"),
    )
]


def bodies() -> Iterator[Json]:
    for text in (PROMPT, *TROUBLE):
        for stream in (False, True):
            yield {**HELLO, "stream": stream, "messages": [{"role": "user", "content": text}]}
    yield {**HELLO, "system": PROMPT, "top_k": 5, "metadata": {"user_id": PROMPT}}
    yield tool(description=PROMPT)
    yield {**HELLO, "messages": [{"role": "user", "content": [{"type": "text", "text": [PROMPT]}]}]}
    yield {**HELLO, "messages": PROMPT}
    yield {**HELLO, "messages": [{"role": PROMPT, "content": PROMPT}]}
    yield {**HELLO, "max_tokens": PROMPT}
    yield {**HELLO, "tool_choice": {"type": "tool", "name": [PROMPT]}}


def stir(server: Process, keys: dict[str, str]) -> dict[str, str]:
    """The whole mixture; gives all the answers, their headers too."""
    heard: dict[str, str] = {}

    def keep(reply: httpx.Response) -> None:
        heard[f"answer {len(heard)} ({reply.status_code})"] = f"{reply.headers.raw}{reply.text}"

    with httpx.Client(base_url=server.url, timeout=30, headers=keys) as client:
        for body in bodies():
            keep(client.post("/v1/messages", json=body))
        keep(client.post("/v1/messages/count_tokens", json=next(bodies())))
        keep(client.post("/v1/messages", content=f'{{"model": "{PROMPT}'))
        for path in ("/v1/models", "/v1/models/x", "/test-connection", "/", "/health", "/nowhere"):
            keep(client.get(path, params={"key": WRONG_KEY, "q": PROMPT}))
        for wrong in ({"x-api-key": WRONG_KEY}, {"authorization": f"Basic {WRONG_KEY}"}):
            keep(client.post("/v1/messages", json=next(bodies()), headers=wrong))
    lines = (b"x-api-key: " + WRONG_KEY.encode() + b"\0", b"cookie: " + WRONG_KEY.encode())
    heard["malformed"] = repr(exchange(server.port, request(b"/v1/messages", *lines)).raw)
    left = request(b"/v1/messages", *(f"{n}: {v}".encode() for n, v in keys.items()))
    exchange(server.port, left[:-5], timeout=0.2)
    return heard


def written(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text(errors="replace") for path in files}


@contextmanager
def troubled(folder: Path, **environ: str) -> Iterator[Process]:
    leaking = Upstream()
    leaking.answer(leaky)
    secret = {"OPENAI_API_KEY": SERVER_KEY, "CUSTOM_HEADER_X_SECRET": HEADER_KEY}
    with serving(leaking) as upstream:
        argv = ("-c", CRASH, *SERVE)
        with started(upstream, argv=argv, folder=folder, **{**secret, **environ}) as process:
            yield process
            process.end()  # So that what it says at its end is read, too.


@pytest.mark.fault("secrets", "prompts", "echoed-key")
@pytest.mark.parametrize(
    ("level", "format"),
    [
        ("INFO", "json"),
        ("DEBUG", "console"),
        pytest.param("INFO", "console", marks=pytest.mark.slow),
        pytest.param("DEBUG", "json", marks=pytest.mark.slow),
    ],
)
def test_a_server_in_trouble_tells_no_key(tmp_path, level, format):
    levels = {"CLAUDE_PROXY_LOG_LEVEL": level, "CLAUDE_PROXY_LOG_FORMAT": format}
    with troubled(tmp_path, CLAUDE_PROXY_AUTH_KEY=AUTH_KEY, **levels) as server:
        answers = stir(server, {"x-api-key": AUTH_KEY})
    files = written(tmp_path)
    assert "request_crashed" in files["output.log"] and "RuntimeError" in files["output.log"]
    assert len(answers) > 40 and any("(500)" in place for place in answers)
    assert not found(KEYS, {**answers, **files})
    if level == "INFO":
        assert not found((PROMPT,), files)


@pytest.mark.fault("secrets", "prompts", "echoed-key")
@pytest.mark.slow
@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
def test_a_passing_server_in_trouble_tells_no_users_key(tmp_path, level):
    mode = {"CLAUDE_PROXY_MODE": "passthrough", "CLAUDE_PROXY_LOG_LEVEL": level}
    with troubled(tmp_path, OPENAI_API_KEY="", **mode) as server:
        answers = stir(server, {"authorization": f"Bearer {USER_KEY}"})
    files = written(tmp_path)
    assert "request_crashed" in files["output.log"]
    told = {place: text for place, text in answers.items() if "(200)" not in place}
    assert not found(KEYS, {**told, **files})
    if level == "INFO":
        assert not found((PROMPT,), files)


FORGED = (
    '\r\n{"event":"forged","status":200}\n2026-01-01 [info] forged\u2028\u2029\x85\x1b[2J\x0b\x0c'
)


@pytest.mark.fault("log-injection")
@pytest.mark.parametrize("format", ["json", pytest.param("console", marks=pytest.mark.slow)])
def test_each_record_is_one_line_whatever_clients_and_upstreams_say(format):
    upstream = Upstream()
    upstream.play(Reply({"error": {"message": FORGED, "code": FORGED}}, status=400))
    environ = {"CLAUDE_PROXY_LOG_FORMAT": format, "CLAUDE_PROXY_LOG_LEVEL": "DEBUG"}
    with serving(upstream), started(upstream, **environ) as server:
        before = len(server.log().splitlines())
        asked = [
            {**HELLO},
            {**HELLO, "model": FORGED},
            {**HELLO, FORGED: 1, "tools": [{"name": FORGED, "input_schema": {}}]},
            {**HELLO, "tool_choice": {"type": FORGED}},
        ]
        for body in asked:
            httpx.post(f"{server.url}/v1/messages", json=body)
        for path in (quote(FORGED), f"v1/models/{quote(FORGED)}"):
            httpx.get(f"{server.url}/{path}")
        exchange(server.port, request(b"/v1/messages", b"x-request-id: a\x85b\x0bc"))
        raw = server.output.read_bytes()
    new = re.split(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]", raw.decode())[before:]
    records = [line for line in new if line]
    assert sum("request_finished" in line for line in records) >= len(asked) + 2
    assert not [line for line in records if line.startswith(('{"event":"forged"', "2026-01-01"))]
    assert b"\x1b[2J" not in raw and b"\x0b" not in raw
    if format == "json":
        assert all(json.loads(line)["event"] for line in records if line.startswith("{"))
        assert all(line.startswith("{") for line in records if "event" in line)


@pytest.mark.slow
@pytest.mark.fault("secrets")
def test_a_run_of_all_tests_of_the_server_prints_no_key(tmp_path):
    root = Path(__file__).parents[2]
    # In one process: those of xdist keep what tests print to themselves.
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-n", "0", "-p", "no:cacheprovider"]
    folders = ["tests/server", "tests/cli", "tests/faults", f"--basetemp={tmp_path / 'tests'}"]
    ran = subprocess.run(
        [*command, *folders, f"--deselect={Path(__file__).relative_to(root)}"],
        cwd=root,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stdout[-3000:]
    # What the tests themselves wrote for the server to read is no leak.
    files = {name: text for name, text in written(tmp_path).items() if not name.endswith(".toml")}
    texts = {"stdout": ran.stdout, "stderr": ran.stderr, **files}
    assert "request_finished" in ran.stdout + ran.stderr
    assert not found((UPSTREAM_KEY, "sk-proxy-secret-0123456789"), texts)
