"""The golden cases and captured requests of the request direction, as data."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from claude_proxy.profiles import PROFILES, Profile

HERE = Path(__file__).parent
NAMED = {row.profile.name: row.profile for row in PROFILES}
IN_CHAT = {name: each for name, each in NAMED.items() if each.provider != "claude-cli"}
"""Those who are asked in Chat: a command line has a language of its own."""
CHAT_PROVIDERS = {each.provider for each in IN_CHAT.values()}
KEYS = {"why", "profile", "messages", "chat", "responses", "dropped"}


@dataclass(frozen=True, slots=True)
class Case:
    """One case: the reason, the Messages request, the upstream's request, and the notes."""

    name: str
    profile: Profile
    messages: dict[str, Any]
    sent: dict[str, Any]
    dropped: list[list[str]]


def profile(described: str | dict[str, Any]) -> Profile:
    """A profile by name, or `{"of": name, field: value}` for one that differs from it."""
    if isinstance(described, str):
        return NAMED[described]
    changed = {key: value for key, value in described.items() if key != "of"}
    return replace(NAMED[described["of"]], **changed)


def load_cases(language: str = "chat", at_least: int = 100) -> list[Case]:
    """Every case of every file; a broken file fails the run."""
    cases = []
    for path in sorted((HERE / f"cases/openai_{language}/request").glob("*.json")):
        for entry in json.loads(path.read_text(encoding="utf-8")):
            assert entry.keys() <= KEYS, f"{path.name}: {entry.keys() - KEYS}"
            cases.append(
                Case(
                    f"{path.stem}: {entry['why']}",
                    profile(entry.get("profile", "openai/gpt-4o")),
                    entry["messages"],
                    entry[language],
                    entry["dropped"],
                )
            )
    assert len(cases) > at_least
    assert len({case.name for case in cases}) == len(cases)
    return cases


def load_captures() -> dict[str, dict[str, Any]]:
    """Sanitized requests of a real Claude Code, by scenario."""
    captures = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((HERE / "captures").glob("*.json"))
    }
    assert len(captures) > 20
    return captures
