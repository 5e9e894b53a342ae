"""The file of corrections: whole at any time, never more than it may hold, and only ever ours."""

import json
import os
import threading

import pytest

from claude_proxy.learning import Correction
from claude_proxy.server import lesson_file
from claude_proxy.server.lesson_file import Lesson, NotOurs, bounded, change, read
from claude_proxy.server.lessons import LearnedStore, address_of

NO_USER = Correction("user_field", None)


def lesson(model="m", correction=NO_USER):
    return Lesson("default", "up.example/v1", model, correction, "2026-11-21T00:00:00Z", "said")


def add(path, *lessons):
    return change(path, lambda before: [*before, *lessons])


def test_every_kind_of_correction_comes_back(tmp_path):
    path = tmp_path / "new" / "learned.json"
    kinds = [
        NO_USER,
        Correction("without", "temperature"),
        Correction("without", "top_p"),
        Correction("efforts", ("low", "high")),
        Correction("max_output_tokens", 4096),
        Correction("stream_usage", False),
    ]
    written = add(path, *(lesson(correction=kind) for kind in kinds))
    assert [each.correction for each in read(path)] == kinds
    assert read(path) == written
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(file.name for file in path.parent.iterdir()) == [
        ".learned.json.lock",
        "learned.json",
    ]


def test_no_file_and_an_empty_one_hold_nothing(tmp_path):
    assert read(tmp_path / "none") == []
    (tmp_path / "empty").write_text("\n")
    assert read(tmp_path / "empty") == []


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "null",
        '{"version": 2, "learned": []}',
        '{"version": 1}',
        '{"version": 1, "learned": {}}',
        "[" * 100_000,
        "\udcff".encode("utf-8", "surrogateescape"),
    ],
)
def test_what_is_not_ours_is_neither_read_nor_written(tmp_path, text):
    path = tmp_path / "file"
    raw = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(raw)
    with pytest.raises(NotOurs):
        read(path)
    with pytest.raises(NotOurs):
        add(path, lesson())
    assert path.read_bytes() == raw


def test_a_huge_file_is_not_ours(tmp_path, monkeypatch):
    monkeypatch.setattr(lesson_file, "_MOST_BYTES", 100)
    (tmp_path / "file").write_text(" " * 99 + "{}")
    with pytest.raises(NotOurs):
        read(tmp_path / "file")


def test_what_is_no_regular_file_keeps_nobody_waiting(tmp_path):
    pipe, endless, off = tmp_path / "pipe", tmp_path / "endless", tmp_path / "off"
    os.mkfifo(pipe)
    endless.symlink_to("/dev/zero")
    off.symlink_to("/dev/null")
    for path in (pipe, endless, off):
        with pytest.raises(NotOurs, match="regular"):
            read(path)
        with pytest.raises(NotOurs, match="regular"):
            add(path, lesson())
    assert off.is_symlink() and not pipe.is_file()


def test_half_a_character_is_replaced(tmp_path):
    path = tmp_path / "file"
    entry = {**GOOD, "model": "m\ud800", "field": "user_field", "value": None}
    path.write_text(json.dumps({"version": 1, "learned": [entry]}))
    assert [each.model for each in read(path)] == ["m?"]


GOOD = {"upstream": "u", "address": "a", "model": "m", "since": "s", "said": "t"}


@pytest.mark.parametrize(
    "entry",
    [
        None,
        {},
        {**GOOD, "field": "name", "value": "x"},
        {**GOOD, "field": "without", "value": "messages"},
        {**GOOD, "field": "without", "value": {"a": 1}},
        {**GOOD, "field": "without", "value": ["temperature"]},
        {**GOOD, "field": ["without"], "value": "temperature"},
        {**GOOD, "field": "max_output_tokens", "value": 1},
        {**GOOD, "field": "max_output_tokens", "value": True},
        {**GOOD, "field": "max_output_tokens", "value": 1e9},
        {**GOOD, "field": "max_stops", "value": -1},
        {**GOOD, "field": "efforts", "value": []},
        {**GOOD, "field": "efforts", "value": [{}]},
        {**GOOD, "field": "efforts", "value": ["furious"]},
        {**GOOD, "field": "stream_usage", "value": 0},
        {**GOOD, "model": 3, "field": "user_field", "value": None},
    ],
)
def test_an_entry_that_cannot_be_is_passed_over(tmp_path, entry):
    path = tmp_path / "file"
    rest = {**GOOD, "field": "user_field", "value": None}
    path.write_text(json.dumps({"version": 1, "learned": [entry, rest]}))
    assert [each.correction for each in read(path)] == [NO_USER]


