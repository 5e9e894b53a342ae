"""An empty member is taken out of a JSON object that comes in pieces."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_proxy.codecs.empty_inputs import WithoutEmpty
from claude_proxy.codecs.jsonio import loads
from claude_proxy.codecs.openai_responses import StreamDecoder
from claude_proxy.profiles import GENERIC
from tests.codecs.openai_chat.plays import payload


def cleaned(pieces: list[str]) -> str:
    reader = WithoutEmpty("pages")
    return "".join([*map(reader.feed, pieces), reader.rest()])


@pytest.mark.pitfall(6)
@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ('{"a": 1, "pages": ""}', '{"a": 1}'),
        ('{"a":1,"pages":"","b":2}', '{"a":1,"b":2}'),
        ('{"a": 1,\n  "pages" : "  "\n}', '{"a": 1\n}'),
        ('{"a": 1, "pages": "1-5"}', '{"a": 1, "pages": "1-5"}'),
        ('{"a": 1, "pages": null}', '{"a": 1, "pages": null}'),
        ('{"pages": ""}', '{"pages": ""}'),
        ('{"a": "pages", "b": ""}', '{"a": "pages", "b": ""}'),
        (r'{"a": "x, \"pages\": \"\""}', r'{"a": "x, \"pages\": \"\""}'),
        ('{"a": 1, "pages": "', '{"a": 1, "pages": "'),
        ('{"a": 1, ', '{"a": 1, '),
    ],
)
def test_only_an_empty_member_goes(raw: str, kept: str) -> None:
    assert cleaned([raw]) == cleaned(list(raw)) == kept


values = st.text(st.sampled_from('pages", :\\{}'), max_size=8) | st.integers(0, 9) | st.none()


@pytest.mark.pitfall(6)
@given(
    st.dictionaries(st.sampled_from(["a", "b", "pages", "pages2"]), values | st.just("")),
    st.booleans(),
)
def test_it_is_what_taking_it_out_of_the_object_gives(value: dict[str, Any], tight: bool) -> None:
    value = {"first": 1, **value}
    raw = json.dumps(value, separators=(",", ":") if tight else (", ", ": "))
    empty = isinstance(value.get("pages"), str) and not value["pages"].strip(" ")
    expected = {name: given for name, given in value.items() if name != "pages" or not empty}
    assert loads(cleaned([raw])) == expected
    assert cleaned(list(raw)) == cleaned([raw])


def test_all_else_flows() -> None:
    reader = WithoutEmpty("pages")
    assert reader.feed('{"file_path": "/a') == '{"file_path": "/a'
    assert reader.feed('", "pag') == '"'
    assert reader.feed("inate") == ', "paginate'
    assert reader.feed('": ",') == '": "'
    assert (reader.rest(), reader.found) == (",", False)


@pytest.mark.pitfall(6)
def test_the_responses_api_has_the_same() -> None:
    decoder = StreamDecoder(profile=GENERIC, id="msg_0", model="m")
    item = {"id": "f", "type": "function_call", "call_id": "c", "name": "Read", "arguments": ""}
    added = {"type": "response.output_item.added", "output_index": 0, "item": item}
    delta = {"type": "response.function_call_arguments.delta", "output_index": 0, "item_id": "f"}
    whole = {**item, "arguments": '{"limit":1,"pages":""}'}
    done = {"type": "response.output_item.done", "output_index": 0, "item": whole}
    end = {"type": "response.completed", "response": {"status": "completed", "output": [whole]}}
    pieces = ({**delta, "delta": '{"limit":1,"pa'}, {**delta, "delta": 'ges":""}'})
    events = [
        event for each in (added, *pieces, done, end) for event in decoder.feed(payload(each))
    ]
    texts = [e["delta"]["partial_json"] for e in events if "partial_json" in e.get("delta", {})]
    assert "".join(texts) == '{"limit":1}'
    assert decoder.faults == {"mended": 1}
