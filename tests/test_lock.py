"""The locks: exact versions with hashes, in step with pyproject.toml, and nothing else in them."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
PYTHONS = ("3.11", "3.12", "3.13")


def direct(words: Iterable[str]) -> Iterator[Requirement]:
    """What they ask for, with our own extras written out."""
    for found in map(Requirement, words):
        if found.name == PROJECT["project"]["name"]:
            yield from direct(word for extra in sorted(found.extras) for word in EXTRAS[extra])
        else:
            yield found


def wanted(*extras: str) -> list[Requirement]:
    return list(direct([*PROJECT["project"]["dependencies"], f"claude-proxy[{','.join(extras)}]"]))


WANTED = {
    "requirements.txt": wanted("production", "redis"),
    "requirements-dev.txt": wanted("dev"),
    "requirements-build.txt": list(direct(PROJECT["build-system"]["requires"])),
}
LINE = re.compile(r"[A-Za-z0-9._-]+(\[[a-z0-9,-]+\])?==[0-9A-Za-z.!+]+( ; [^\\@#]+)?")
LOCKS = {name: (ROOT / name).read_text() for name in WANTED}


@dataclass(frozen=True, slots=True)
class Entry:
    """One version; `marker` tells where, if not everywhere."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        return str(self.requirement.specifier).removeprefix("==")

    def holds(self, python: str) -> bool:
        """Whether it is for this Python, on Linux."""
        here = {"python_version": python, "python_full_version": f"{python}.0"}
        here |= {"sys_platform": "linux", "platform_python_implementation": "CPython"}
        marker = self.requirement.marker
        return marker is None or marker.evaluate({**here, "extra": ""})


def entries(text: str) -> Iterator[Entry]:
    """Fails at every line that is no version with its hashes: options, URLs, ranges."""
    lines = re.sub(r"^\s*#.*\n", "", text, flags=re.M).replace("\\\n", " ").splitlines()
    for line in lines:
        what, *hashes = line.split(" --hash=sha256:")
        assert LINE.fullmatch(what.strip()), line
        assert hashes and all(re.fullmatch("[0-9a-f]{64}", one.strip()) for one in hashes), line
        yield Entry(Requirement(what), tuple(hashes))


def faults(text: str, asked: Iterable[Requirement]) -> list[str]:
    """What keeps a lock from being the answer to `asked`."""
    found = list(entries(text))

    def answered(requirement: Requirement, python: str) -> bool:
        name = canonicalize_name(requirement.name)
        fitting = (each for each in found if each.name == name and each.holds(python))
        return any(requirement.specifier.contains(each.version) for each in fitting)

    pairs = [(requirement, python) for requirement in asked for python in PYTHONS]
    return [f"{each} on Python {python}" for each, python in pairs if not answered(each, python)]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_answers_what_is_asked_for(name: str) -> None:
    assert not faults(LOCKS[name], WANTED[name]), "run .ci/lock"


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_host(name: str) -> None:
    assert "://" not in LOCKS[name]


def test_a_version_is_the_same_in_every_lock() -> None:
    """So that what is tested is what the image holds."""
    dev = {str(entry.requirement): entry for entry in entries(LOCKS["requirements-dev.txt"])}
    for name in ("requirements.txt", "requirements-build.txt"):
        for entry in entries(LOCKS[name]):
            assert dev[str(entry.requirement)] == entry


def test_extras_that_others_ask_for_are_in_the_lock() -> None:
    """For pip `coverage[toml]` is another package than `coverage`: without a version of its own it
    would take the newest, which has no hash here."""
    assert {"toml"} in [
        entry.requirement.extras
        for entry in entries(LOCKS["requirements-dev.txt"])
        if entry.name == "coverage"
    ]


HASH = "--hash=sha256:" + "0" * 64
GOOD = f"# Made by a tool.\nclick==8.1.0 ; sys_platform == 'linux' \\\n    {HASH}\n    # via us\n"


def test_the_check_takes_a_good_lock() -> None:
    assert not faults(GOOD, [Requirement("Click>=8.1")])


@pytest.mark.parametrize("asked", ["click>=8.2", "click<8", "uvicorn>=0.46"])
def test_the_check_finds_what_is_missing(asked: str) -> None:
    assert len(faults(GOOD, [Requirement(asked)])) == len(PYTHONS)


def test_the_check_finds_what_is_for_other_pythons() -> None:
    text = GOOD.replace("sys_platform == 'linux'", "python_full_version < '3.12'")
    assert faults(text, [Requirement("click")]) == ["click on Python 3.12", "click on Python 3.13"]


@pytest.mark.parametrize(
    "line",
    [
        "click==8.1.0",
        "click==8.1.0 \\\n    --hash=md5:00",
        "click==8.1.0 \\\n    --hash=sha256:00",
        f"click>=8.1.0 \\\n    {HASH}",
        f"click==8.* \\\n    {HASH}",
        f"click @ https://example.com/click.whl \\\n    {HASH}",
        "https://example.com/click.whl",
        "--index-url https://example.com/simple",
        "-r other.txt",
        "-e .",
    ],
)
def test_the_check_refuses_every_other_line(line: str) -> None:
    with pytest.raises(AssertionError):
        list(entries(f"{GOOD}{line}\n"))


def installs(text: str) -> list[str]:
    return re.findall(r"pip install ([^&\n]*)", text.replace("\\\n", " "))


def test_what_renews_the_locks_takes_nothing_young_or_without_a_hash() -> None:
    script = (ROOT / ".ci" / "lock").read_text()
    for rule in ("--generate-hashes", "--only-binary :all:", '--exclude-newer "7 days"'):
        assert rule in script


def test_the_image_is_installed_from_the_locks_alone() -> None:
    found = installs((ROOT / "Dockerfile").read_text())
    locked = "--no-cache-dir --require-hashes --only-binary :all: -r "
    names = [words.strip().removeprefix(locked) for words in found if "--no-index" not in words]
    assert names == ["requirements.txt", "requirements-build.txt"]
    assert len(found) == 3