def test_there_is_an_end_to_what_is_remembered():
    many = [lesson(f"m{number}") for number in range(1_100)]
    assert bounded(many) == many[-1_000:]
    long = [lesson("\U0001f600" * 200 + str(number)) for number in range(1_000)]
    kept = bounded(long)
    assert 100 < len(kept) < 1_000 and kept == long[-len(kept) :]
    names = sorted({"temperature", "top_p"})
    of_one = [lesson(correction=Correction("without", name)) for name in names]
    assert bounded([*of_one, *of_one]) == of_one


def test_the_last_value_of_a_field_counts():
    limits = [lesson(correction=Correction("max_output_tokens", cap)) for cap in (4096, 2048)]
    assert bounded(limits) == limits[1:]


def test_a_full_file_can_be_read_again(tmp_path):
    path = tmp_path / "file"
    written = add(path, *(lesson("\U0001f600" * 150 + str(number)) for number in range(1_000)))
    assert path.stat().st_size < 2 << 20
    assert read(path) == written


def test_an_equal_list_is_not_written(tmp_path):
    path = tmp_path / "file"
    add(path, lesson())
    before = path.stat().st_ino
    add(path, lesson())
    assert path.stat().st_ino == before


def test_many_writers_lose_nothing_they_were_alone_for(tmp_path):
    """Readers meet a whole file at any time; writers wait for nobody."""
    path = tmp_path / "file"
    failed = []

    def write(name):
        try:
            for number in range(20):
                add(path, lesson(f"{name}{number}"))
                read(path)
        except Exception as error:  # noqa: BLE001 - told by the main thread
            failed.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert {each.model for each in read(path)} & {"a19", "b19", "c19", "d19"}


def test_a_lock_that_somebody_holds_stops_nobody(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    path = tmp_path / "file"
    holder = os.open(tmp_path / ".file.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(holder, fcntl.LOCK_EX)
    assert add(path, lesson()) == read(path) == [lesson()]
    os.close(holder)


def test_an_address_holds_no_password_and_no_query():
    assert address_of("https://me:secret@Up.example:8/v1/?key=secret") == "up.example:8/v1"


def test_a_store_forgets_what_was_cleared(tmp_path, monkeypatch):
    monkeypatch.setattr("claude_proxy.server.lessons._LOOK_SECONDS", 0.0)
    file = tmp_path / "learned.json"
    store = LearnedStore({"default": "https://up.example/v1"}, file=str(file))
    store.keep("default", "m", [NO_USER], "said")
    known = store.refresh()
    assert store.of("default", "m") == ((NO_USER,), ())
    assert store.refresh() == known
    change(file, lambda lessons: [])
    assert store.refresh() != known
    assert store.of("default", "m") == ((), ())


def test_trials_of_others_outlive_a_proof():
    store = LearnedStore({"default": "https://up.example/v1"}, file="off")
    other = Correction("stream_usage", False)
    store.try_out("default", "m", [NO_USER, other], "said")
    store.keep("default", "m", [NO_USER], "")
    assert store.of("default", "m") == ((NO_USER,), (other,))
    store.drop("default", "m")
    store.drop("default", "m")
    assert store.of("default", "m") == ((NO_USER,), ())


def test_endless_names_are_not_remembered():
    store = LearnedStore({"default": "https://up.example/v1"})
    store.try_out("default", "m" * 201, [NO_USER], "said")
    store.keep("default", "m" * 201, [NO_USER], "said")
    assert store.of("default", "m" * 201) == ((), ())
