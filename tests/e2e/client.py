"""Runs the real Claude Code once, in a home and a project of its own, and keeps what it printed."""

import json
import os
import signal
import struct
import subprocess
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]

ALLOWED = "Write,Read,Edit,Bash,ToolSearch,Agent,WebSearch"
QUIET = {
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_AUTOUPDATER": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
}
AGENT = """---
name: code-reviewer
description: Reviews code
tools: Read, Bash
model: haiku
---

AGENT-PROMPT-MARK You review code.
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run left behind. `events` are the lines of its stream-json output."""

    code: int
    seconds: float
    events: list[Json]
    stderr: str
    project: Path

    @property
    def results(self) -> list[Json]:
        return [event for event in self.events if event.get("type") == "result"]

    @property
    def result(self) -> Json:
        return self.results[-1] if self.results else {}

    @property
    def text(self) -> str:
        return self.result.get("result") or ""

    @property
    def stream(self) -> list[Json]:
        """Events of the wire, as the client read them; pings are not among them."""
        return [event["event"] for event in self.events if event.get("type") == "stream_event"]

    @property
    def retries(self) -> list[Json]:
        return [event for event in self.events if event.get("subtype") == "api_retry"]

    def blocks(self, kind: str) -> list[Json]:
        turns = [event["message"] for event in self.events if event.get("type") == "assistant"]
        return [block for turn in turns for block in turn["content"] if block["type"] == kind]

    def says(self, word: str) -> bool:
        return self.code == 0 and word in self.text

    def __str__(self) -> str:
        kinds = [event.get("type") for event in self.events[-4:]]
        return f"status {self.code} {self.text[:500]!r} stderr {self.stderr[:300]!r} {kinds}"


@dataclass(frozen=True, slots=True)
class ClaudeCode:
    """The client's program, and the server it shall use."""

    binary: Path
    url: str
    key: str
    home: Path

    def run(
        self,
        prompt: str | None,
        *args: str,
        stdin: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        timeout: float = 90,
    ) -> Outcome:
        """One headless run. `{dir}` in the prompt stands for the project's folder."""
        start = time.monotonic()
        child = self.start(prompt, *args, env=env, piped=bool(stdin))
        try:
            out, err = child.communicate("".join(stdin).encode() or None, timeout)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            out, err = child.communicate()
        seconds = time.monotonic() - start
        return self.outcome(child.returncode, seconds, out, err)

    def start(
        self,
        prompt: str | None,
        *args: str,
        env: Mapping[str, str] | None = None,
        piped: bool = False,
    ) -> subprocess.Popen[bytes]:
        command = [str(self.binary), "-p"]
        if prompt is not None:
            command.append(prompt.replace("{dir}", str(self.project)))
        command += ["--output-format", "stream-json", "--verbose", "--include-partial-messages"]
        command += ["--strict-mcp-config", "--allowedTools", ALLOWED, *args]
        return subprocess.Popen(
            command,
            cwd=self.project,
            env={**self._environment(), **(env or {})},
            stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def outcome(self, code: int, seconds: float, out: bytes, err: bytes) -> Outcome:
        events = [json.loads(line) for line in out.splitlines() if line.startswith(b"{")]
        return Outcome(code, seconds, events, err.decode(errors="replace"), self.project)

    @property
    def project(self) -> Path:
        return self.home / "project"

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "ANTHROPIC_BASE_URL": self.url,
            "ANTHROPIC_API_KEY": self.key,
            **QUIET,
        }


def furnish(home: Path) -> None:
    """A project folder with an agent, notes, a picture and a PDF."""
    project = home / "project"
    (project / ".claude" / "agents").mkdir(parents=True)
    (project / ".claude" / "agents" / "code-reviewer.md").write_text(AGENT)
    (project / "CLAUDE.md").write_text("CLAUDEMD-MARK project notes.\n")
    (project / "p.png").write_bytes(png())
    (project / "p.pdf").write_bytes(pdf())


def user_line(content: str | list[Json]) -> str:
    """One turn of the user for `--input-format stream-json`."""
    return json.dumps({"type": "user", "message": {"role": "user", "content": content}}) + "\n"


def png() -> bytes:
    """A red square of 8 by 8 pixels."""
    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + b"\xff\0\0" * 8 for _ in range(8)))
    parts = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_part(*part) for part in parts)


def _png_part(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def pdf() -> bytes:
    """One page that says "PDF-WORD"."""
    text = b"BT /F1 24 Tf 72 720 Td (PDF-WORD) Tj ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    end = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(out))
    return out + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + end
