"""Each PDF is read once, a few at a time, for as long as somebody waits; its text is kept."""

import asyncio
import json
import sys
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from claude_proxy.errors import ClaudeProxyError
from claude_proxy.server.pdf import reader as module
from claude_proxy.server.pdf.process import Limits
from claude_proxy.server.pdf.reader import MOST_WAITING, PARALLEL, PdfReader
from tests import pdf_files
from tests.pdf_files import encoded
from tests.server.pdf_parts import library, readers, soon

pytestmark = pytest.mark.fault("pdf")
A, B = encoded(b"%PDF-a"), encoded(b"%PDF-b")
WHO = "return os.getpid()"
SLEEP = "time.sleep(3600)"
BRIEF = """
            began = time.monotonic()
            time.sleep(0.2)
            return f"<{began} {time.monotonic()}>"
"""


def reader_by(folder, **more):
    made = PdfReader(Limits(10_000, wall=3600), **more)
    made.library = folder
    return made


def run(reader, work):
    """What `work()` gives, with the reader closed after it and no process left."""

    async def whole():
        try:
            async with asyncio.timeout(120):
                return await work()
        finally:
            await reader.aclose()

    try:
        return asyncio.run(whole())
    finally:
        assert soon(lambda: not readers())


def test_a_pdf_is_read_once(tmp_path):
    reader = reader_by(library(tmp_path, WHO))

    async def work():
        return [await reader.read(data) for data in (A, A, B, A)]

    first, again, other, last = run(reader, work)
    assert first is again is last and first != other


def test_those_who_send_it_at_once_wait_for_one_process(tmp_path):
    reader = reader_by(library(tmp_path, WHO))

    async def work():
        return await asyncio.gather(*(reader.read(A) for _ in range(20)))

    assert len({id(found) for found in run(reader, work)}) == 1


def test_the_real_library_is_found():
    reader = PdfReader(Limits(10_000, wall=3600))
    found = run(reader, lambda: reader.read(encoded(pdf_files.pdf("Hello"))))
    assert found.text.endswith("[page 1]\nHello")


