"""A request for a server of the same language: the same bytes, but for what must change."""

import json

import pytest

from claude_proxy.codecs.jsonio import Body, loads
from claude_proxy.codecs.retarget import kept_betas, retarget
from claude_proxy.native import NATIVES, Native

ANTHROPIC = NATIVES[0]
OTHER = NATIVES[-1]
RAW = (
    b'{ "model" : "claude-x","zeta": 12345678901234567890123, "n":1.10,"e":1e2,\n'
    b'"messages":[{"role":"user","content":"h\\u00e9\\/"}],"max_tokens":8, "alpha":{"b":1,"a":[]} }'
)
USER = {"role": "user", "content": "go on"}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}
CALL = {"type": "tool_use", "id": "t", "name": "n", "input": {"big": 2**60}}


def thought(signature):
    return {"type": "thinking", "thinking": "hm", "signature": signature}


def said(*blocks):
    return {"role": "assistant", "content": list(blocks)}


def sent(raw, *, model="claude-x", least=None, most=None, native=ANTHROPIC):
    body = Body(raw)
    dropped = []

    def note(path, why):
        dropped.append((path, why))

    out = retarget(body, model=model, least=least, most=most, native=native, on_drop=note)
    assert loads(body.raw) == body.whole
    return out, dropped


def with_messages(*messages, **more):
    body = {"model": "claude-x", "max_tokens": 9, "messages": list(messages), **more}
    return json.dumps(body).encode()


@pytest.mark.parametrize("space", [b"", b" " * 20_000], ids=["small", "large"])
def test_nothing_to_change_gives_the_very_bytes(space):
    assert sent(RAW + space) == (RAW + space, [])
    assert sent(RAW + space, most=8, least=8, native=OTHER) == (RAW + space, [])


@pytest.mark.parametrize("space", [b"", b" " * 20_000], ids=["small", "large"])
def test_another_model_is_the_only_change(space):
    out, dropped = sent(RAW + space, model='m"2')
    assert dropped == []
    assert out == (
        b'{"model":"m\\"2","zeta":12345678901234567890123,"n":1.10,"e":1e2,'
        b'"messages":[{"role":"user","content":"h\\u00e9\\/"}],"max_tokens":8,'
        b'"alpha":{"b":1,"a":[]}}'
    )


def test_a_users_limit_is_told():
    out, dropped = sent(RAW, most=5, least=7)
    assert loads(out)["max_tokens"] == 5
    assert dropped == [("max_tokens", "8 lowered to 5")]
    out, dropped = sent(RAW, least=100)
    assert loads(out)["max_tokens"] == 100
    assert dropped == [("max_tokens", "8 raised to 100")]
    out, dropped = sent(RAW.replace(b'"max_tokens":8', b'"max_tokens":1e2'), most=50)
    assert loads(out)["max_tokens"] == 50
    assert dropped == [("max_tokens", "100 lowered to 50")]


@pytest.mark.parametrize("asked", [b'"8"', b"null", b"true", b"1.5"])
def test_what_is_no_number_is_the_upstreams_to_refuse(asked):
    raw = RAW.replace(b'"max_tokens":8', b'"max_tokens":' + asked)
    assert sent(raw, most=1, least=2) == (raw, [])


@pytest.mark.pitfall(20)
def test_refused_fields_are_left_out_and_told():
    native = Native("x", ("*",), "", drop_fields=("zeta", "absent"))
    out, dropped = sent(RAW, native=native)
    assert "zeta" not in loads(out) and dropped == [("zeta", "refused by this upstream")]


@pytest.mark.pitfall(20)
def test_refused_betas_are_left_out_and_told():
    native = Native("x", ("*",), "", drop_betas=("context-management-*",))
    dropped = []
    value = "a-1, context-management-2025-06-27,b-2"
    assert kept_betas(value, native, lambda *note: dropped.append(note)) == "a-1,b-2"
    assert dropped == [("anthropic-beta.context-management-2025-06-27", "refused by this upstream")]
    assert kept_betas("a-1, b-2", native, lambda *note: dropped.append(note)) == "a-1, b-2"
    assert kept_betas(value, OTHER, lambda *note: dropped.append(note)) == value
    assert len(dropped) == 1


