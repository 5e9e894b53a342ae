"""What the tests of PDFs share: a library that stands in for pypdfium2, and a look at children."""

import os
from collections.abc import Callable
from pathlib import Path

from tests.process import processes
from tests.upstream import eventually

_LIBRARY = """
import os, sys, time

class PdfiumError(RuntimeError):
    err_code = None

{before}

class Words:
    def __init__(self, text):
        self.text = text
    def get_text_bounded(self, errors):
        return self.text
    def close(self):
        pass

class Page:
    def __init__(self, text):
        self.text = text
    def get_textpage(self):
        return Words(self.text)
    def close(self):
        pass

class PdfDocument(list):
    def __init__(self, raw):
        def text():
            {text}
        super().__init__([Page(str(text()))])
"""


def library(folder: Path, text: str, before: str = "") -> str:
    """A folder with a `pypdfium2` whose documents have one page, of what the function body `text`
    returns in the child; `before` runs when it is imported."""
    (folder / "pypdfium2.py").write_text(_LIBRARY.format(text=text, before=before))
    return str(folder)


def parent_of(pid: int) -> int | None:
    """None when it is gone. A zombie is not gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def children(pid: int = 0) -> list[int]:
    """Processes whose parent is `pid`, or this one; zombies too."""
    return [child for child in processes() if parent_of(child) == (pid or os.getpid())]


def readers(pid: int = 0) -> list[int]:
    """Those children that read PDFs, or have and are not waited for."""
    return [child for child in children(pid) if b"child.py" in _command(child)]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() or b"child.py"  # A zombie has none.
    except OSError:
        return b""


def soon(fact: Callable[[], bool]) -> bool:
    return eventually(fact, 30)
