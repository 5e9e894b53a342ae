"""Whatever a request looks like, routing it raises nothing, or says what is wrong with it."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings

from claude_proxy.codecs import Peek
from claude_proxy.codecs.jsonio import Body
from claude_proxy.routing import Asked, ModelMap, Router, Rule
from claude_proxy.routing.agents import Definition, Definitions, as_fork
from claude_proxy.routing.rules import CONDITIONS, Seen, Strangers
from tests.fuzz.strategies import mutated
from tests.routing.capture import SUB, captured, fork_of

NAMES = ("title_haikuenv", "websearch", "sub_code_reviewer", "nested", "compact", "image_read")
KNOWN = [*map(captured, NAMES), fork_of(captured("sub_fork"))]
HEADERS = [(name.encode(), value.encode()) for name, value in SUB.items()]
DEFINITIONS = Definitions([Definition("a", "<system prompt part: 62 chars>")])

WANTED: dict[str, Any] = {
    "requested": ("*",),
    "headers": (("x-a", "*"),),
    "key": ("alice",),
    "agent": True,
    "thinking": True,
    "effort": ("*",),
    "side_call": True,
    "images": True,
    "tokens_over": 10,
}
RULES = tuple(Rule(name=name, model="m", **{name: value}) for name, value in WANTED.items())


@given(mutated(KNOWN))
@settings(max_examples=50, suppress_health_check=list(HealthCheck))
def test_any_request_has_a_route(body: dict[str, Any]) -> None:
    asked = Asked(Body(json.dumps(body).encode()), HEADERS)
    peek = Peek("claude-opus-5-5", False, asked)
    seen = Seen(peek, asked, Strangers())
    assert set(WANTED) == set(CONDITIONS)
    assert all(type(CONDITIONS[name](WANTED[name], seen)) is bool for name in CONDITIONS)
    assert Router(ModelMap("b", "m", "s"), RULES[1:]).choose(peek).model in ("b", "m")
    DEFINITIONS.find(asked)
    as_fork(asked)
    assert all(isinstance(text, str) for text in (*asked.first_texts(), *asked.last_texts()))
