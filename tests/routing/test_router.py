"""Rules, agents and names: which of them decides, and what people read about it."""

from collections.abc import Mapping
from typing import Any

import pytest

from claude_proxy.codecs import Peek
from claude_proxy.routing import (
    NOBODY,
    Agent,
    Asked,
    Choice,
    Fallback,
    ModelMap,
    Router,
    Rule,
    conditions,
)
from claude_proxy.routing.rules import CONDITIONS
from tests.routing.capture import SUB, captured, peek, text

PLACES = frozenset({"default", "lab", "eyes"})
MODELS = ModelMap("big-1", "middle-1", "small-1", upstreams=PLACES)


class Known:
    """People who are told who asks."""

    def __init__(self, agent: Agent = NOBODY, key: str = "") -> None:
        self._agent, self._key = agent, key

    def agent(self, asked: Asked) -> Agent:
        return self._agent

    def client(self, asked: Asked) -> str:
        return self._key


IMAGE = {"role": "user", "content": [{"type": "image", "source": {}}]}
LONG = {"messages": [{"role": "user", "content": "word " * 2000}]}
REVIEWER = Known(Agent("code-reviewer", "its definition"))

HOLDS: list[tuple[str, dict[str, Any], Peek, Known, bool]] = [
    # condition, its value, request, who is known, holds
    ("requested", {"requested": ("claude-*",)}, peek({"model": "Claude-Opus-5"}), Known(), True),
    ("requested, one of", {"requested": ("x", "gpt-*")}, peek({"model": "gpt-5"}), Known(), True),
    ("requested, marked", {"requested": ("gpt-5",)}, peek({"model": "gpt-5[1m]"}), Known(), True),
    ("not requested", {"requested": ("gpt-*",)}, peek({"model": "o3"}), Known(), False),
    ("header", {"headers": (("x-team", "sea*"),)}, peek({}, x_team="search"), Known(), True),
    ("header, empty", {"headers": (("x-team", "*"),)}, peek({}, x_team=""), Known(), True),
    ("no header", {"headers": (("x-team", "*"),)}, peek({}), Known(), False),
    ("other header", {"headers": (("x-team", "a"),)}, peek({}, x_team="b"), Known(), False),
    ("key", {"key": ("alice", "bob")}, peek({}), Known(key="bob"), True),
    ("no key", {"key": ("alice",)}, peek({}), Known(), False),
    ("agent", {"agent": ("code-*",)}, peek({}), REVIEWER, True),
    ("other agent", {"agent": ("planner",)}, peek({}), REVIEWER, False),
    ("nobody known", {"agent": ("*",)}, peek({}), Known(), False),
    ("any subagent", {"agent": True}, Peek("m", False, peek({}, **{
        "x_claude_code_agent_id": "a"}).asked), Known(), True),
    ("captured subagent", {"agent": True}, peek(captured("nested")), Known(), True),
    ("main conversation", {"agent": False}, peek(captured("parallel")), Known(), True),
    ("no subagent", {"agent": True}, peek(captured("parallel")), Known(), False),
    ("thinking", {"thinking": True}, peek(captured("parallel")), Known(), True),
    ("no thinking", {"thinking": False}, peek(captured("websearch")), Known(), True),
    ("effort", {"effort": ("high", "max")}, peek(captured("effort_max")), Known(), True),
    ("other effort", {"effort": ("low",)}, peek(captured("effort_max")), Known(), False),
    ("side call", {"side_call": ("title",)}, peek(captured("title_haikuenv")), Known(), True),
    ("any side call", {"side_call": True}, peek(captured("websearch")), Known(), True),
    ("no side call", {"side_call": False}, peek(captured("parallel")), Known(), True),
    ("other side call", {"side_call": ("hook",)}, peek(captured("websearch")), Known(), False),
    ("images", {"images": True}, peek({"messages": [IMAGE]}), Known(), True),
    ("no images", {"images": True}, peek(captured("parallel")), Known(), False),
    ("long", {"tokens_over": 1000}, peek(LONG), Known(), True),
    ("not so long", {"tokens_over": 100_000}, peek(LONG), Known(), False),
    ("all", {"images": True, "thinking": False}, peek({"messages": [IMAGE]}), Known(), True),
    ("not all", {"images": True, "thinking": True}, peek({"messages": [IMAGE]}), Known(), False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("why", "wanted", "request_", "people", "holds"), HOLDS, ids=[row[0] for row in HOLDS]
)
def test_conditions(
    why: str, wanted: dict[str, Any], request_: Peek, people: Known, holds: bool
) -> None:
    router = Router(MODELS, (Rule(name="r", model="other", **wanted),))
    assert (router.choose(request_, people).reason == "route r") is holds


def test_conditions_are_looked_at_in_the_order_of_their_cost() -> None:
    rule = Rule(name="r", tokens_over=1, images=True, requested=("*",))
    assert list(conditions(rule)) == ["requested", "images", "tokens_over"]
    assert list(CONDITIONS)[-1] == "tokens_over"


def test_nothing_is_read_that_no_rule_asks_for() -> None:
    class Unreadable:
        raw = b"{}"

        def some(self, *names: str) -> Mapping[str, Any]:
            raise AssertionError(names)

    request = Peek("gpt-5", False, Asked(Unreadable(), [(b"x-team", b"a")]))  # type: ignore[arg-type]
    rules = (Rule(name="r", requested=("o3",), images=True, model="x"),)
    assert Router(MODELS, rules).choose(request).model == "gpt-5"


def test_to_strangers_nobody_is_known() -> None:
    rules = (
        Rule(name="a", agent=("*",), model="x"),
        Rule(name="b", key=("alice",), model="x"),
    )
    router = Router(MODELS, rules, {"planner": "x"})
    assert router.choose(peek(captured("nested"))).reason == "opus to BIG"


def test_of_a_bare_name_only_rules_about_names_hold() -> None:
    rules = (
        Rule(name="a", images=False, model="x"),
        Rule(name="b", requested=("haiku",), thinking=False, model="x"),
        Rule(name="c", requested=("haiku",), model="y"),
    )
    assert Router(MODELS, rules).choose(Peek("haiku", False)) == Choice("default", "y", "route c")


RULES = (
    Rule(name="titles", side_call=("title",), model="tiny@lab"),
    Rule(name="reviews", agent=("code-*",), upstream="lab", fallbacks=("@default", "m@eyes")),
    Rule(name="thinks", thinking=True, requested=("sonnet",), model="@lab"),
    Rule(name="3", requested=("gpt-*",), model="gpt", upstream="lab", fallbacks=()),
)
ROUTER = Router(MODELS, RULES, {"planner": "o3", "writer": "qwen@lab", "here": "@lab"}, "v@eyes")
CHOICES: list[tuple[str, Peek, Known, Choice]] = [
    (
        "a title goes to the small machine",
        peek(captured("title_haikuenv")),
        Known(),
        Choice("lab", "tiny", "route titles"),
    ),
    (
        "a rule without a model keeps the one that the name means",
        peek({"model": "claude-sonnet-5"}),
        REVIEWER,
        Choice(
            "lab",
            "middle-1",
            "route reviews: sonnet to MIDDLE",
            (Fallback("default", None), Fallback("eyes", "m")),
        ),
    ),
    (
        "no fallbacks at all, in place of the general ones",
        peek({"model": "gpt-9"}),
        Known(),
        Choice("lab", "gpt", "route 3", ()),
    ),
    (
        "an agent's model",
        peek(captured("sub_code_reviewer")),
        Known(Agent("planner", "the call that began it")),
        Choice("default", "o3", "agent planner by the call that began it"),
    ),
    (
        "an agent's model elsewhere",
        peek({}),
        Known(Agent("writer", "its definition")),
        Choice("lab", "qwen", "agent writer by its definition"),
    ),
    (
        "an agent's upstream alone",
        peek({"model": "haiku"}),
        Known(Agent("here", "its definition")),
        Choice("lab", "small-1", "agent here by its definition"),
    ),
    (
        "a rule's upstream alone",
        peek({"model": "sonnet", "thinking": {"type": "adaptive"}}),
        Known(),
        Choice("lab", "middle-1", "route thinks"),
    ),
    (
        "an agent that has no model of its own",
        peek({"model": "haiku"}),
        Known(Agent("stranger", "its definition")),
        Choice("default", "small-1", "haiku to SMALL"),
    ),
    (
        "a marker's model is as good as the client's",
        peek({}),
        Known(Agent("", "a marker", "claude-haiku-4")),
        Choice("default", "small-1", "a marker: haiku to SMALL"),
    ),
    (
        "and no better: it chooses no upstream",
        peek({}),
        Known(Agent("", "a marker", "o3@lab")),
        Choice("default", "o3@lab", "a marker: unchanged"),
    ),
]


@pytest.mark.parametrize(
    ("why", "request_", "people", "choice"), CHOICES, ids=[row[0] for row in CHOICES]
)
def test_choices(why: str, request_: Peek, people: Known, choice: Choice) -> None:
    assert ROUTER.choose(request_, people) == choice


def test_rules_are_looked_at_up_to_the_first_that_fits() -> None:
    looked = ROUTER.looked(peek({"model": "gpt-9"}), Known())
    assert [(each.rule.name, each.missed) for each in looked] == [
        ("titles", "side_call"),
        ("reviews", "agent"),
        ("thinks", "requested"),
        ("3", None),
    ]
    assert len(ROUTER.looked(peek(captured("title_haikuenv")), Known())) == 1


def test_images_go_to_who_can_see_them() -> None:
    before = Choice("lab", "blind", "sonnet to MIDDLE")
    found = ROUTER.seeing(before)
    assert (found.upstream, found.model) == ("eyes", "v")
    assert found.reason == "sonnet to MIDDLE; images from blind to v"
    assert Router(MODELS).seeing(before) is before


@pytest.mark.parametrize(
    ("router", "looks", "knows"),
    [
        (Router(MODELS), False, False),
        (Router(MODELS, vision="v"), False, False),
        (Router(MODELS, subagents={"a": "b"}), True, True),
        (Router(MODELS, (Rule(name="r", images=True, model="x"),)), True, False),
        (Router(MODELS, (Rule(name="r", agent=True, model="x"),)), True, False),
        (Router(MODELS, (Rule(name="r", agent=("a",), model="x"),)), True, True),
    ],
)
def test_only_what_is_set_costs_anything(router: Router, looks: bool, knows: bool) -> None:
    assert (router.looks, router.knows_agents) == (looks, knows)


ELSEWHERE = ModelMap(
    "big@lab",
    "middle-1",
    "vertex/claude@2025",
    (("claude-*-4", "four@eyes"), ("exact", "five")),
    upstreams=PLACES,
)
SAME = ModelMap("@lab", "middle-1", "@eyes", (("q*", "@lab"), ("x", "y")), upstreams=PLACES)


@pytest.mark.parametrize(
    ("name", "found"),
    [("claude-opus-5", ("lab", "claude-opus-5", "opus to BIG")),
     ("haiku", ("eyes", "haiku", "haiku to SMALL")),
     ("Qwen3", ("lab", "Qwen3", 'glob "q*" to @lab')),
     ("@lab", ("default", "@lab", "unchanged"))],
)  # fmt: skip
def test_an_upstream_alone_keeps_the_name(name: str, found: tuple[str, str, str]) -> None:
    assert Router(SAME).by_name(name) == Choice(*found)
    seen = Router(SAME, vision="@eyes").seeing(Choice("lab", "seer", "unchanged"))
    assert (seen.upstream, seen.model) == ("eyes", "seer")


NAMES = [
    ("claude-opus-5", ("lab", "big", "opus to BIG")),
    ("claude-opus-4", ("eyes", "four", 'glob "claude-*-4" to four@eyes')),
    ("haiku", ("default", "vertex/claude@2025", "haiku to SMALL")),
    ("big", ("lab", "big", "configured")),
    ("big@lab", ("lab", "big", "configured")),
    ("four", ("eyes", "four", "configured")),
    ("five@lab", ("default", "five@lab", "unchanged")),
    ("anything@eyes", ("default", "anything@eyes", "unchanged")),
]


@pytest.mark.parametrize(("name", "found"), NAMES, ids=[row[0] for row in NAMES])
def test_a_name_leads_elsewhere_only_where_the_user_says_so(
    name: str, found: tuple[str, str, str]
) -> None:
    assert Router(ELSEWHERE).by_name(name) == Choice(*found)


def test_names_for_a_list_of_models() -> None:
    rules = (Rule(name="r", requested=("fast", "gpt-*"), model="x"),)
    assert list(Router(ELSEWHERE, rules).names()) == ["exact", "fast", "four", "five"]


def test_every_target_is_told() -> None:
    found = [
        "big-1",
        "middle-1",
        "small-1",
        "tiny@lab",
        "@lab",
        "gpt",
        "o3",
        "qwen@lab",
        "@lab",
        "v@eyes",
    ]
    assert list(ROUTER.targets()) == found


def test_the_header_of_a_run_makes_a_subagent() -> None:
    named = {name.replace("-", "_"): value for name, value in SUB.items()}
    assert Router(MODELS, (Rule(name="r", agent=True, model="x"),)).choose(
        peek({"system": [text("any")]}, **named)
    ) == Choice("default", "x", "route r")