@pytest.mark.pitfall(12)
@pytest.mark.parametrize("signature", ["cpx1:deepseek", "cpx1:p:data:mac", "", None])
def test_our_thinking_never_goes_to_anthropic(signature):
    raw = with_messages(USER, said(thought(signature), CALL), RESULT, said(thought("EqQB"), CALL))
    out, dropped = sent(raw)
    messages = loads(out)["messages"]
    assert messages == [USER, said(CALL), RESULT, said(thought("EqQB"), CALL)]
    assert dropped == [("messages.1.content.0", "our own, without the upstream's signature")]
    assert str(2**60).encode() in out


def test_a_block_without_a_signature_at_all():
    raw = with_messages(USER, said({"type": "thinking", "thinking": "hm"}, CALL))
    assert loads(sent(raw)[0])["messages"][1] == said(CALL)


def test_a_message_of_nothing_else_goes_with_it():
    raw = with_messages(USER, said(thought("cpx1:x")), USER)
    assert loads(sent(raw)[0])["messages"] == [USER, USER]


@pytest.mark.pitfall(12)
@pytest.mark.parametrize("native", [ANTHROPIC, OTHER], ids=lambda native: native.name)
def test_without_any_thinking(native):
    redacted = {"type": "redacted_thinking", "data": "x"}
    body = Body(with_messages(USER, said(thought("EqQB"), redacted, CALL), RESULT))
    notes = []
    out = retarget(
        body, model="claude-x", native=native, bare=True, on_drop=lambda *note: notes.append(note)
    )
    assert loads(out)["messages"] == [USER, said(CALL), RESULT]
    why = "a signature in the thinking was refused"
    assert notes == [("messages.1.content.0", why), ("messages.1.content.1", why)]
    nothing = Body(with_messages(USER))
    assert (
        retarget(nothing, model="claude-x", native=native, bare=True, on_drop=lambda *note: None)
        == nothing.raw
    )


def test_other_servers_get_it_as_their_row_says():
    raw = with_messages(USER, said(thought("cpx1:x"), thought(""), CALL))
    assert sent(raw, native=OTHER) == (raw, [])
    gateway = next(row for row in NATIVES if row.name == "openrouter")
    assert loads(sent(raw, native=gateway)[0])["messages"][1] == said(thought(""), CALL)


ENABLED = {"type": "enabled", "budget_tokens": 1024}


@pytest.mark.pitfall(13)
@pytest.mark.parametrize(
    ("why", "thinking", "messages", "off"),
    [
        ("the open turn lost it", ENABLED, [USER, said(thought(""), CALL), RESULT], True),
        (
            "a system message does not end the turn",
            ENABLED,
            [USER, said(thought(""), CALL), RESULT, {"role": "system", "content": "x"}],
            True,
        ),
        ("an answered turn needs none", ENABLED, [USER, said(thought(""), CALL), USER], False),
        (
            "an older turn lost it",
            ENABLED,
            [USER, said(thought(""), CALL), RESULT, USER, said(thought("EqQB"), CALL), RESULT],
            False,
        ),
        ("adaptive", {"type": "adaptive"}, [USER, said(thought(""), CALL), RESULT], False),
        ("no thinking asked", None, [USER, said(thought(""), CALL), RESULT], False),
        ("odd", "on", [USER, said(thought(""), CALL), RESULT], False),
    ],
)
def test_thinking_is_off_for_a_turn_that_lost_its_own(why, thinking, messages, off):
    raw = with_messages(*messages, thinking=thinking, context_management={"edits": []})
    out, dropped = sent(raw)
    body = loads(out)
    assert (body["thinking"] == {"type": "disabled"}) is off, why
    assert ("context_management" not in body) is off
    assert ({"thinking", "context_management"} <= {path for path, _ in dropped}) is off


def test_without_context_management_there_is_nothing_more_to_leave_out():
    raw = with_messages(USER, said(thought(""), CALL), RESULT, thinking=ENABLED)
    assert [path for path, _ in sent(raw)[1]] == ["messages.1.content.0", "thinking"]


@pytest.mark.parametrize(
    "messages", ["text", None, [1], [{"content": 5}], [{"content": [7, {"type": "thinking"}]}]]
)
def test_odd_histories_do_not_break_it(messages):
    raw = json.dumps({"model": "a", "messages": messages, "thinking": ENABLED}).encode()
    out, _ = sent(raw, model="b")
    assert loads(out)["model"] == "b"


