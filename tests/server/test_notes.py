"""The headers that tell the route and what was dropped: ASCII, one line, bounded."""

from claude_proxy.server.notes import Notes, route_header


def test_a_route_is_told_in_ascii():
    header = route_header("default", "gr\u00fc\u00df\r\nx: 1", 'say "hi"')
    expected = 'upstream=default; model=gr%C3%BC%C3%9F%0D%0Ax:%201; reason="say %22hi%22"'
    assert header == expected


def test_a_model_name_of_a_client_does_not_make_the_header_long():
    header = route_header("default", "\u00fc" * 100_000, "x" * 100_000)
    assert header.isascii() and len(header) < 1000


def test_notes_are_told_up_to_two_kib_and_then_counted():
    notes = Notes()
    for number in range(200):
        notes(f"messages.{number}", "a, b")
    header = notes.header()
    told, _, rest = header.rpartition(", +")
    assert len(header) <= 2048
    assert told.startswith("messages.0=a%2C b, messages.1=")
    assert len(told.split(", ")) + int(rest) == 200


def test_one_long_note_is_shortened_and_told():
    notes = Notes()
    notes("x" * 10_000, "\u00fc" * 10_000)
    assert notes.header().startswith("xxx") and len(notes.header()) <= 2048