def test_a_large_pdf_is_the_same_pdf(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_LONG", 1)
    reader = reader_by(library(tmp_path, WHO))

    async def work():
        return await reader.read(A), await reader.read(A)

    first, again = run(reader, work)
    assert first is again


def test_a_few_are_read_at_a_time(tmp_path):
    reader = reader_by(library(tmp_path, BRIEF))

    async def work():
        names = (encoded(b"%%PDF-%d" % number) for number in range(6))
        return await asyncio.gather(*map(reader.read, names))

    spans = [found.text.partition("<")[2].strip(">").split() for found in run(reader, work)]
    starts = sorted(float(began) for began, _ in spans)
    ends = sorted(float(ended) for _, ended in spans)
    # The third cannot begin before the first has ended, and so on.
    assert all(end <= start for start, end in zip(starts[PARALLEL:], ends, strict=False))
    assert all(a <= b for a, b in pairwise(ends))


def test_more_than_can_wait_are_sent_away(tmp_path):
    reader = reader_by(library(tmp_path, SLEEP))

    async def work():
        names = [encoded(b"%%PDF-%d" % number) for number in range(MOST_WAITING + 1)]
        tasks = [asyncio.create_task(reader.read(name)) for name in names[:-1]]
        await asyncio.sleep(0)
        try:
            with pytest.raises(ClaudeProxyError) as caught:
                await reader.read(names[-1])
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return caught.value

    error = run(reader, work)
    assert (error.status, error.limit, error.headers) == (429, "pdfs", {"retry-after": "1"})


async def cancelled(task):
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def until(fact):
    assert await asyncio.to_thread(soon, fact)


def gated(folder):
    """A library that is done as soon as the file `gate` is there, which it can see, not open."""
    gate = folder / "gate"
    text = f"""
            while not os.path.exists({str(gate)!r}):
                time.sleep(0.01)
            return os.getpid()
    """
    return reader_by(library(folder, text)), gate


def test_a_process_ends_when_nobody_waits_for_it(tmp_path):
    reader = reader_by(library(tmp_path, SLEEP))

    async def work():
        task = asyncio.create_task(reader.read(A))
        await until(readers)
        await cancelled(task)
        await until(lambda: not readers())

    run(reader, work)


def test_it_goes_on_while_somebody_waits(tmp_path):
    reader, gate = gated(tmp_path)

    async def work():
        tasks = [asyncio.create_task(reader.read(A)) for _ in range(3)]
        await until(readers)
        (process,) = readers()
        await cancelled(tasks[0])
        await cancelled(tasks[1])
        gate.touch()
        return process, await tasks[2]

    process, found = run(reader, work)
    assert found.text.endswith(f"[page 1]\n{process}")


def test_who_comes_after_the_last_has_left_gets_a_text(tmp_path):
    reader, gate = gated(tmp_path)

    async def work():
        task = asyncio.create_task(reader.read(A))
        await until(readers)
        (process,) = readers()
        await cancelled(task)
        gate.touch()
        return process, await reader.read(A)

    process, found = run(reader, work)
    assert "[page 1]" in found.text and str(process) not in found.text


def test_one_that_waits_for_its_turn_leaves_without_a_process(tmp_path):
    reader = reader_by(library(tmp_path, SLEEP))

    async def work():
        names = [encoded(b"%%PDF-%d" % number) for number in range(PARALLEL + 1)]
        tasks = [asyncio.create_task(reader.read(name)) for name in names]
        await until(lambda: len(readers()) == PARALLEL)
        await cancelled(tasks.pop())
        assert len(readers()) == PARALLEL
        for task in tasks:
            await cancelled(task)

    run(reader, work)


def test_closing_ends_what_runs_and_the_reader_goes_on(tmp_path):
    reader = reader_by(library(tmp_path, SLEEP))

    async def work():
        task = asyncio.create_task(reader.read(A))
        await until(readers)
        await reader.aclose()
        assert not readers()
        with pytest.raises(asyncio.CancelledError):
            await task
        library(tmp_path, WHO)
        return await reader.read(A)

    assert "[page 1]" in run(reader, work).text


def test_the_oldest_texts_are_forgotten(tmp_path):
    text = "return chr(97 + os.getpid() % 26) * 4000 + str(os.getpid())"
    reader = reader_by(library(tmp_path, text), cache_bytes=10_000)

    async def work():
        names = [encoded(b"%%PDF-%d" % number) for number in range(3)]
        first = [await reader.read(name) for name in names]
        return first, [await reader.read(name) for name in reversed(names)]

    (oldest, middle, newest), (newest_again, middle_again, oldest_again) = run(reader, work)
    assert newest is newest_again and middle is middle_again and oldest != oldest_again
    assert sum(sys.getsizeof(found.text) for found, _ in reader._kept.values()) <= 10_000


def test_a_text_over_the_whole_memory_is_not_kept(tmp_path):
    reader = reader_by(library(tmp_path, WHO), cache_bytes=10)

    async def work():
        return await reader.read(A), await reader.read(A)

    first, again = run(reader, work)
    assert first != again and not reader._kept


@pytest.mark.parametrize(("seconds", "reads"), [(3600.0, 1), (0.0, 2)])
def test_what_took_too_long_is_tried_again_after_a_while(tmp_path, monkeypatch, seconds, reads):
    monkeypatch.setattr(module, "_AGAIN_SECONDS", seconds)
    reader = PdfReader(Limits(10_000, wall=1))
    reader.library = library(tmp_path, SLEEP)

    async def work():
        late = await reader.read(A)
        library(tmp_path, WHO)
        reader.limits = Limits(10_000, wall=3600)
        return late, await reader.read(A)

    late, again = run(reader, work)
    assert "it takes too long" in late.text
    assert (late is again) == (reads == 1)


def test_a_broken_pdf_is_not_tried_again(tmp_path):
    reader = reader_by(library(tmp_path, "os._exit(1)"))

    async def work():
        first = await reader.read(A)
        library(tmp_path, WHO)
        return first, await reader.read(A)

    first, again = run(reader, work)
    assert first is again and "damaged" in first.text


def test_without_a_process_the_model_is_told(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    reader = reader_by("/nowhere")
    assert "no process could be started" in run(reader, lambda: reader.read(A)).text


def test_without_the_library_the_model_is_told_and_the_log_once(monkeypatch):
    monkeypatch.setattr(module, "find_library", lambda: None)
    reader = PdfReader(Limits(10_000))

    async def work():
        return await reader.read(A), await reader.read(B)

    with capture_logs() as lines:
        found = run(reader, work)
    assert all("no process could be started" in each.text for each in found)
    assert [line["event"] for line in lines].count("pdfs_unreadable") == 1


def test_the_log_has_no_words_of_a_document(tmp_path, capsys):
    reader = reader_by(library(tmp_path, "return 'secret words'"))
    found = run(reader, lambda: reader.read(A))
    said = capsys.readouterr()
    assert "secret words" in found.text
    assert "secret words" not in json.dumps([said.out, said.err])
