"""What was found, for people and for machines. Plain ASCII, at most 100 columns."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from claude_proxy._version import __version__
from claude_proxy.doctor import profile_file
from claude_proxy.doctor.examination import Examination
from claude_proxy.doctor.findings import Finding
from claude_proxy.doctor.languages import NAMES
from claude_proxy.doctor.probes import PROBES
from claude_proxy.doctor.runner import Examined
from claude_proxy.native import Dialect
from claude_proxy.types import Json

WIDTH = 100
_STATE, _NAME = 11, 18
_INDENT = " " * (2 + _STATE + 1 + _NAME + 1)
_GROUPS = {probe.name: probe.group for probe in PROBES}


class Lines:
    """Findings as lines, each under its headings. Mutable: knows the last ones."""

    def __init__(self, headings: Mapping[str, str]) -> None:
        self._headings = headings
        self._section = self._group = ""

    def of(self, section: str, finding: Finding) -> Iterator[str]:
        group = (
            _GROUPS.get(finding.name, "") if section not in ("configuration", "upstream") else ""
        )
        if section != self._section:
            yield ""
            yield plain(self._headings.get(section, section))
            self._section, self._group = section, ""
        if group != self._group:
            yield f"  {group}:"
            self._group = group
        yield from finding_lines(finding)


def finding_lines(finding: Finding) -> Iterator[str]:
    verdict = finding.verdict
    start = f"  {verdict.state:<{_STATE}} {finding.name:<{_NAME}} "
    yield from _wrapped(start, verdict.says)
    if verdict.remedy and not finding.cured:
        yield from _wrapped(f"{_INDENT}-> ", verdict.remedy)
    if finding.cured:
        said = ", ".join(_assignment(name, value) for name, value in finding.changes.items())
        yield from _wrapped(f"{_INDENT}-> ", f"profile: {said}")


def _assignment(name: str, value: Any) -> str:
    table = profile_file.table("", "", {name: value})[1]
    return profile_file.lines("x", {name: table[name]}).splitlines()[1]


def _wrapped(start: str, text: str) -> Iterator[str]:
    indent = " " * len(start)
    wrapped = textwrap.wrap(
        plain(text), WIDTH, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False
    )
    yield from wrapped or [start.rstrip()]


def plain(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()


def headings(models: Mapping[str, tuple[str, ...]], done: Examination) -> dict[str, str]:
    """Sections by their keys; a model's own name is its key."""
    named = {
        model: f"Model {model}"
        + (f" ({', '.join(tiers)})" if tiers else "")
        + _asked_in(done.dialect(model))
        for model, tiers in models.items()
    }
    return {**named, "configuration": "Configuration", "upstream": f"Upstream {done.base_url}"}


def _asked_in(dialect: Dialect) -> str:
    return "" if dialect == "chat" else f", asked in {NAMES[dialect]}"


def advice(done: Examination, written: str | None) -> Iterator[str]:
    """What is to be set, as lines that can be copied."""
    tables = {name: table for name, table in done.tables().items() if len(table) > 2}
    news = any(each.news for each in done.models)
    if written:
        yield ""
        yield plain(f"Written to {written}, which the server reads when it starts.")
    elif news and tables:
        yield ""
        yield "The server does not know this yet. `claude-proxy doctor --write` writes it where the"
        yield "server reads it when it starts; or put it into claude-proxy.toml:"
    for name, table in tables.items() if written or news else ():
        yield ""
        yield from map(plain, profile_file.lines(name, table).splitlines())


def failures(done: Examination, written: str | None) -> list[tuple[str, Finding]]:
    """What Claude Code needs and does not get, after what was written."""
    found = [("upstream", each) for each in done.upstream if each.verdict.state == "failed"]
    for each in done.models:
        found += [
            (each.model, finding) for finding in each.failures if not (written and finding.cured)
        ]
    return found


def summary(done: Examination, wrong: list[tuple[str, Finding]]) -> Iterator[str]:
    findings = [finding for each in done.models for finding in each.findings]
    limited = sum(each.verdict.state in ("degraded", "unsupported") for each in findings)
    yield ""
    if wrong:
        names = ", ".join(dict.fromkeys(finding.name for _, finding in wrong))
        yield from _wrapped("", f"Claude Code will not work: {names}.")
    elif done.models:
        rest = f", with {limited} limits" if limited else ""
        yield f"Claude Code works here{rest}. ({done.calls} calls)"
    else:
        yield "The settings and the upstream are fine; no model was asked."


def as_json(done: Examination, written: str | None, status: int) -> Json:
    return {
        "version": __version__,
        "status": status,
        "upstream": done.base_url,
        "calls": done.calls,
        "configuration": [_finding(each) for each in done.configuration],
        "connection": [_finding(each) for each in done.upstream],
        "models": [_model(each) for each in done.models],
        "profiles": {name: table for name, table in done.tables().items() if len(table) > 2},
        "written": written,
    }


def _model(each: Examined) -> Json:
    return {
        "model": each.model,
        "tiers": list(each.tiers),
        "profile": each.profile.name,
        "dialect": each.dialect,
        "calls": each.calls,
        "findings": [_finding(finding) for finding in each.findings],
    }


def _finding(finding: Finding) -> Json:
    changes = profile_file.table("", "", finding.changes)[1]
    return {
        "name": finding.name,
        "state": finding.verdict.state,
        "says": finding.verdict.says,
        "remedy": finding.verdict.remedy,
        "needed": finding.needed,
        "changes": {name: changes[name] for name in finding.changes},
    }
