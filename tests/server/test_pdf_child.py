"""One PDF, read in a process that can do nothing else, and that ends whatever the PDF does."""

import json
import os
import threading
import time

import pytest

from claude_proxy.codecs.pdfs import Pages
from claude_proxy.server.pdf import process
from claude_proxy.server.pdf.process import MIB, Child, Limits, find_library
from tests import pdf_files
from tests.pdf_files import encoded
from tests.server.pdf_parts import library, readers, soon

pytestmark = pytest.mark.fault("pdf")
FOREVER = 3600


def read(raw: bytes, **limits: int) -> object:
    folder = find_library()
    assert folder is not None
    return Child(folder, Limits(**{"characters": 10_000, "wall": FOREVER, **limits})).read(
        encoded(raw)
    )


def read_by(folder: str, **limits: int) -> object:
    return Child(folder, Limits(**{"characters": 10_000, "wall": FOREVER, **limits})).read(
        encoded(b"%PDF-")
    )


def test_pages_come_in_order():
    raw = pdf_files.pdf("Hello (world)\nsecond line", "", "naïve café")
    found = read(raw)
    assert found == Pages(3, ("Hello (world)\r\nsecond line", "", "naïve café"), cut=False)


def test_texts_of_all_scripts_come_whole():
    text = "Grüße, 日本語, Привет, 😀"
    assert read(pdf_files.unicode_pdf(text)).texts == (text,)
    assert read(pdf_files.unicode_pdf("םולש")).texts == ("שלום",)  # As it is read, not drawn.


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "broken"),
        (b"not a PDF at all", "broken"),
        (os.urandom(5000), "broken"),
        (pdf_files.pdf("a", "b")[:200], "broken"),
        (pdf_files.locked_pdf(), "encrypted"),
    ],
    ids=["empty", "text", "random", "truncated", "locked"],
)
def test_what_cannot_be_opened_is_told_apart(raw, why):
    assert read(raw) == why


def test_what_is_no_base64_is_broken():
    assert Child("/nowhere", Limits(1000, wall=FOREVER)).read("JVBER") == "broken"
    assert Child("/nowhere", Limits(1000, wall=FOREVER)).read("é") == "broken"


def test_a_larger_file_than_we_read_is_not_opened(monkeypatch):
    monkeypatch.setattr(process, "MOST_BYTES", 10)
    assert Child("/nowhere", Limits(1000, wall=FOREVER)).read("A" * 16) == "large"


def test_of_five_thousand_pages_the_first_thousand_are_read():
    found = read(pdf_files.pdf(*(f"page {n}" for n in range(1, 5001))))
    assert (found.total, len(found.texts), found.texts[-1]) == (5000, 1000, "page 1000")


def test_a_false_number_of_pages_is_harmless():
    raw = pdf_files.pdf("a").replace(b"/Count 1", b"/Count 999999999")
    assert read(raw).texts[0] == "a"


def test_the_text_ends_at_its_limit():
    raw = pdf_files.pdf("a" * 60, "b" * 60, "c")
    assert read(raw, characters=100) == Pages(3, ("a" * 60, "b" * 40), cut=True)
    assert read(raw, characters=60) == Pages(3, ("a" * 60,), cut=False)


def test_a_loop_ends_by_processor_time():
    assert read(pdf_files.slow_pdf(), cpu=1) == "late"
    assert not readers()


def test_a_loop_ends_by_the_clock():
    assert read(pdf_files.slow_pdf(), cpu=FOREVER, wall=1) == "late"
    assert not readers()


def test_a_bomb_ends_by_memory():
    bomb = pdf_files.bomb_pdf(300)
    assert read(bomb) in ("crashed", "memory")
    # It is the limit that ends it: with more it is an empty page.
    assert read(bomb, memory=2048 * MIB, cpu=60) == Pages(1, ("",), cut=False)


@pytest.mark.slow
def test_a_bomb_in_a_bomb_ends_too():
    assert read(pdf_files.swelling_pdf()) in ("crashed", "memory", "late")


def test_forms_within_forms_end_too():
    assert read(pdf_files.nested_pdf()) in ("crashed", "memory", "late")


