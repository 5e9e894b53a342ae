"""A scripted model: the last marker in the conversation decides what it says.

    [[scenario:NAME key=value ...]]     main conversation
    [[sub:NAME]]                        the prompt given to a subagent, or a side call

The step is the number of assistant turns after that marker, so no state is kept; only faults
count how often they were hit. A scene that finds something wrong says FAIL and what, so the
client's own output tells it.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.say import Say, to_reply
from tests.e2e.strict import complaints
from tests.upstream import Received, Reply, refusal

Json = dict[str, Any]

MARKER = re.compile(r"\[\[(scenario|sub):([a-z0-9_]+)((?:\s+[a-z_]+=[^\s\]]+)*)\]\]")
ODD_TEXT = 'line "one"\n\tüñí \\ two\n'


@dataclass(frozen=True, slots=True)
class Turn:
    """What a scene sees of a request: everything since the marker."""

    body: Json
    kind: str
    name: str
    args: dict[str, str]
    step: int
    results: list[tuple[str, str]]
    """(tool call id, text) in the order they came."""
    asked: list[str]
    hit: int

    @property
    def tools(self) -> list[str]:
        return [tool["function"]["name"] for tool in self.body.get("tools") or []]

    @property
    def messages(self) -> list[Json]:
        found: list[Json] = self.body["messages"]
        return found

    @property
    def said(self) -> str:
        """The results alone, one a line."""
        return "\n".join(text for _, text in self.results)

    def parts(self, kind: str) -> list[Json]:
        contents = [m["content"] for m in self.messages if isinstance(m.get("content"), list)]
        return [part for content in contents for part in content if part["type"] == kind]


@dataclass(slots=True)
class Script:
    """Answers requests (mutable: counts hits, keeps complaints)."""

    hits: dict[str, int] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def __call__(self, request: Received) -> Reply:
        body = request.json
        wrong = complaints(body)
        if wrong:
            self.complaints += wrong
            return refusal(400, "; ".join(wrong))
        return to_reply(self.say(body), body)

    def say(self, body: Json) -> Say:
        turn = self._turn(body)
        return _scene(turn)(turn) if turn else Say("NO-MARKER")

    def _turn(self, body: Json) -> Turn | None:
        found = _marker(body["messages"])
        if found is None:
            return None
        at, kind, name, args = found
        key = f"{kind}:{name}:{args.get('n', '')}"
        self.hits[key] = self.hits.get(key, 0) + 1
        after = body["messages"][at + 1 :]
        turns = [message for message in after if message["role"] == "assistant"]
        return Turn(
            body=body,
            kind=kind,
            name=name,
            args=args,
            step=len(turns),
            results=[(m["tool_call_id"], flat(m["content"])) for m in after if m["role"] == "tool"],
            asked=[call["id"] for turn in turns for call in turn.get("tool_calls") or []],
            hit=self.hits[key],
        )


def flat(content: Any) -> str:
    """The text of a message's content, be it a string or parts."""
    if isinstance(content, list):
        return "\n".join(part.get("text", "") for part in content)
    return content or ""


def _marker(messages: list[Json]) -> tuple[int, str, str, dict[str, str]] | None:
    for at in range(len(messages) - 1, -1, -1):
        marks = MARKER.findall(flat(messages[at].get("content")))
        if messages[at]["role"] == "user" and marks:
            kind, name, args = marks[-1]
            return at, kind, name, dict(pair.split("=", 1) for pair in args.split())
    return None


def _scene(turn: Turn) -> Callable[[Turn], Say]:
    scenes = SCENES if turn.kind == "scenario" else SIDE_SCENES
    return scenes.get(turn.name, lambda turn: Say(f"FAIL unknown scene {turn.name}"))


def _verdict(turn: Turn, good: bool, word: str) -> Say:
    paired = sorted(turn.asked) == sorted(id for id, _ in turn.results)
    if good and paired:
        return Say(word)
    return Say(f"FAIL {turn.name} asked={turn.asked} results={turn.results!r}")


def _review(turn: Turn) -> Say:
    if turn.step == 0:
        return Say("Looking.", (("Bash", {"command": "echo in-subagent"}),))
    return Say(f"REPORT-42 {turn.args.get('n', '')}" if "in-subagent" in turn.said else "FAIL sub")


def _plain(_: Turn) -> Say:
    return Say("PONG-7319 ünïcödé ✓")


def _no_usage(_: Turn) -> Say:
    return Say("NO-USAGE-DONE", usage=False)


def _think(turn: Turn) -> Say:
    if turn.step == 0:
        calls = (("Bash", {"command": "echo thinking"}),)
        return Say("", calls, reasoning="REASONING-MARK first")
    return Say("THINK-DONE", reasoning="REASONING-MARK step by step")


