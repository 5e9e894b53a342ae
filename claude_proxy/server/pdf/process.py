"""Runs `child.py` for one PDF: limited, alone in its process group, and gone when it is done.

Blocking, for a thread: so it works with every event loop, and in threads that are not the main
one, where asyncio's own subprocesses depend on loop and version.
"""

import os
import signal
import subprocess
import sys
from base64 import b64decode
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Lock, Timer
from typing import Literal, NamedTuple

from claude_proxy.codecs.jsonio import dumps_text, loads
from claude_proxy.codecs.pdfs import Pages, Unread

MIB = 1 << 20

MOST_BYTES = 32 * MIB
"""A larger PDF is not read. Anthropic takes requests of 32 MB."""

_CHARACTER_BYTES = 6
"""Of a UTF-16 unit in the child's JSON, at most; a character has one or two."""

_PAGE_BYTES = 8
"""Of what stands around a page's text in that JSON, at most."""

_TOO_LONG = frozenset({-signal.SIGXCPU, -signal.SIGALRM} if hasattr(signal, "SIGXCPU") else ())

_ERRORS: dict[str, Unread] = {"encrypted": "encrypted", "broken": "broken", "memory": "memory"}
"""What the child may say, in its words and ours."""

_CHILD = Path(__file__).with_name("child.py")

_KEPT = ("LD_LIBRARY_PATH",)
"""Of our environment: what some builds of Python need to start. No keys, no home, no path."""


class Limits(NamedTuple):
    """Of one child process."""

    characters: int
    pages: int = 1000
    """As many as any upstream takes of one file."""
    memory: int = 256 * MIB
    cpu: int = 5
    wall: int = 20
    """Seconds, as `cpu`."""

    @property
    def output(self) -> int:
        """Most bytes that the child may write."""
        return (2 * self.characters + 1) * _CHARACTER_BYTES + self.pages * _PAGE_BYTES + 1024


def find_library() -> str | None:
    """The folder of pypdfium2; None where it is not installed, or a child could not be limited."""
    if not sys.executable or find_spec("resource") is None:
        return None
    found = find_spec("pypdfium2")
    return str(Path(found.origin).parents[1]) if found and found.origin else None


class Child:
    """One run. `stop()` may come from any thread, at any time. Mutable; used once."""

    def __init__(self, folder: str, limits: Limits) -> None:
        self._limits = limits
        asked = dumps_text({**limits._asdict()})
        self._command = [sys.executable, "-I", "-S", "-B", str(_CHILD), folder, asked]
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = Lock()
        self._over: Literal["", "stopped", "late"] = ""

    def read(self, data: str) -> Pages | Unread:
        """The pages of a PDF in base64. Raises `OSError` where no process can be started."""
        if len(data) * 3 // 4 > MOST_BYTES:
            return "large"
        try:
            pdf = b64decode(data)
        except ValueError:
            return "broken"
        with self._lock:
            if self._over:
                return "late"
            process = self._process = subprocess.Popen(  # noqa: S603  # nosec B603
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _KEPT if name in os.environ},
                cwd="/",
                start_new_session=True,
            )
        with process:
            out = self._talk(process, pdf)
        return self._answer(out, process.returncode)

    def _talk(self, process: "subprocess.Popen[bytes]", pdf: bytes) -> bytes:
        """What it says to this PDF. When this returns, the process and its group are killed."""
        timer = Timer(self._limits.wall, self._end, ("late",))
        timer.daemon = True
        timer.start()
        try:
            stdin, stdout = process.stdin, process.stdout
            if stdin is None or stdout is None:
                raise OSError("a process without its pipes")
            # It may have ended already; its status tells why.
            with suppress(BrokenPipeError):
                stdin.write(pdf)
            with suppress(BrokenPipeError):
                stdin.close()
            return stdout.read(self._limits.output + 1)
        finally:
            timer.cancel()
            self._end("stopped")

    def stop(self) -> None:
        """Ends the process if it runs, and keeps it from starting if it does not."""
        self._end("stopped")

    def _end(self, why: Literal["stopped", "late"]) -> None:
        with self._lock:
            if self._process is not None and not self._over:
                # Nobody has waited for it yet, so the number is still its own.
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            self._over = self._over or why

    def _answer(self, out: bytes, status: int) -> Pages | Unread:
        if self._over == "late" or status in _TOO_LONG:
            return "late"
        if len(out) > self._limits.output:
            return "crashed"
        try:
            said = loads(out)
            if "error" in said:
                return _ERRORS[said["error"]]
            texts = [text if text is None else str(text) for text in said["texts"]]
            return Pages(int(said["pages"]), tuple(texts), bool(said["cut"]))
        except (ValueError, TypeError, KeyError):
            return "crashed"
