"""What providers attach to reasoning and calls comes back as it was, and only to its own model."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_proxy.codecs.carry import Seal, derive_key
from claude_proxy.codecs.fold import MessageFold
from claude_proxy.codecs.openai_chat import StreamDecoder, decode_response, encode_request
from claude_proxy.codecs.openai_chat.attached import UNSIGNED
from claude_proxy.profiles import profile_for

OPENROUTER = profile_for("https://openrouter.ai/api/v1", "google/gemini-3-pro")
GEMINI = profile_for("https://generativelanguage.googleapis.com/v1beta/openai", "gemini-3-pro")
GEMINI_2 = profile_for("https://generativelanguage.googleapis.com/v1beta/openai", "gemini-2.5-pro")
SEAL = Seal(derive_key("sk-upstream"), OPENROUTER.name, "m")
GEMINI_SEAL = Seal(derive_key("sk-upstream"), GEMINI.name, "m")
KNOWN = {"id": "msg_1", "model": "claude"}


def call(id="call_1", signature=None, **more):
    entry = {"id": id, "type": "function", "function": {"name": "look", "arguments": "{}"}, **more}
    if signature:
        entry["extra_content"] = {"google": {"thought_signature": signature}}
    return entry


def text(words, index=0, **more):
    return {"type": "reasoning.text", "text": words, "index": index, "format": "f", **more}


def encrypted(data, index=1):
    return {"type": "reasoning.encrypted", "data": data, "index": index, "id": "rs_1"}


ENTRIES = [text("a"), text("b", 1), encrypted("E"), text("c")]


def whole(profile, seal, **message):
    finish = "tool_calls" if "tool_calls" in message else "stop"
    body = {"choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": {}}
    return decode_response(body, profile=profile, seal=seal, **KNOWN)["content"]


def streamed(profile, seal, *deltas):
    decoder, fold = StreamDecoder(profile=profile, seal=seal, **KNOWN), MessageFold()
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    raw = b"".join(b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks)
    for event in [*decoder.feed(raw + b"data: [DONE]\n\n"), *decoder.close()]:
        fold.feed(event)
    assert fold.complete
    return fold.message["content"]


def sent_back(profile, seal, content, **more):
    """The assistant message of the next request."""
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": "seen"}
        for block in content
        if block["type"] == "tool_use"
    ]
    messages = [
        {"role": "user", "content": "look"},
        {"role": "assistant", "content": content},
        {"role": "user", "content": results or "go on"},
    ]
    request = {"model": "m", "max_tokens": 9, "messages": messages, **more}
    chat = encode_request(request, profile=profile, seal=seal)
    return next(message for message in chat["messages"] if message["role"] == "assistant")


def kinds(content):
    return [block["type"] for block in content]


class TestDetails:
    def test_of_a_whole_answer(self):
        details = [text("Hm. "), encrypted("ENC"), text("Yes.", 2, signature="s")]
        content = whole(
            OPENROUTER, SEAL, reasoning="Hm. Yes.", reasoning_details=details, tool_calls=[call()]
        )
        assert kinds(content) == ["thinking", "tool_use"]
        assert content[0]["thinking"] == "Hm. Yes."
        message = sent_back(OPENROUTER, SEAL, content)
        assert message["reasoning_details"] == details
        assert "reasoning" not in message

    @pytest.mark.pitfall(16)
    def test_pieces_of_a_stream_are_joined_by_index_and_format(self):
        content = streamed(
            OPENROUTER,
            SEAL,
            {"reasoning": "Hm", "reasoning_details": [text("Hm")]},
            {"reasoning": ". ", "reasoning_details": [text(". ")]},
            {"reasoning_details": [text("", signature="s")]},
            {"reasoning": "Yes", "reasoning_details": [text("Yes", 1)]},
            {"reasoning": "!", "reasoning_details": [{**text("!", 1), "format": "g"}]},
            {"tool_calls": [call(index=0)], "reasoning_details": [encrypted("ENC", 2)]},
        )
        assert kinds(content) == ["thinking", "tool_use"]
        assert sent_back(OPENROUTER, SEAL, content)["reasoning_details"] == [
            text("Hm. ", signature="s"),
            text("Yes", 1),
            {**text("!", 1), "format": "g"},
            encrypted("ENC", 2),
        ]

    @pytest.mark.parametrize("nothing", [{}, {"text": None}], ids=["no text", "null"])
    def test_a_signature_without_text_belongs_to_the_text_before_it(self, nothing):
        signed = {"type": "reasoning.text", "index": 0, "format": "f", "signature": "s", **nothing}
        content = streamed(
            OPENROUTER,
            SEAL,
            {"reasoning": "Hm.", "reasoning_details": [text("Hm.")]},
            {"reasoning_details": [signed]},
            {"tool_calls": [call(index=0)]},
        )
        details = sent_back(OPENROUTER, SEAL, content)["reasoning_details"]
        assert details == [text("Hm.", signature="s")]

    def test_a_signature_that_comes_after_the_answer_has_begun(self):
        signed = {"type": "reasoning.text", "index": 0, "format": "f", "signature": "s"}
        content = streamed(
            OPENROUTER,
            SEAL,
            {"reasoning": "Hm.", "reasoning_details": [text("Hm.")]},
            {"content": "I look."},
            {"reasoning_details": [signed]},
            {"tool_calls": [call(index=0)]},
        )
        assert kinds(content) == ["thinking", "text", "thinking", "tool_use"]
        details = sent_back(OPENROUTER, SEAL, content)["reasoning_details"]
        assert details == [text("Hm.", signature="s")]

    def test_encrypted_ones_alone_stand_in_an_empty_block(self):
        details = [encrypted("A", 0), encrypted("B", 0)]
        content = whole(OPENROUTER, SEAL, reasoning_details=details, tool_calls=[call()])
        assert kinds(content) == ["thinking", "tool_use"] and content[0]["thinking"] == ""
        assert sent_back(OPENROUTER, SEAL, content)["reasoning_details"] == details

    def test_those_that_come_last_are_not_lost(self):
        content = streamed(
            OPENROUTER,
            SEAL,
            {"tool_calls": [call(index=0)]},
            {"reasoning_details": [encrypted("ENC")]},
        )
        assert sent_back(OPENROUTER, SEAL, content)["reasoning_details"] == [encrypted("ENC")]

    def test_without_them_the_text_goes_back(self):
        content = whole(OPENROUTER, SEAL, reasoning="Hm.", tool_calls=[call()])
        assert sent_back(OPENROUTER, SEAL, content)["reasoning"] == "Hm."

    @pytest.mark.parametrize(
        "other",
        [Seal(SEAL.key, SEAL.profile, "another"), Seal(derive_key("x"), SEAL.profile, "m")],
        ids=["model", "key"],
    )
    def test_another_model_or_key_gets_the_text_only(self, other):
        content = whole(
            OPENROUTER, SEAL, reasoning="Hm.", reasoning_details=[text("Hm.")], tool_calls=[call()]
        )
        message = sent_back(OPENROUTER, other, content)
        assert "reasoning_details" not in message and message["reasoning"] == "Hm."

    @pytest.mark.parametrize("details", [None, [], ["x", 5], {"text": "x"}])
    def test_what_is_no_list_of_entries_is_left_out(self, details):
        content = whole(OPENROUTER, SEAL, content="Hi.", reasoning_details=details)
        assert kinds(content) == ["text"]

    @pytest.mark.pitfall(16)
    @given(st.lists(st.sampled_from(ENTRIES), max_size=8))
    def test_a_stream_carries_all_text_and_data_in_order(self, details):
        deltas = [{"reasoning_details": [each]} for each in details]
        content = streamed(OPENROUTER, SEAL, *deltas, {"content": "Done."})
        back = sent_back(OPENROUTER, SEAL, content).get("reasoning_details", [])
        flat = [each.get("text") or each["data"] for each in details]
        assert "".join(each.get("text") or each["data"] for each in back) == "".join(flat)


class TestSignatures:
    def test_of_a_whole_answer(self):
        content = whole(GEMINI, GEMINI_SEAL, tool_calls=[call(signature="s1"), call("call_2")])
        assert kinds(content) == ["thinking", "tool_use", "tool_use"]
        [first, second] = sent_back(GEMINI, GEMINI_SEAL, content)["tool_calls"]
        assert first["extra_content"] == {"google": {"thought_signature": "s1"}}
        assert "extra_content" not in second

    @pytest.mark.pitfall(11)
    def test_each_call_has_its_own(self):
        deltas = [{"tool_calls": [call(f"c{n}", f"s{n}", index=n)]} for n in range(3)]
        content = streamed(GEMINI, GEMINI_SEAL, *deltas)
        back = sent_back(GEMINI, GEMINI_SEAL, content)["tool_calls"]
        signatures = [each["extra_content"]["google"]["thought_signature"] for each in back]
        assert signatures == ["s0", "s1", "s2"]

    @pytest.mark.pitfall(11)
    def test_a_foreign_call_gets_the_documented_stand_in(self):
        content = [{"type": "tool_use", "id": "t", "name": "look", "input": {}}]
        [only] = sent_back(GEMINI, GEMINI_SEAL, content)["tool_calls"]
        assert only["extra_content"] == {"google": {"thought_signature": UNSIGNED}}
        [older] = sent_back(GEMINI_2, GEMINI_SEAL, content)["tool_calls"]
        assert "extra_content" not in older

    def test_the_thoughts_themselves_are_left_out_with_a_note(self):
        notes = []
        thinking = {"type": "thinking", "thinking": "Hm.", "signature": ""}
        request = {
            "model": "m",
            "max_tokens": 9,
            "messages": [
                {"role": "assistant", "content": [thinking, {"type": "text", "text": "Hi."}]}
            ],
        }
        chat = encode_request(
            request, profile=GEMINI, on_drop=lambda path, why: notes.append(path), seal=GEMINI_SEAL
        )
        assert "Hm." not in json.dumps(chat) and notes == ["messages.0.content.0"]

    def test_that_of_vertex_stands_where_it_stood(self):
        extra = {"vertex": {"thought_signature": "s"}}
        content = whole(GEMINI, GEMINI_SEAL, tool_calls=[{**call(), "extra_content": extra}])
        [only] = sent_back(GEMINI, GEMINI_SEAL, content)["tool_calls"]
        assert only["extra_content"] == extra

    @pytest.mark.parametrize("extra", [None, "x", {"google": 5}, {"google": {}}])
    def test_what_is_no_signature_is_left_out(self, extra):
        content = whole(GEMINI, GEMINI_SEAL, tool_calls=[call(extra_content=extra)])
        assert kinds(content) == ["tool_use"]


def test_other_upstreams_get_neither():
    deepseek = profile_for("https://api.deepseek.com", "deepseek-chat")
    content = whole(
        deepseek,
        None,
        reasoning_content="Hm.",
        reasoning_details=[encrypted("E")],
        tool_calls=[call(signature="s")],
    )
    message = sent_back(deepseek, None, content)
    assert message["reasoning_content"] == "Hm."
    assert "reasoning_details" not in message and "extra_content" not in message["tool_calls"][0]
