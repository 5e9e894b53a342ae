"""Our server as a process of its own, and clients that speak HTTP on bare sockets.

The figures of a process come from Linux's `/proc`.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx

from tests.conftest import UPSTREAM_KEY
from tests.upstream import Json, eventually

HELLO: Json = {
    "model": "claude-haiku-5-5",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
}
PATIENCE = 30.0  # seconds; far above what any of this takes
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Process:
    """A server in a process group of its own. `url` has no slash at its end.

    `output`: the file that holds what it wrote to both standard streams.
    """

    popen: "subprocess.Popen[bytes]"
    url: str
    port: int
    output: Path

    @property
    def pid(self) -> int:
        return self.popen.pid

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def wait(self) -> int:
        return self.popen.wait(PATIENCE)

    def end(self) -> int:
        """Its status after SIGTERM."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def log(self) -> str:
        return self.output.read_text("utf-8", "replace")

    def group(self) -> list[int]:
        """The living processes that it is made of."""
        return sorted(pid for pid in processes() if group_of(pid) == self.pid)

    def health(self) -> Json:
        found: Json = httpx.get(f"{self.url}/health").json()
        return found

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

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))


def processes() -> Iterator[int]:
    return (int(folder.name) for folder in Path("/proc").glob("[0-9]*"))


def group_of(pid: int) -> int | None:
    """None when it has ended, if only as a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[2])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).is_success
    except httpx.TransportError:
        return False


SERVE = ("--host", "127.0.0.1", "--port", "{port}")
COMMAND = ("-m", "claude_proxy", *SERVE)
GUNICORN = (
    *("-m", "gunicorn", "claude_proxy.main:app", "--no-control-socket"),
    *("-k", "claude_proxy.server.worker.Worker", "--bind", "127.0.0.1:{port}"),
)


class Target(Protocol):
    """What a server is put in front of."""

    url: str


@contextmanager
def started(
    upstream: Target | None,
    *words: str,
    argv: tuple[str, ...] = COMMAND,
    port: int = 0,
    files: int | None = None,
    folder: Path | None = None,
    **environ: str,
) -> Iterator[Process]:
    """`python ARGV WORDS`, ready to serve; killed with all its children at the block's end.

    `folder` is its home and where it writes; `files` its limit of descriptors. Without an
    `upstream` it knows of none and has no key.
    """
    port = port or free_port()
    with nullcontext(folder) if folder else tempfile.TemporaryDirectory() as home:
        output = Path(home, "output.log")
        known = {"PATH": os.environ["PATH"], "HOME": str(home)}
        known |= {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        if upstream is not None:
            known |= {"OPENAI_BASE_URL": f"{upstream.url}/v1", "OPENAI_API_KEY": UPSTREAM_KEY}
        with output.open("wb") as file:
            popen = subprocess.Popen(
                [sys.executable, *(word.replace("{port}", str(port)) for word in (*argv, *words))],
                env={**known, **environ},
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                preexec_fn=lambda: _prepare(files),
            )
        process = Process(popen, f"http://127.0.0.1:{port}", port, output)
        try:
            up = eventually(lambda: healthy(process.url) or popen.poll() is not None, PATIENCE)
            assert up and popen.poll() is None, process.log()
            yield process
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(popen.pid, signal.SIGKILL)
            popen.wait()


def _prepare(files: int | None) -> None:
    # Python leaves SIGINT ignored where the parent ignored it, as shells do in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if files is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))


class Client(socket.socket):
    """A connection that closes when nobody holds it any more."""

    def __del__(self) -> None:
        self.close()


def connect(port: int) -> Client:
    client = Client()
    client.settimeout(PATIENCE)
    client.connect(("127.0.0.1", port))
    return client


def request(stream: bool, path: str = "/v1/messages", **more: Any) -> bytes:
    body = json.dumps({**HELLO, "stream": stream, **more}).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def post(port: int, stream: bool = True, **more: Any) -> Client:
    """A connection on which a request was sent."""
    client = connect(port)
    client.sendall(request(stream, **more))
    return client


def read_until(client: Client, end: bytes = b"") -> bytes:
    """What comes until `end`, or until the server closes. Closed hard counts as closed."""
    parts = b""
    try:
        while not (end and end in parts):
            part = client.recv(65536)
            if not part:
                break
            parts += part
    except ConnectionError:
        pass
    return parts


def body_of(answer: bytes) -> Json:
    found: Json = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found
