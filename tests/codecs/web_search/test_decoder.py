"""The decoders of several turns are one."""

from claude_proxy.codecs import openai_chat
from claude_proxy.codecs.web_search import Composition, Found
from claude_proxy.codecs.web_search.decoder import TurnsDecoder
from claude_proxy.profiles import profile_for
from tests.codecs.openai_chat.grammar import assert_legal
from tests.upstream import call, call_stream, framed, text_stream

PROFILE = profile_for("http://localhost/v1", "m")


def turn(id):
    return openai_chat.StreamDecoder(profile=PROFILE, id=id, model="m")


def raw(play):
    return b"".join(map(framed, play))


def test_what_the_decoder_says_is_said_of_the_present_turn():
    composition = Composition("msg_1", "m", "web_search")
    decoder = TurnsDecoder(composition, turn("msg_1"))
    events = [*decoder.open(), *decoder.feed(raw(call_stream(call("web_search", {"query": "a"}))))]
    assert decoder.done and decoder.finished and decoder.error is None and not decoder.faults
    events += composition.answered([Found(())])
    decoder.follow(turn("msg_12"))
    assert not decoder.done and not decoder.finished
    events += [*decoder.feed(raw(text_stream("a")[:-1])), *decoder.close(), *composition.end()]
    assert_legal(events)


def test_an_error_of_a_turn_is_seen():
    decoder = TurnsDecoder(Composition("msg_1", "m", "web_search"), turn("msg_1"))
    assert [event["type"] for event in decoder.close()] == ["error"]
    assert decoder.error is not None
