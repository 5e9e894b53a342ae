"""JSON in and out: however bytes fail to be JSON, the failure is one kind of error."""

import pytest

from claude_proxy.codecs.jsonio import Body, Shared, dumps, dumps_text, loads, loads_body
from claude_proxy.errors import RequestError

NO_JSON = [
    b"",
    b"{",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b'"\xff"',
    b"[" * 100_000,
    b"1" * 5000,
    b"\xef\xbb\xbf{}",
    '{"a": 1}'.encode("utf-16"),
]


@pytest.mark.parametrize("raw", NO_JSON, ids=lambda raw: repr(raw[:12]))
def test_what_is_no_json_is_a_value_error_and_a_400(raw):
    with pytest.raises(ValueError):
        loads(raw)
    with pytest.raises(RequestError, match="not valid JSON") as caught:
        loads_body(raw)
    assert caught.value.status == 400


HALVES = [
    (rb"\ud83d", "\ufffd"),
    (rb"\uDE00\uD83D x", "\ufffd\ufffd x"),
    (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
    (rb"\\ud83d \ud83d", "\\ud83d \ufffd"),
    (rb"\"\ud800\n", '"\ufffd\n'),
]


@pytest.mark.parametrize(("text", "read"), HALVES)
def test_half_a_surrogate_pair_in_a_body_is_replaced(text, read):
    raw = b'{"a": "' + text + b'"}'
    with pytest.raises(ValueError):
        loads(raw)
    assert loads_body(raw) == {"a": read}


def test_a_body_that_is_broken_elsewhere_too_stays_broken():
    with pytest.raises(RequestError, match="not valid JSON"):
        loads_body(rb'{"a": "\ud83d"')


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"x"', b"1"])
def test_a_body_is_an_object(raw):
    with pytest.raises(RequestError, match="must be a JSON object"):
        loads_body(raw)


def test_what_went_in_comes_out():
    value = {"a": [1, 2.5, None, True, "ü\u2028\x00"], "big": 12345678901234567890123}
    assert loads(dumps(value)) == loads(dumps_text(value)) == value
    assert loads_body(b'{"a": 1, "a": 2}') == {"a": 2}


def test_text_is_compact_and_keeps_its_characters():
    assert dumps_text({"a": "ü"}) == '{"a":"ü"}'


class TestLargeBodies:
    TOOLS = [{"name": f"tool{i}", "description": "ü" * 400} for i in range(40)]

    def raw(self, **more):
        return dumps({"model": "x", "tools": self.TOOLS, "system": "be brief", **more})

    def test_parts_that_come_again_are_the_same_objects(self):
        one, two = loads_body(self.raw(n=1)), loads_body(self.raw(n=2))
        assert one == {"model": "x", "tools": self.TOOLS, "system": "be brief", "n": 1}
        assert one["tools"] is two["tools"] and isinstance(one["tools"], Shared)

    def test_other_parts_and_very_large_ones_are_not(self):
        content = [{"type": "text", "text": "a" * 20_000}]
        one, two = loads_body(self.raw(messages=content)), loads_body(self.raw(messages=content))
        assert one["messages"] == content and one["messages"] is not two["messages"]
        big = dumps({"tools": [{"description": "a" * 300_000}]})
        assert not isinstance(loads_body(big)["tools"], Shared)

    @pytest.mark.parametrize("end", [b"", b", }", b', "tools": [NaN]}', b', "n": 1e999}'])
    def test_broken_ones_are_400(self, end):
        with pytest.raises(RequestError, match="not valid JSON"):
            loads_body(self.raw()[:-1] + end)

    def test_a_large_list_is_no_body(self):
        with pytest.raises(RequestError, match="must be a JSON object"):
            loads_body(dumps(self.TOOLS))

    def test_what_is_made_of_a_shared_part_is_made_once_and_bounded(self):
        made = []
        part = Shared([1])
        for key in [*range(9), 8, 8]:
            assert part.once(key, lambda key=key: made.append(key) or key) == key
        assert made == list(range(9))
        part.once(0, lambda: made.append("again"))
        assert made[-1] == "again"


class TestBody:
    LARGE = b'{"a": {"n": 1.10}, "b": [1, 2],  "c": "' + b"x" * 20_000 + b'"}'

    @pytest.mark.parametrize("raw", [LARGE, b'{"a": {"n": 1.10}, "b": [1, 2]}'])
    def test_some_members_are_those_of_the_whole(self, raw):
        body = Body(raw)
        assert body.some("b", "absent") == {"b": [1, 2]}
        assert bytes(body.members()["a"]) == b'{"n": 1.10}'
        assert body.whole == loads(raw) and body.raw is raw
        assert body.some("b") == {"b": [1, 2]}

    @pytest.mark.parametrize("n", [1, 20_000])
    def test_half_an_emoji_is_mended_in_the_bytes_too(self, n):
        body = Body(rb'{"a":"\ud83d","b":"' + b"x" * n + b'"}')
        assert body.some("a") == {"a": "\ufffd"} and loads(body.raw) == body.whole

    @pytest.mark.parametrize("part", [rb"\x", b'",', b'"}{'])
    def test_large_bodies_that_are_no_json_are_refused_at_once(self, part):
        with pytest.raises(RequestError, match="not valid JSON"):
            Body(b'{"a":"' + part + b'","b":"' + b"x" * 20_000 + b'"}')

    READS = (
        lambda body: body.whole,
        lambda body: body.some("a"),
        lambda body: body.members(),
        lambda body: body.raw,
    )

    @pytest.mark.parametrize("read", READS)
    def test_what_is_not_utf_8_is_refused_however_it_is_read(self, read):
        body = Body(b'{"a":"\xff","b":"' + b"x" * 20_000 + b'"}')
        assert body.some("b")["b"].startswith("x")
        with pytest.raises(RequestError, match="not valid JSON"):
            read(body)

    def test_a_number_that_no_double_holds_is_refused_when_it_is_read(self):
        body = Body(b'{"a":1e999,"b":"' + b"x" * 20_000 + b'"}')
        assert body.some("b")["b"].startswith("x")
        for read in (lambda: body.whole, lambda: body.some("a")):
            with pytest.raises(RequestError, match="not valid JSON"):
                read()

    def test_what_is_no_object_is_refused(self):
        with pytest.raises(RequestError, match="must be a JSON object"):
            Body(b"[" + b"1," * 20_000 + b"1]")

    @pytest.mark.parametrize(
        "member",
        [
            b'"temperature": 1.10, "tools": [{"name": "a"}], "system": "s"',
            b'"system": [{"type": "text", "text": "s"}], "tools": null',
            b'"system": {"odd": 1}, "tools": "odd", "model": 1, "model": 2, "system": "last"',
            b'"unknown": {"a": 1}, "model": "m"',
            b'"": 1, "stream": null',
            rb'"model": "\ud83d", "system": "\ud83d"',
        ],
    )
    def test_read_in_one_step_it_is_the_same(self, member):
        raw = b"{" + member + b', "messages": ["' + b"x" * 20_000 + b'"]}'
        at_once, in_steps = Body(raw, whole=True), Body(raw)
        assert at_once.some("model", "system") == in_steps.some("model", "system")
        assert at_once.whole == in_steps.whole and at_once.raw == in_steps.raw
        assert at_once.members() == in_steps.members()

    @pytest.mark.parametrize(
        "member", [b'"model": "\xff"', b'"system": "\xff"', b'"top_k": 1e999', b'"model": \\x']
    )
    def test_read_in_one_step_it_is_refused_for_the_same(self, member):
        raw = b"{" + member + b', "messages": ["' + b"x" * 20_000 + b'"]}'
        with pytest.raises(RequestError) as at_once:
            Body(raw, whole=True)
        with pytest.raises(RequestError) as in_steps:
            Body(raw).whole  # noqa: B018
        assert str(at_once.value) == str(in_steps.value)
