"""What is delivered: a wheel with the package alone, and an image that is safe to run."""

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_wheel_says_that_it_is_typed(wheel: zipfile.ZipFile) -> None:
    assert "claude_proxy/py.typed" in wheel.namelist()


def test_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"claude_proxy"}


def test_wheel_holds_every_module(wheel: zipfile.ZipFile) -> None:
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "claude_proxy").rglob("*.py")}
    assert modules <= set(wheel.namelist())


def test_wheel_brings_the_command(wheel: zipfile.ZipFile) -> None:
    entry = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert b"claude-proxy = claude_proxy.cli:main" in wheel.read(entry)


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as (instruction, arguments), without comments, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in joined.splitlines() if line]


def last(name: str) -> str:
    return [arguments for found, arguments in instructions() if found == name][-1]


def command() -> list[str]:
    words: list[str] = json.loads(last("CMD"))
    return words


def option(name: str) -> str:
    return command()[command().index(name) + 1]


def test_image_does_not_run_as_root() -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last("USER"))


def test_image_stops_in_order_and_is_watched() -> None:
    assert last("STOPSIGNAL") == "SIGTERM"
    assert "/health" in last("HEALTHCHECK")


def test_image_is_made_of_what_the_build_may_see() -> None:
    copied = {
        word
        for name, words in instructions()
        if name == "COPY" and not words.startswith("--from")
        for word in words.split()[:-1]
    }
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in rules
    assert copied == {rule[1:] for rule in rules if rule.startswith("!")}


def test_image_serves_the_app_with_our_worker() -> None:
    assert command()[:2] == ["gunicorn", "claude_proxy.main:app"]
    assert option("-k") == "claude_proxy.server.worker.Worker"


def test_command_of_the_image_is_one_that_gunicorn_takes() -> None:
    arguments = [word for word in command()[1:] if word != "claude_proxy.main:app"]
    check = [sys.executable, "-m", "gunicorn", "--check-config", "builtins:dict", *arguments]
    done = subprocess.run(check, capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr


def service() -> dict[str, Any]:
    composed = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    found: dict[str, Any] = composed["services"]["claude-proxy"]
    return found


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_streams_may_end_before_anybody_is_killed() -> None:
    drain = int(service()["environment"]["CLAUDE_PROXY_DRAIN_SECONDS"])
    graceful = int(option("--graceful-timeout"))
    assert drain < graceful < seconds(service()["stop_grace_period"])


def test_composed_service_is_confined() -> None:
    found = service()
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert set(found["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}


def test_composed_service_comes_back_and_is_watched() -> None:
    found = service()
    assert found["restart"] == "unless-stopped"
    assert found["init"] is True
    assert found["healthcheck"]["test"][1:] == json.loads(last("HEALTHCHECK").split("CMD ")[1])
    assert found["env_file"] == [{"path": ".env", "required": False}]


def test_the_core_stays_small() -> None:
    assert (
        len(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]) <= 12
    )