def _tools(turn: Turn) -> Say:
    here = turn.args["dir"]
    copy = f"cp {here}/hello.txt {here}/copy.txt && echo BASH-OK"
    steps = [
        ("Write", {"file_path": f"{here}/hello.txt", "content": ODD_TEXT}),
        ("Read", {"file_path": f"{here}/hello.txt"}),
        ("Bash", {"command": copy, "description": "copy"}),
    ]
    if turn.step < 3:
        return Say("Working." if turn.step == 0 else "", (steps[turn.step],))
    good = "üñí" in turn.results[1][1] and "BASH-OK" in turn.results[2][1]
    return _verdict(turn, good, "TOOLS-DONE")


def _parallel(turn: Turn) -> Say:
    here = turn.args["dir"]
    if turn.step == 0:
        calls = (
            ("Write", {"file_path": f"{here}/a.txt", "content": "A"}),
            ("Bash", {"command": "echo B-OUT"}),
            ("Read", {"file_path": f"{here}/missing.txt"}),
        )
        return Say("Three at once.", calls, interleaved=turn.args.get("interleaved") == "1")
    by_id = dict(turn.results)
    good = len(turn.asked) == 3 and "B-OUT" in by_id.get(turn.asked[1], "")
    return _verdict(turn, good, "PARALLEL-DONE")


def _look_up(turn: Turn) -> Say:
    """Two calls of a client's own tool, one after the other."""
    if turn.step < 2:
        return Say("", (("look_up", {"word": f"word-{turn.step}"}),))
    return _verdict(turn, "word-0-FOUND" in turn.said and "word-1-FOUND" in turn.said, "LOOKED-UP")


def _look_up_both(turn: Turn) -> Say:
    if turn.step == 0:
        return Say("Both.", tuple(("look_up", {"word": f"word-{n}"}) for n in range(2)))
    by_id = dict(turn.results)
    good = all(f"word-{n}-FOUND" in by_id.get(id, "") for n, id in enumerate(turn.asked))
    return _verdict(turn, good and len(turn.asked) == 2, "LOOKED-UP-BOTH")


def _echo_twice(ids: tuple[str | None, ...], word: str) -> Callable[[Turn], Say]:
    """Two turns of the same two calls, so that careless ids meet in one conversation."""

    def scene(turn: Turn) -> Say:
        if turn.step < 2:
            echoes = [("Bash", {"command": f"echo OUT-{turn.step}-{n}"}) for n in range(len(ids))]
            return Say("", tuple(echoes), ids=ids)
        wanted = [f"OUT-{step}-{n}" for step in range(2) for n in range(len(ids))]
        got = [text.strip() for _, text in turn.results]
        return _verdict(turn, sorted(got) == wanted and len(set(turn.asked)) == len(got), word)

    return scene


def _subagent(turn: Turn) -> Say:
    if turn.step == 0:
        names = turn.args.get("agents", "one").split(",")
        return Say("Delegating.", tuple(("Agent", _delegate(name)) for name in names))
    count = turn.said.count("REPORT-42")
    return _verdict(turn, count == len(turn.asked), "SUBAGENT-DONE")


def _kinds(turn: Turn) -> Say:
    """One agent of each kind, at once."""
    if turn.step == 0:
        kinds = turn.args["kinds"].split(",")
        return Say("Delegating.", tuple(("Agent", _delegate(kind, kind)) for kind in kinds))
    count = turn.said.count("REPORT-42")
    return _verdict(turn, count == len(turn.asked), "KINDS-DONE")


def _nested(turn: Turn) -> Say:
    """An agent that calls another one."""
    if turn.step == 0:
        call = _delegate("outer", "general-purpose", scene="nests")
        return Say("Delegating.", (("Agent", call),))
    return _verdict(turn, "REPORT-42" in turn.said, "NESTED-DONE")


def _nests(turn: Turn) -> Say:
    if turn.step == 0:
        return Say("Delegating.", (("Agent", _delegate("inner")),))
    return Say("NESTS REPORT-42" if "REPORT-42" in turn.said else f"FAIL {turn.said}")


def _background(turn: Turn) -> Say:
    """The agent works on while its caller's turn ends; what it found comes in a later turn."""
    if turn.step == 0:
        call = _delegate("aside", "general-purpose", background=True)
        return Say("Delegating.", (("Agent", call),))
    told = any("<task-notification>" in flat(message["content"]) for message in turn.messages)
    return Say("BACKGROUND-DONE" if told else "BACKGROUND-BEGUN")


def _delegate(
    name: str, kind: str = "code-reviewer", *, scene: str = "review", background: bool = False
) -> Json:
    return {
        "description": f"Review {name}",
        "prompt": f"[[sub:{scene} n={name}]] look at it",
        "subagent_type": kind,
        "run_in_background": background,
    }


