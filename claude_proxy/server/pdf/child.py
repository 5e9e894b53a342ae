"""One PDF in, its text out: the program of a child process, which trusts nothing that it reads.

`python -I -S -B child.py FOLDER LIMITS` with the PDF on stdin and one JSON object on stdout:
`{"pages": 3, "texts": ["…", null, ""], "cut": false}` (null: a page that cannot be read) or
`{"error": "encrypted"}` (or `broken`, `memory`). FOLDER holds pypdfium2, LIMITS is a JSON object of
`memory` (bytes), `cpu` and `wall` (seconds), `characters` and `pages`. It imports nothing of ours.
"""

import codecs
import json
import os
import resource
import signal
import sys
from typing import Any

_PASSWORD = 4
"""PDFium's code of a document that needs one (FPDF_ERR_PASSWORD)."""

_STREAMS = 3
"""Standard input, output and error: with no more descriptors than these, no file can be opened."""


def main(folder: str, limits: dict[str, int]) -> None:
    _bound_work(limits)
    # Last: a package of the folder must not stand in for one of Python's own.
    sys.path.append(folder)
    import pypdfium2

    # By which it reads texts. Codecs are loaded on first use, and from here on no file can be.
    codecs.lookup("utf-16-le")
    _bound_reach()
    try:
        answer = _texts(pypdfium2, sys.stdin.buffer.read(), limits)
    except MemoryError:
        answer = {"error": "memory"}
    sys.stdout.buffer.write(json.dumps(answer).encode())


def _bound_work(limits: dict[str, int]) -> None:
    """Memory and time; the alarm also ends a child whose parent was killed."""
    signal.alarm(limits["wall"] + 1)
    os.nice(5)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (limits["cpu"], limits["cpu"] + 1))
    if sys.platform == "linux":  # Elsewhere it is refused, or kept by nobody.
        resource.setrlimit(resource.RLIMIT_AS, (limits["memory"], limits["memory"]))


def _bound_reach() -> None:
    """No files, no bytes into files, no other processes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_STREAMS, _STREAMS))


def _texts(pypdfium2: Any, raw: bytes, limits: dict[str, int]) -> dict[str, Any]:
    try:
        document = pypdfium2.PdfDocument(raw)
    except pypdfium2.PdfiumError as error:
        return {"error": "encrypted" if error.err_code == _PASSWORD else "broken"}
    count, room = len(document), limits["characters"]
    texts: list[str | None] = []
    for index in range(min(count, limits["pages"])):
        text = _text(pypdfium2, document, index)
        texts.append(text and text[:room])
        room -= len(text or "")
        if room <= 0:
            break
    return {"pages": count, "texts": texts, "cut": room < 0}


def _text(pypdfium2: Any, document: Any, index: int) -> str | None:
    try:
        page = document[index]
        words = page.get_textpage()
    except pypdfium2.PdfiumError:
        return None
    # Closed page by page: thousands of open ones are hundreds of megabytes.
    text: str = words.get_text_bounded(errors="replace")
    words.close()
    page.close()
    return text


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
