"""Several turns of a model are one answer for the client."""

from hypothesis import given
from hypothesis import strategies as st

from claude_proxy.codecs.fold import unfold
from claude_proxy.codecs.web_search import Composition, Failure, Found, Hit, Search
from claude_proxy.codecs.web_search.composition import CUT, summed
from claude_proxy.codecs.web_search.history import as_calls
from tests.codecs.openai_chat.grammar import assert_legal, fold

CATS = Found((Hit("https://cats.example/", "Cats", "They purr."),))
DOWN = Failure("unavailable", "It is down.")
SO = {"type": "text", "text": "So."}


def call(id, name="look", **given):
    return {"type": "tool_use", "id": f"toolu_{id}", "name": name, "input": given}


def turn(*blocks, stop=None, **usage):
    """The events of one whole answer of an upstream."""
    counts = {"input_tokens": 10, "output_tokens": 2, "cache_read_input_tokens": 0}
    called = any(block["type"] == "tool_use" for block in blocks)
    return unfold(
        {
            "id": "msg_turn",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": list(blocks),
            "stop_reason": stop or ("tool_use" if called else "end_turn"),
            "stop_sequence": None,
            "usage": {**counts, "cache_creation_input_tokens": 0, **usage},
        }
    )


def composed(*parts):
    """The whole of an answer: turns are lists of events, outcomes what is in tuples."""
    composition = Composition("msg_1", "claude", "look")
    events = []
    for part in parts:
        answer = composition.answered if isinstance(part, tuple) else composition.feed
        events += answer(part)
    events += composition.end()
    assert_legal(events)
    return fold(events)


def kinds(message):
    return [block["type"] for block in message["content"]]


def test_a_search_and_an_answer_are_one_message():
    message = composed(turn(SO, call("1", query="cats")), (CATS,), turn(SO))
    assert kinds(message) == ["text", "server_tool_use", "web_search_tool_result", "text"]
    assert (message["id"], message["model"]) == ("msg_1", "claude")
    assert message["content"][1] == {
        "type": "server_tool_use",
        "id": "srvtoolu_1",
        "name": "web_search",
        "input": {"query": "cats"},
    }
    assert message["content"][2]["tool_use_id"] == "srvtoolu_1"
    assert message["stop_reason"] == "end_turn"


def test_counts_of_all_turns_are_added_up():
    usage = composed(
        turn(call("1", query="a"), call("2", query="b"), cache_read_input_tokens=7),
        (CATS, DOWN),
        turn(SO, input_tokens=30),
    )["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (40, 4)
    assert usage["cache_read_input_tokens"] == 7
    # A search that failed costs nothing.
    assert usage["server_tool_use"] == {"web_search_requests": 1, "web_fetch_requests": 0}


def test_an_answer_without_a_search_is_the_turn_itself():
    message = composed(turn(SO, call("1", "Read", path="x")))
    assert message["content"] == [SO, call("1", "Read", path="x")]
    assert message["stop_reason"] == "tool_use"
    assert "server_tool_use" not in message["usage"]


def test_the_model_says_what_it_wants_to_be_looked_up():
    composition = Composition("msg_1", "claude", "look")
    composition.feed(turn(call("1", query="cats"), call("2", query=7), call("3", q="x")))
    assert composition.goes_on and composition.turn_usage["input_tokens"] == 10
    assert composition.searches == [
        Search("srvtoolu_1", "cats"),
        Search("srvtoolu_2", None),
        Search("srvtoolu_3", None),
    ]


def test_calls_of_the_client_end_the_answer_and_the_searches_have_their_results():
    parts = turn(call("1", query="cats"), call("2", "Read", path="x"))
    composition = Composition("msg_1", "claude", "look")
    composition.feed(parts)
    assert not composition.goes_on and composition.searches
    message = composed(parts, (CATS,))
    assert kinds(message) == ["server_tool_use", "tool_use", "web_search_tool_result"]
    assert message["stop_reason"] == "tool_use"


def test_a_search_that_is_never_made_has_a_result_all_the_same():
    message = composed(turn(call("1", query="cats"), stop="max_tokens"))
    assert message["content"][1]["content"]["error_message"] == CUT.why
    assert message["stop_reason"] == "max_tokens"
    assert message["usage"]["server_tool_use"]["web_search_requests"] == 0


def test_an_answer_that_only_searches_is_at_its_end_all_the_same():
    message = composed(turn(call("1", query="cats")), (CATS,))
    assert message["stop_reason"] == "end_turn"


def test_the_next_request_is_what_the_history_will_be_read_as():
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "cpx1:x"}
    composition = Composition("msg_1", "claude", "look")
    events = composition.feed(turn(thought, SO, call("1", query="cats"), call("2", query="dogs")))
    events += composition.answered([CATS, DOWN])
    said = composition.said()
    events += [*composition.feed(turn(SO)), *composition.end()]
    later = as_calls([{"role": "assistant", "content": fold(events)["content"]}], "look")
    assert later == [*said, {"role": "assistant", "content": [SO]}]


