"""A listening socket, or words that say who has the port."""

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from claude_proxy.settings import Settings

_PROC = Path("/proc")
_LISTEN = "0A"
_TABLES = ("net/tcp", "net/tcp6")
_BACKLOG = 2048
_LAST_TRIES = 100
# Compared, not bound.
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104  # nosec B104


class PortError(click.ClickException):
    """The address cannot be listened on."""

    exit_code = 2


def refuse_loop(settings: "Settings", host: str) -> None:
    """Raises `PortError` where the upstream's address is the one that is to be listened on."""
    from claude_proxy.settings import is_loopback

    there = urlsplit(settings.upstream_url)
    listens = is_loopback(host) or host.strip("[]") in _EVERYWHERE
    if listens and there.port == settings.port and is_loopback(there.hostname or ""):
        raise PortError(f"{settings.backing.url} is the address of this proxy itself.")


def listen(host: str, port: int) -> socket.socket:
    """A socket that accepts already, so that nobody can take the port in between.

    Port 0 asks the system for a free one. Raises `PortError`.
    """
    try:
        return _listen(host, port)
    except OSError as error:
        raise PortError(_why(error, host, port)) from error


def listen_from(host: str, first: int) -> socket.socket:
    """A socket on the first free port from `first` on."""
    for port in range(first, min(first + _LAST_TRIES, 65536)):
        try:
            return _listen(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise PortError(_why(error, host, port)) from error
    raise PortError(f"No port from {first} on is free on {host}.")


def port_of(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


def _listen(host: str, port: int) -> socket.socket:
    infos = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    # `localhost` is both; clients that write 127.0.0.1 are more than those that write ::1.
    family, kind, protocol, _, address = min(infos, key=lambda info: info[0] != socket.AF_INET)
    sock = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            # Elsewhere this option would let two servers share the port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    sock.set_inheritable(False)
    return sock


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        owner = owner_of(port)
        by = f" by process {owner}" if owner else ""
        return f"Port {port} is taken{by}. Stop it, or choose another: --port or CLAUDE_PROXY_PORT."
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights; ports from 1024 on do not."
    return f"Cannot listen on {host}:{port}: {error.strerror or error}."


def owner_of(port: int, proc: Path = _PROC) -> str | None:
    """`PID (command)` of the process that listens on a TCP port, where /proc tells it."""
    inodes = {f"socket:[{inode}]" for table in _TABLES for inode in _inodes(proc / table, port)}
    for folder in proc.glob("[0-9]*") if inodes else ():
        if _holds(folder, inodes):
            return f"{folder.name} ({_command(folder)})"
    return None


def _inodes(table: Path, port: int) -> Iterator[str]:
    """Socket numbers from lines like `0: 0100007F:1F95 00000000:0000 0A …`."""
    try:
        lines = table.read_text("ascii").splitlines()[1:]
    except OSError:
        return
    for fields in map(str.split, lines):
        if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
            yield fields[9]


def _holds(folder: Path, inodes: set[str]) -> bool:
    try:
        return any(os.readlink(link) in inodes for link in (folder / "fd").iterdir())
    except OSError:
        return False  # Another user's process, or one that has just ended.


def _command(folder: Path) -> str:
    """The program and its first words; later arguments may hold secrets."""
    try:
        words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "unknown"
    return " ".join([os.path.basename(words[0]), *words[1:3]]).strip()[:60] or "unknown"