PROBE = """
            import json, resource, socket
            def fails(do):
                try:
                    do()
                except OSError:
                    return True
            return json.dumps({
                "environ": sorted(os.environ),
                "cwd": os.getcwd(),
                "group": os.getpgid(0) == os.getpid() == os.getsid(0),
                "connects": not fails(socket.socket),
                "reads": not fails(lambda: open("/etc/hostname")),
                "writes": not fails(lambda: open(PATH, "w")),
                "descriptors": len([fd for fd in range(1000) if not fails(lambda: os.fstat(fd))]),
                "limits": {name: resource.getrlimit(getattr(resource, "RLIMIT_" + name))
                           for name in ("CORE", "CPU", "AS", "FSIZE", "NOFILE", "NPROC")},
            })
"""


def test_the_process_has_nothing_to_reach_for(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    target = tmp_path / "written"
    folder = library(tmp_path, PROBE.replace("PATH", repr(str(target))))
    # What is loaded later, in a child that opens nothing, must be loaded now.
    probe = (tmp_path / "pypdfium2.py").read_text()
    (tmp_path / "pypdfium2.py").write_text(f"import json, resource, socket\n{probe}")
    seen = json.loads(read_by(folder).texts[0])
    assert not {*seen["environ"]} - {"LC_CTYPE", "LD_LIBRARY_PATH"}
    assert (seen["cwd"], seen["group"], seen["descriptors"]) == ("/", True, 3)
    assert not seen["connects"] and not seen["reads"] and not seen["writes"] and not target.exists()
    assert seen["limits"] == {
        "CORE": [0, 0],
        "CPU": [5, 6],
        "AS": [256 * MIB, 256 * MIB],
        "FSIZE": [0, 0],
        "NOFILE": [3, 3],
        "NPROC": [0, 0],
    }


@pytest.mark.parametrize(
    "text",
    [
        "os.abort()",
        "os._exit(0)",
        "sys.exit(3)",
        "raise RuntimeError",
        "os.write(1, b'{'); os._exit(0)",
        "os.write(1, b'[]'); os._exit(0)",
        'os.write(1, b\'{"error": "x"}\'); os._exit(0)',
        'os.write(1, b\'{"pages": "x", "texts": 5}\'); os._exit(0)',
    ],
)
def test_whatever_a_broken_child_says_is_no_text(tmp_path, text):
    assert read_by(library(tmp_path, text)) == "crashed"


def test_a_library_that_is_not_there_is_no_text(tmp_path):
    assert read_by(str(tmp_path)) == "crashed"


def test_an_endless_answer_is_not_kept(tmp_path):
    folder = library(tmp_path, "\n            while True: os.write(1, b'x' * 65536)")
    assert read_by(folder) == "crashed"
    assert not readers()


def test_memory_that_python_wants_is_told(tmp_path):
    assert read_by(library(tmp_path, "return ' ' * (1 << 30)")) == "memory"


def test_processes_of_the_child_end_with_it(tmp_path):
    folder = library(
        tmp_path,
        "return pid",
        before="pid = os.fork()\nif not pid:\n    time.sleep(3600)",
    )
    # The other one holds the pipe open, so that this one ends by the clock.
    assert read_by(folder, wall=2) == "late"
    assert soon(lambda: not readers())


def test_a_child_that_is_stopped_ends(tmp_path):
    child = Child(library(tmp_path, "time.sleep(3600)"), Limits(1000, wall=FOREVER))
    thread = threading.Thread(target=child.read, args=(encoded(b"%PDF-"),))
    thread.start()
    assert soon(lambda: bool(readers()))
    child.stop()
    thread.join(30)
    assert not thread.is_alive() and not readers()


def test_a_child_that_is_stopped_before_does_not_start(tmp_path):
    child = Child(library(tmp_path, "time.sleep(3600)"), Limits(1000, wall=FOREVER))
    child.stop()
    assert child.read(encoded(b"%PDF-")) == "late"


def test_a_child_whose_parent_is_gone_ends_by_itself(tmp_path):
    """The alarm is its own: one second after the parent's."""
    started = time.monotonic()
    child = Child(library(tmp_path, "time.sleep(3600)"), Limits(1000, wall=1))
    child._end = lambda why: None  # A parent that ends nobody.
    assert child.read(encoded(b"%PDF-")) == "late"
    assert time.monotonic() - started >= 2
