"""Our server as a process of its own, and clients that speak HTTP on bare sockets."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.conftest import UPSTREAM_KEY
from tests.upstream import Json, Upstream, eventually

HELLO: Json = {
    "model": "claude-haiku-5-5",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
}
PATIENCE = 30.0  # seconds; far above what any of this takes


@dataclass(frozen=True, slots=True)
class Process:
    """A server in a process group of its own. `url` has no slash at its end."""

    popen: "subprocess.Popen[bytes]"
    url: str
    port: int
    output: Path

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def wait(self) -> int:
        return self.popen.wait(PATIENCE)

    def log(self) -> str:
        return self.output.read_text("utf-8", "replace")

    def group(self) -> list[int]:
        """The living processes that it is made of."""
        return sorted(pid for pid in processes() if group_of(pid) == self.popen.pid)

    def health(self) -> Json:
        found: Json = httpx.get(f"{self.url}/health").json()
        return found


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


COMMAND = ("-m", "claude_proxy", "--host", "127.0.0.1", "--port", "{port}")
GUNICORN = (
    *("-m", "gunicorn", "claude_proxy.main:app", "--no-control-socket"),
    *("-k", "claude_proxy.server.worker.Worker", "--bind", "127.0.0.1:{port}"),
)


@contextmanager
def started(
    upstream: Upstream,
    *words: str,
    argv: tuple[str, ...] = COMMAND,
    port: int = 0,
    files: int | None = None,
    **environ: str,
) -> Iterator[Process]:
    """`python ARGV WORDS`, ready to serve. `files`: its limit of descriptors."""

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if files is not None:
            import resource

            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    port = port or free_port()
    known = {"OPENAI_BASE_URL": f"{upstream.url}/v1", "OPENAI_API_KEY": UPSTREAM_KEY}
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output"
        with output.open("wb") as file:
            popen = subprocess.Popen(
                [sys.executable, *(word.format(port=port) for word in (*argv, *words))],
                env={"PATH": os.environ["PATH"], "HOME": folder, **known, **environ},
                cwd=folder,
                stdout=file,
                stderr=file,
                start_new_session=True,
                preexec_fn=prepare,
            )
        process = Process(popen, f"http://127.0.0.1:{port}", port, output)
        try:
            assert eventually(lambda: healthy(process.url), PATIENCE), process.log()
            yield process
        finally:
            for pid in process.group():
                os.kill(pid, signal.SIGKILL)
            popen.wait()


class Client(socket.socket):
    """A connection that closes when nobody holds it any more."""

    def __del__(self) -> None:
        self.close()


def connect(port: int) -> Client:
    client = Client()
    client.settimeout(PATIENCE)
    client.connect(("127.0.0.1", port))
    return client


def request(stream: bool, path: str = "/v1/messages") -> bytes:
    body = json.dumps({**HELLO, "stream": stream}).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def post(port: int, stream: bool = True) -> Client:
    """A connection on which a request was sent."""
    client = connect(port)
    client.sendall(request(stream))
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