def test_pages_that_a_text_names_are_cited_after_the_search_only():
    named = {"type": "text", "text": "See https://cats.example/."}
    content = composed(turn(named, call("1", query="cats")), (CATS,), turn(named))["content"]
    assert "citations" not in content[0]
    assert [citation["title"] for citation in content[3]["citations"]] == ["Cats"]


def test_an_error_of_a_later_turn_ends_the_answer():
    composition = Composition("msg_1", "claude", "look")
    events = composition.feed(turn(call("1", query="cats")))
    events += composition.answered([CATS])
    events += composition.feed(
        [{"type": "error", "error": {"type": "api_error", "message": "gone"}}]
    )
    assert_legal([*events, *composition.end()])
    assert events[-1]["type"] == "error"


def test_pings_pass_and_the_start_comes_once():
    composition = Composition("msg_1", "claude", "look")
    assert [event["type"] for event in composition.open()] == ["message_start"]
    assert composition.open() == []
    assert composition.feed([{"type": "ping"}]) == [{"type": "ping"}]


def test_the_end_of_a_block_that_never_began_is_nothing():
    assert (
        Composition("msg_1", "m", "look").feed([{"type": "content_block_stop", "index": 0}]) == []
    )


def test_counts_within_counts_are_added_up_too():
    first = {"input_tokens": 1, "output_tokens_details": {"thinking_tokens": 2}}
    second = {"input_tokens": 3, "output_tokens_details": {"thinking_tokens": 4}, "tier": None}
    assert summed(first, second) == {
        "input_tokens": 4,
        "output_tokens_details": {"thinking_tokens": 6},
    }


ids = st.integers(1, 9).map(str)
blocks = st.lists(
    st.just(SO)
    | st.just({"type": "thinking", "thinking": "Hm.", "signature": "s"})
    | st.builds(lambda id, q: call(id, query=q), ids, st.text(max_size=4) | st.none())
    | st.builds(lambda id: call(id, "Read", path="x"), ids),
    max_size=5,
)
stops = st.sampled_from([None, "max_tokens", "refusal"])
outcomes = st.sampled_from([CATS, DOWN, Found(())])


@given(st.lists(st.builds(lambda b, s: turn(*b, stop=s), blocks, stops), max_size=4), st.data())
def test_whatever_the_turns_are_the_answer_is_legal(turns, data):
    composition = Composition("msg_1", "claude", "look")
    events = []
    for each in turns:
        events += composition.feed(each)
        if data.draw(st.booleans()):
            events += composition.answered([data.draw(outcomes) for _ in composition.searches])
    events += composition.end()
    assert_legal(events)
    content = fold(events)["content"]
    asked = [block["id"] for block in content if block["type"] == "server_tool_use"]
    told = [block["tool_use_id"] for block in content if block["type"] == "web_search_tool_result"]
    assert sorted(asked) == sorted(told)