def test_half_an_emoji_is_mended_before():
    raw = rb'{"model":"a","x":"\ud83d"}'
    assert sent(raw, model="a")[0] == rb'{"model":"a","x":"\ufffd"}'


def without(body, *paths, **more):
    raw = json.dumps({"model": "claude-x", "messages": [USER], **body}).encode()
    out, dropped = sent(raw, native=Native("x", ("*",), "", drop_fields=paths, **more))
    return loads(out), dropped, out == raw


def test_a_field_inside_of_another_is_left_out():
    config = {"effort": "low", "format": {"type": "json_schema"}}
    out, dropped, _ = without({"output_config": config}, "output_config.format")
    assert out["output_config"] == {"effort": "low"}
    assert dropped == [("output_config.format", "refused by this upstream")]


def test_a_path_goes_into_each_entry_of_lists():
    tools = [{"name": "a", "strict": True, "n": 2**60}, {"name": "b"}, "odd"]
    marked = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "scope": "all"}}
    said = {"role": "user", "content": [marked, {"type": "text", "text": "y"}]}
    paths = ("tools.strict", "messages.content.cache_control.scope", "system.cache_control")
    out, dropped, _ = without({"tools": tools, "system": "s", "messages": [USER, said]}, *paths)
    assert out["tools"] == [{"name": "a", "n": 2**60}, {"name": "b"}, "odd"]
    assert out["messages"][1]["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert [path for path, _ in dropped] == list(paths[:2])


def test_paths_that_lead_nowhere_change_nothing():
    paths = ("absent", "absent.more", "model.more", "messages.content.type")
    assert without({}, *paths)[1:] == ([], True)


def test_without_thinking_nothing_clears_it():
    body = {"thinking": {"type": "adaptive"}, "context_management": {"edits": []}}
    out, dropped, _ = without(body, "thinking")
    assert not {"thinking", "context_management"} & out.keys()
    assert dropped[1] == ("context_management", "it clears thinking, which is not sent")


def test_a_history_without_thinking():
    hidden = {"type": "redacted_thinking", "data": "x"}
    raw = with_messages(
        USER, said(thought("EqQB"), CALL), RESULT, said(hidden), thinking={"type": "adaptive"}
    )
    native = Native("x", ("*",), "", history_thinking="dropped")
    out, dropped = sent(raw, native=native)
    assert loads(out)["messages"] == [USER, said(CALL), RESULT]
    assert loads(out)["thinking"] == {"type": "adaptive"}
    assert dropped[1] == ("messages.3.content.0", "thinking of earlier turns is not sent")
    raw = with_messages(USER, said(hidden, CALL), RESULT, thinking={"type": "enabled"})
    assert loads(sent(raw, native=native)[0])["thinking"] == {"type": "disabled"}
    raw = with_messages(USER, redacted_thinking=1, thinking={"type": "adaptive"})
    assert sent(raw, native=native) == (raw, [])


def test_searches_of_ours_are_texts_and_other_messages_the_same_bytes():
    page = {"type": "web_search_result", "url": "https://c.at/", "title": "Cats"}
    found = {
        "type": "web_search_tool_result",
        "tool_use_id": "s1",
        "content": [{**page, "encrypted_content": "cpws1:VGhleSBwdXJyLg"}],
    }
    use = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
    raw = with_messages(USER, said(thought("cpx1:x"), use, found), CALL_OF_WORDS)
    out, dropped = sent(raw)
    words = "[web search results]\nCats\nhttps://c.at/\nThey purr."
    assert loads(out)["messages"][1]["content"] == [{"type": "text", "text": words}]
    assert ("messages.1.content", "a web search of this proxy, sent as text") in dropped
    assert json.dumps(CALL_OF_WORDS).encode() in out


CALL_OF_WORDS = {"role": "user", "content": [{"type": "text", "text": 'cpws1: "error_message"'}]}


def test_words_that_look_like_a_search_change_nothing():
    odd = {"role": "user", "content": [{"type": "text", "text": "x", "error_message": "cpws1:"}]}
    raw = with_messages(USER, odd)
    assert sent(raw) == (raw, [])