def _images(turn: Turn) -> Say:
    urls = [part["image_url"]["url"] for part in turn.parts("image_url")]
    count = sum(url.startswith("data:image/png;base64,iVBOR") for url in urls)
    return Say(f"IMAGES-SEEN={count}")


def _read_image(turn: Turn) -> Say:
    if turn.step == 0:
        return Say("", (("Read", {"file_path": f"{turn.args['dir']}/p.png"}),))
    return _images(turn)


def _read_pdf(turn: Turn) -> Say:
    """A PDF goes up as a file part, or the model is told of it in words: never in silence."""
    if turn.step == 0:
        return Say("", (("Read", {"file_path": f"{turn.args['dir']}/p.pdf"}),))
    everything = json.dumps(turn.messages[-3:]).lower()
    told = turn.parts("file") or "pdf" in everything.replace("p.pdf", "")
    return _verdict(turn, bool(told), "PDF-SEEN")


def _toolsearch(turn: Turn) -> Say:
    if turn.step == 0:
        if "ToolSearch" not in turn.tools:
            return Say("FAIL ToolSearch was not offered")
        return Say("", (("ToolSearch", {"query": "select:NotebookEdit"}),))
    good = "NotebookEdit" in turn.tools and "NotebookEdit" in turn.said
    return _verdict(turn, good, "TOOLSEARCH-DONE")


def _long_tool(turn: Turn) -> Say:
    if turn.step == 0:
        mine = [name for name in turn.tools if name.startswith("mcp__")]
        if len(mine) != 1:
            return Say(f"FAIL tools={turn.tools}")
        return Say("", ((mine[0], {"word": "hello"}),))
    return _verdict(turn, "MCP-SAW-hello" in turn.said, "MCP-DONE")


PAGE = {"url": "https://cats.example/", "title": "All about cats", "content": "Cats purr."}
"""What the search service finds; the client sees its title and address, the model all of it."""


def _web_search(turn: Turn) -> Say:
    """The client searches by a call of its own, which offers the model nothing but a search."""
    wanted = Say("", (("WebSearch", {"query": f"[[sub:{turn.args.get('of', 'search')}]] cats"}),))
    if turn.step == 0 and "WebSearch" not in turn.tools:
        return Say("", (("ToolSearch", {"query": "select:WebSearch"}),))
    if turn.step == 0 or (turn.step == 1 and "SEARCHED" not in turn.said):
        return wanted
    told = PAGE["url"] if turn.args.get("of", "search") == "search" else "CLAUDE_PROXY_SEARXNG_URL"
    return _verdict(turn, "SEARCHED" in turn.said and told in turn.said, "WEBSEARCH-DONE")


def _searches(turn: Turn) -> Say:
    """The side call: it reads all of the page before it answers."""
    if turn.step == 0:
        return Say("", (("web_search", {"query": "cats"}),))
    seen = all(text in turn.said for text in PAGE.values())
    return Say(f"SEARCHED: cats purr. {PAGE['url']}" if seen else f"FAIL {turn.said}")


def _searches_in_vain(turn: Turn) -> Say:
    if turn.step == 0:
        return Say("", (("web_search", {"query": "cats"}),))
    return Say(f"SEARCHED in vain: {turn.said}")


def _system(turn: Turn) -> Say:
    everything = json.dumps(turn.body, ensure_ascii=False)
    wanted = ("CLAUDEMD-MARK", "APPEND-MARK", "Primary working directory")
    missing = [word for word in wanted if word not in everything]
    internals = ("x-anthropic-billing-header", "DeferredToolPlaceholder")
    stray = [word for word in internals if word in everything]
    return Say(f"FAIL missing={missing} stray={stray}" if missing or stray else "SYSTEM-DONE")


def _agent_prompt(turn: Turn) -> Say:
    prompt = flat(turn.messages[0]["content"])
    return Say("AGENT-DONE" if "AGENT-PROMPT-MARK" in prompt else f"FAIL {prompt[:200]}")


def _schema(turn: Turn) -> Say:
    return Say("", (("StructuredOutput", {"answer": 42}),)) if turn.step == 0 else Say("done")


def _multiturn(turn: Turn) -> Say:
    users = [m for m in turn.messages if m["role"] == "user"]
    return Say(f"TURN-{sum(bool(MARKER.search(flat(m['content']))) for m in users)}")


def _compact(turn: Turn) -> Say:
    """A talk, its summary, and a talk that knows the summary."""
    if "<summary>" in flat(turn.messages[-1]["content"]):
        return Say("<summary>SUMMARY-MARK of a long talk</summary>")
    known = any("SUMMARY-MARK" in flat(message["content"]) for message in turn.messages)
    return Say("COMPACT-DONE" if known else "COMPACT-BEGUN")


