"""Messages requests whose tools are told in the system prompt, and called in writing."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from claude_proxy.codecs.anthropic_messages import decode_request
from claude_proxy.codecs.claude_cli import encode_request, tool_names
from claude_proxy.codecs.claude_cli.talk import Asked, fingerprint
from claude_proxy.codecs.claude_cli.told_tools import RULES
from claude_proxy.codecs.claude_cli.written import as_call, read_back
from claude_proxy.codecs.mending.offered import offered
from claude_proxy.codecs.mending.text_calls import TextCalls
from claude_proxy.codecs.mending.written import TextCall
from claude_proxy.errors import RequestError
from tests.codecs.claude_cli.plays import TOLD, call, text
from tests.codecs.claude_cli.test_cli_request import broken
from tests.codecs.openai_chat.test_request import bodies
from tests.fuzz.law import law

Json = dict[str, Any]

FILES = sorted((Path(__file__).parents[2] / "cases/claude_cli/told").glob("*.json"))
CASES = [case for path in FILES for case in json.loads(path.read_text(encoding="utf-8"))]
LOOK = {"name": "look", "input_schema": {"type": "object"}}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_golden(case: Json) -> None:
    """`lines`: the tools; `{told}` stands for the part of the prompt that they are in."""
    dropped: list[list[str]] = []
    request = decode_request(copy.deepcopy(case["messages"]))
    document = encode_request(
        request, profile=TOLD, on_drop=lambda path, why: dropped.append([path, why])
    )
    told = RULES.replace("{tools}", "\n".join(case["lines"]))
    start = case["cli"]["start"]
    assert document == {
        **case["cli"],
        "start": {**start, "system": start["system"].replace("{told}", told)},
    }
    assert dropped == case["dropped"]
    assert request == case["messages"]
    assert broken(document) == []


def test_the_prompt_teaches_the_form_that_is_read() -> None:
    """And shows no call that would be one."""
    example = as_call("NAME", {"PARAMETER": "VALUE"})
    assert example in RULES
    request: Any = {"messages": [], "tools": [LOOK]}
    reader = TextCalls(offered(request, {}))
    assert "".join(map(str, [*reader.feed(RULES), *reader.finish()])) == RULES
    written = example.replace("NAME", "look")
    (found,) = [*TextCalls(offered(request, {})).feed(written)]
    assert found == TextCall("look", {"PARAMETER": "VALUE"})


@law(bodies, few=200)
def test_any_request_gives_lines_without_blocks_of_tools(request: Json) -> None:
    try:
        document = encode_request(decode_request({**request, "model": "opus"}), profile=TOLD)
    except RequestError as error:
        assert error.status == 400
        return
    assert broken(document) == []
    assert document["start"]["tools"] == []
    lines = [*document["history"], document["last"]]
    kinds = {block["type"] for line in lines for block in line["message"]["content"]}
    assert not kinds & {"tool_use", "tool_result"}


def asked(**more: Any) -> Any:
    hi = [{"role": "user", "content": "Hi"}]
    return {"model": "opus", "max_tokens": 9, "messages": hi, "tools": [LOOK], **more}


def test_the_clis_tool_for_schemas_is_not_there_beside_told_tools() -> None:
    form = {"format": {"type": "json_schema", "schema": {}}}
    assert tool_names(asked(output_config=form), profile=TOLD) == {}
    free = asked(output_config=form, tool_choice={"type": "none"})
    assert tool_names(free, profile=TOLD) == {"StructuredOutput": ""}


def history(*contents: Any) -> Json:
    roles = ("user", "assistant")
    messages = [{"role": roles[at % 2], "content": said} for at, said in enumerate(contents)]
    return encode_request(asked(messages=messages), profile=TOLD)


SAID = [
    ("I look.\n<tool_call>{}</tool_call>", "I look.", 1),
    ("I look.<tool_call>\n{}\n</tool_call>\n\n<tool_call>{}</tool_call>\n", "I look.\n", 2),
    ('{{"tool_call": {}}}', None, 1),
    ("```json\n{}\n```", "", 1),
]


@pytest.mark.parametrize(("said", "words", "count"), SAID)
def test_a_process_remembers_what_its_client_gives_back(
    said: str, words: str | None, count: int
) -> None:
    """The model has written the call in its own way, and the client has its members reordered."""
    inner = '{"name": "look", "arguments": {"b": {"d": 1, "c": [2]}, "a": "x"}}'
    content = [{"type": "thinking", "thinking": "hm", "signature": "s"}]
    found = read_back([*content, text(said.format(*[inner] * count))], ["look"])
    assert found is not None
    calls = [call(f"t{n}", "look", a="x", b={"c": [2], "d": 1}) for n in range(count)]
    back = [*([text(words)] if words is not None else []), *calls]
    results = [{"type": "tool_result", "tool_use_id": c["id"]} for c in calls]
    document = history("Hi", back, results)
    assert Asked.of(document).history[1] == fingerprint("assistant", found)


def test_an_answer_without_calls_is_remembered_as_it_is() -> None:
    content = [text("a <tool_call> b"), text("\n")]
    assert fingerprint("assistant", read_back(content, ["look"]) or []) == fingerprint(
        "assistant", content
    )


@pytest.mark.parametrize(
    "content",
    [
        [text(f"{as_call('look', {})}\nMade up.")],
        [text(as_call("look", {})), {"type": "thinking", "thinking": "hm"}],
        [text(as_call("look", {})), text("Made up.")],
        [text(f"{as_call('look', {})}\n{as_call('unknown', {})}")],
    ],
)
def test_what_went_on_behind_its_calls_is_no_memory(content: list[Json]) -> None:
    assert read_back(content, ["look"]) is None
