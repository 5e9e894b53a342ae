"""Listening, and who has a port."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_proxy.cli.ports import PortError, listen, listen_from, owner_of, port_of


@pytest.fixture
def taken() -> Iterator[int]:
    with listen("127.0.0.1", 0) as sock:
        yield port_of(sock)


def test_a_free_port_is_listened_on_at_once() -> None:
    with listen("127.0.0.1", 0) as sock, socket.create_connection(sock.getsockname()) as client:
        assert client.getpeername()[1] == port_of(sock)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="there is no /proc here")
def test_a_taken_port_names_its_owner(taken: int) -> None:
    with pytest.raises(PortError) as caught:
        listen("127.0.0.1", taken)
    assert f"Port {taken} is taken by process {os.getpid()} (" in caught.value.message
    assert caught.value.exit_code == 2


def test_the_next_free_port(taken: int) -> None:
    with listen_from("127.0.0.1", taken) as sock:
        assert taken < port_of(sock) < taken + 100


def test_no_ports_are_left() -> None:
    with listen("127.0.0.1", 65535), pytest.raises(PortError, match="No port from 65535 on"):
        listen_from("127.0.0.1", 65535)


@pytest.mark.parametrize("find", [listen, listen_from])
def test_a_foreign_address_is_told(find: object) -> None:
    assert callable(find)
    with pytest.raises(PortError, match=r"Cannot listen on 192\.0\.2\.1:8085: "):
        find("192.0.2.1", 8085)


def test_a_name_that_is_none_is_told() -> None:
    with pytest.raises(PortError, match="Cannot listen on no host:8085"):
        listen("no host", 8085)


TABLE = (
    "  sl  local_address rem_address   st tx_queue rx_queue and so on\n"
    "   0: 0100007F:1F95 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 4711 1\n"
    "   1: 0100007F:1F96 0100007F:9999 01 00000000:00000000 00:00000000 00000000  0  0 4712 1\n"
)


def fake_proc(root: Path, command: bytes) -> Path:
    (root / "net").mkdir()
    (root / "net" / "tcp").write_text(TABLE)
    for pid, inode in (("12", 1), ("34", 4711)):
        (root / pid / "fd").mkdir(parents=True)
        (root / pid / "fd" / "3").symlink_to(f"socket:[{inode}]")
        (root / pid / "cmdline").write_bytes(command)
    (root / "56").mkdir()  # another user's: nothing in it can be read
    return root


COMMANDS = [
    (b"/usr/bin/node\0server.js\0--port\0--key=secret\0", "34 (node server.js --port)"),
    (b"", "34 (unknown)"),
]


@pytest.mark.parametrize(("command", "owner"), COMMANDS)
def test_owners_are_found_in_proc(tmp_path: Path, command: bytes, owner: str) -> None:
    assert owner_of(0x1F95, fake_proc(tmp_path, command)) == owner


def test_only_listening_sockets_count(tmp_path: Path) -> None:
    assert owner_of(0x1F96, fake_proc(tmp_path, b"x")) is None


def test_without_proc_nobody_is_named(tmp_path: Path) -> None:
    assert owner_of(80, tmp_path / "none") is None
