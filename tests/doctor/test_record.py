"""Recorded exchanges lead to the same findings as those that were recorded."""

from pathlib import Path

import pytest

from claude_proxy.backends import WireRequest
from claude_proxy.doctor.exchange import Exchange
from claude_proxy.doctor.record import Recorder
from claude_proxy.server.redact import Redactor
from claude_proxy.settings import SettingsError
from tests.doctor.model import Model
from tests.doctor.replay import replayed
from tests.doctor.test_probes import probed
from tests.upstream import Upstream

RECORDED = Path(__file__).parents[1] / "cases/doctor/reasoning-model"


def test_a_recorded_set_is_replayed(upstream: Upstream) -> None:
    found = probed(upstream, replayed(RECORDED))
    again = probed(upstream, Model(reasons_in="reasoning_content", images=False, stop=False))
    assert found.states == again.states
    assert "unknown" not in found.states.values()
    assert found.changes["max_stops"] == 0


def entry_of(folder: Path, *reads: bytes) -> str:
    exchange = Exchange(WireRequest("http://x/v1", b'{"model": "m/1"}'), 200)
    exchange.reads += [(at / 10, data) for at, data in enumerate(reads)]
    Recorder(folder, Redactor(["sk-a-secret-key"])).keep("a probe", exchange)
    [path] = folder.iterdir()
    assert path.name == "001-m-1-a-probe.json"
    return path.read_text()


def test_reads_are_kept_apart(tmp_path: Path) -> None:
    text = entry_of(tmp_path, b"one", b"two")
    assert '"one"' in text and '"two"' in text


def test_a_key_that_two_reads_share_is_masked(tmp_path: Path) -> None:
    text = entry_of(tmp_path, b"the sk-a-sec", b"ret-key")
    assert '"the [redacted]"' in text
    assert "ret-key" not in text


def test_a_character_that_two_reads_share_is_whole(tmp_path: Path) -> None:
    assert '"\u00e9"' in entry_of(tmp_path, b"\xc3", b"\xa9")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="cannot be made"):
        Recorder(tmp_path / "file" / "x", Redactor())


def test_a_header_of_any_bytes_is_written(tmp_path: Path) -> None:
    exchange = Exchange(WireRequest("http://x/v1", b"{}"), 200, {"server": "\udcff\udce9"})
    Recorder(tmp_path, Redactor()).keep("a probe", exchange)
    [path] = tmp_path.iterdir()
    assert "udcff" in path.read_text("utf-8")
