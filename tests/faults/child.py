"""The proxy as a process of its own, for what only a process has: its memory and its output."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.conftest import UPSTREAM_KEY
from tests.upstream import Upstream, eventually

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Child:
    """`output`: the file that holds what it wrote to both standard streams."""

    url: str
    port: int
    pid: int
    output: Path

    def forget_peak(self) -> None:
        """The peak counts anew from the memory of now."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def peak(self) -> int:
        """The most resident memory since the start or `forget_peak`, in bytes."""
        return self._memory("VmHWM")

    def resident(self) -> int:
        return self._memory("VmRSS")

    def _memory(self, name: str) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith(f"{name}:"))
        return int(line.split()[1]) * 1024

    def text(self) -> str:
        return self.output.read_text(errors="replace")


@contextmanager
def child(
    upstream: Upstream,
    folder: Path,
    *,
    command: tuple[str, ...] = ("-m", "claude_proxy"),
    **environ: str,
) -> Iterator[Child]:
    """`python -m claude_proxy` in an empty folder; ends with the block, whatever happens."""
    port = free_port()
    known = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "OPENAI_BASE_URL": f"{upstream.url}/v1",
        "OPENAI_API_KEY": UPSTREAM_KEY,
        "CLAUDE_PROXY_PORT": str(port),
        "CLAUDE_PROXY_HOST": "127.0.0.1",
    }
    output = folder / "output.log"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env={**known, **environ},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    started = Child(f"http://127.0.0.1:{port}", port, process.pid, output)
    try:
        assert eventually(lambda: _lives(started) or process.poll() is not None, 30)
        assert process.poll() is None, started.text()
        yield started
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _lives(started: Child) -> bool:
    try:
        return httpx.get(f"{started.url}/livez", timeout=2).status_code == 200
    except httpx.TransportError:
        return False
