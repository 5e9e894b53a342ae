"""Lines of the log as `configure_logs` makes them, in a process of their own."""

import json
import re
import subprocess
import sys

import pytest

KEY = "sk-of-the-server-0123456789"
SCRIPT = """
import os, structlog
from claude_proxy.server.logs import configure_logs
from claude_proxy.settings import load_settings

configure_logs(load_settings(environ=dict(os.environ), trusted_folder=False))
log = structlog.get_logger("here")
"""
LINE = "log.bind().emit('info', {'event': 'done', 'path': '/a', 'status': 200})\n"


def lines(code, **environ):
    known = {"OPENAI_API_KEY": KEY, "CLAUDE_PROXY_LOG_FORMAT": "json", "PATH": "/usr/bin"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT + code],
        env={**known, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert not done.stdout
    return done.stderr.splitlines()


def told(code, **environ):
    return [json.loads(line) for line in lines(code, **environ)]


def test_a_line_that_is_a_dict_is_as_one_by_keywords():
    by_keywords = "log.info('done', path='/a', status=200)\n"
    first, second = told(LINE + by_keywords)
    assert first.keys() == second.keys() == {"event", "path", "status", "level", "timestamp"}
    assert {**first, "timestamp": 0} == {**second, "timestamp": 0}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", first["timestamp"])
    assert first["level"] == "info" and first["timestamp"] <= second["timestamp"]


def test_what_is_below_the_level_is_left_out():
    code = LINE + LINE.replace("'info'", "'warning'")
    assert [line["level"] for line in told(code, CLAUDE_PROXY_LOG_LEVEL="WARNING")] == ["warning"]


@pytest.mark.parametrize("times", [1, 3])
def test_keys_are_masked_wherever_they_stand(times):
    values = {"a": KEY, "b": [KEY], "c": {"d": KEY}, "e": f"x {KEY} y" * 20, "path": "/v1"}
    found = lines(f"log.bind().emit('info', {{'event': 'done', **{values!r}}})\n" * times)
    assert len(found) == times
    for line in found:
        assert KEY not in line and line.count("[redacted]") >= 4
        assert json.loads(line)["path"] == "/v1"


def test_a_text_is_looked_at_again_when_many_others_came():
    code = f"for n in range(3000): log.info('done', a=str(n))\nlog.info('done', a={KEY!r})\n"
    found = lines(code)
    assert len(found) == 3001 and "[redacted]" in found[-1] and KEY not in "".join(found)


@pytest.mark.parametrize("format", ["json", "console"])
def test_no_text_makes_a_second_line(format):
    odd = ascii("a\n\x1b[31m\x7f\x85\u2028 é")
    code = f"""
from claude_proxy.server.context import Context, RequestContext
from claude_proxy.server.redact import Redactor
class Silent:
    def observe(self, *args): pass
async def app(scope, receive, send):
    scope["claude_proxy.context"].facts["model"] = {odd}
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
async def send(message): pass
import asyncio
line = RequestContext(app, redactor=Redactor(), access_log=True, metrics=Silent(),
                      endpoint_of=lambda path: path)
scope = {{"type": "http", "method": "POST", "path": "/v1/" + {odd}, "headers": []}}
asyncio.run(line(scope, None, send))
"""
    [line] = lines(code, CLAUDE_PROXY_LOG_FORMAT=format)
    assert line.isprintable() and "é" in line and line.count("200") == 1


def test_an_exception_is_shown():
    code = "try:\n    1 / 0\nexcept ZeroDivisionError:\n    log.exception('oh')\n"
    [line] = told(code)
    assert line["level"] == "error" and "ZeroDivisionError" in line["exception"]


def test_what_is_bound_is_said_too():
    [line] = told("log.bind(a=1).warning('done', b=2)\n")
    assert (line["a"], line["b"], line["event"], line["level"]) == (1, 2, "done", "warning")