def _bad_json(turn: Turn) -> Say:
    """Broken arguments come back as an error of the tool, and the model gets another try."""
    if turn.step == 0:
        return Say("", (("Bash", '{"command": "echo x'),))
    if turn.step == 1:
        return Say("", (("Bash", {"command": "echo REPAIRED"}),))
    return _verdict(turn, "REPAIRED" in turn.results[-1][1], "BADJSON-DONE")


def _written(turn: Turn) -> Say:
    """Calls that stand in the text, as small models write them."""
    if turn.step == 0:
        call = {"name": "Bash", "arguments": {"command": "echo FIRST"}}
        return Say(f"I run it.\n<tool_call>\n{json.dumps(call)}\n</tool_call>")
    if turn.step == 1:
        return Say(
            "<tool_call>\n<function=Bash>\n<parameter=command>\necho SECOND\n</parameter>\n"
            "</function>\n</tool_call>"
        )
    return _verdict(turn, turn.said.split() == ["FIRST", "SECOND"], "WRITTEN-DONE")


def _empty_pages(turn: Turn) -> Say:
    """Every parameter of Read is filled in, as gpt-5.5 does it."""
    path = f"{turn.args['dir']}/pages.txt"
    if turn.step == 0:
        return Say("", (("Write", {"file_path": path, "content": "PAGES-INSIDE"}),))
    if turn.step == 1:
        return Say("", (("Read", {"file_path": path, "offset": 1, "limit": 20, "pages": ""}),))
    return _verdict(turn, "PAGES-INSIDE" in turn.results[-1][1], "PAGES-DONE")


def _rate_limit(turn: Turn) -> Say:
    if turn.hit <= 2:
        return Say(reply=refusal(429, "slow down", code="rate_limit_exceeded", retry_after="1"))
    return Say("RATELIMIT-DONE")


def _refused(status: int, message: str, code: str) -> Callable[[Turn], Say]:
    return lambda _: Say(reply=refusal(status, message, code=code))


OVERFLOW = (
    "This model's maximum context length is 128000 tokens. However, your messages resulted in"
    " 131072 tokens. Please reduce the length of the messages."
)


def _cut(turn: Turn) -> Say:
    return Say("this stream is cut", stop_after=3) if turn.hit == 1 else Say("CUT-DONE")


def _error_then_whole(turn: Turn) -> Say:
    """An error inside a stream makes the client ask for the whole answer at once."""
    if turn.body.get("stream"):
        return Say("a text that never ends", stop_after=4, breaks="error")
    return Say("WHOLE-DONE")


def _error_then_silence(turn: Turn) -> Say:
    if turn.body.get("stream"):
        return Say("a text that never ends", stop_after=4, breaks="error")
    return Say("too late", silence=120)


def _silent(_: Turn) -> Say:
    return Say("SILENT-DONE", silence=6)


def _long(_: Turn) -> Say:
    return Say("0123456789" * 200, gap=0.05)


SIDE_SCENES: dict[str, Callable[[Turn], Say]] = {
    "review": _review,
    "nests": _nests,
    "search": _searches,
    "search_in_vain": _searches_in_vain,
}

SCENES: dict[str, Callable[[Turn], Say]] = {
    "plain": _plain,
    "no_usage": _no_usage,
    "think": _think,
    "tools": _tools,
    "parallel": _parallel,
    "look_up": _look_up,
    "look_up_both": _look_up_both,
    "same_ids": _echo_twice(("call_0",), "SAMEIDS-DONE"),
    "twin_ids": _echo_twice(("call_0", "call_0"), "TWINIDS-DONE"),
    "no_ids": _echo_twice((None, None), "NOIDS-DONE"),
    "empty_ids": _echo_twice(("", ""), "EMPTYIDS-DONE"),
    "odd_ids": _echo_twice(("call_abc|def.1:2", "x" * 80), "ODDIDS-DONE"),
    "subagent": _subagent,
    "kinds": _kinds,
    "nested": _nested,
    "background": _background,
    "image": _images,
    "read_image": _read_image,
    "read_pdf": _read_pdf,
    "toolsearch": _toolsearch,
    "long_tool": _long_tool,
    "web_search": _web_search,
    "system": _system,
    "agent": _agent_prompt,
    "schema": _schema,
    "multiturn": _multiturn,
    "compact": _compact,
    "bad_json": _bad_json,
    "written": _written,
    "empty_pages": _empty_pages,
    "rate_limit": _rate_limit,
    "bad_key": _refused(401, "Incorrect API key provided", "invalid_api_key"),
    "forbidden": _refused(403, "Country not supported", "unsupported_country"),
    "no_model": _refused(404, "The model does not exist", "model_not_found"),
    "overflow": _refused(400, OVERFLOW, "context_length_exceeded"),
    "cut": _cut,
    "error_then_whole": _error_then_whole,
    "error_then_silence": _error_then_silence,
    "silent": _silent,
    "long": _long,
}
