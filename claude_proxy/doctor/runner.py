"""Goes through the list of probes with one model, and finds the profile under which it works."""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any, NamedTuple, cast

from claude_proxy.codecs.jsonio import dumps
from claude_proxy.doctor.findings import ADDRESS, KEY, Changes, Finding, Heard, Seen, Verdict
from claude_proxy.doctor.probes import PROBES, Probe
from claude_proxy.doctor.talk import Talk
from claude_proxy.native import Dialect
from claude_proxy.profiles import Profile
from claude_proxy.settings.profiles import field_value
from claude_proxy.types import Json
from claude_proxy.types.anthropic import MessagesRequest

BUDGET, LARGE_BUDGET = 256, 2048
"""Output tokens of a probe; the larger one for models that spend the smaller one on reasoning."""
_GOOD = ("ok", "unknown")
_FATAL = {
    401: f"The key is wrong: set {KEY}.",
    402: "The account has no credit left.",
    403: "The key may not use this model.",
    404: "Set CLAUDE_PROXY_BIG_MODEL and CLAUDE_PROXY_SMALL_MODEL to models of this upstream.",
    429: "Wait, or ask for a higher rate.",
    504: "Give it more time (--timeout), or look at the server's load.",
}
_CHECK = f"Check {ADDRESS}, and that the server runs."


class Examined(NamedTuple):
    """What is known of a model after its probes."""

    model: str
    tiers: tuple[str, ...]
    base: Profile
    """Without what an earlier run has written."""
    before: Profile
    """As the server had it before."""
    profile: Profile
    """As it should be."""
    findings: tuple[Finding, ...]
    calls: int
    dialect: Dialect = "chat"
    """The language in which it was asked."""

    @property
    def overrides(self) -> dict[str, Any]:
        """What has to be said of this model beside `base`."""
        return different(self.base, self.profile)

    @property
    def news(self) -> dict[str, Any]:
        """What the server does not know yet."""
        return different(self.before, self.profile)

    @property
    def failures(self) -> list[Finding]:
        """What Claude Code needs, and does not work as things are."""
        return [
            finding
            for finding in self.findings
            if finding.needed and finding.verdict.state in ("failed", "unknown")
        ]


def different(before: Profile, after: Profile) -> dict[str, Any]:
    names = [field.name for field in fields(Profile)]
    pairs = {name: (getattr(before, name), getattr(after, name)) for name in names}
    return {name: new for name, (old, new) in pairs.items() if new != old}


class Runner:
    """Probes one model. Mutable: its profile gets better as it goes."""

    def __init__(
        self, talk: Talk, model: str, profile: Profile, *, clean: Callable[[str], str] = str
    ) -> None:
        self._talk = talk
        self._model = model
        self._clean = clean
        self._seen = Seen(talk.dialect(model, profile))
        self._kept: dict[bytes, Heard] = {}
        self._budget = BUDGET
        self._fatal = False
        self.profile = profile

    @property
    def dialect(self) -> Dialect:
        return self._seen.dialect

    async def run(self, on_finding: Callable[[Finding], None]) -> tuple[Finding, ...]:
        found = []
        for probe in PROBES:
            if self.dialect not in probe.dialects:
                continue
            finding = self._cleaned(await self._find(probe))
            found.append(finding)
            on_finding(finding)
        return tuple(found)

    def _cleaned(self, finding: Finding) -> Finding:
        """Upstreams quote keys, too."""
        verdict = finding.verdict
        return finding._replace(verdict=verdict._replace(says=self._clean(verdict.says)))

    async def _find(self, probe: Probe) -> Finding:
        before = self._talk.calls
        verdict, changes = await self._verdict(probe)
        self.profile = replace(self.profile, **changes)
        if probe is PROBES[0] and verdict.state == "failed" and not changes:
            # Whatever it is, all other probes would meet it, too.
            self._fatal = True
        calls = self._talk.calls - before
        return Finding(probe.name, verdict, probe.needed, changes, calls)

    async def _verdict(self, probe: Probe) -> tuple[Verdict, Changes]:
        if self._fatal:
            return Verdict("unknown", "not asked."), {}
        if probe.ask is None:
            heard = self._seen.of(probe.of)
            if heard is None:
                return Verdict("unknown", "not asked."), {}
            return probe.judge(heard, self._seen), {}
        skipped = probe.skip(self._seen)
        return (skipped, {}) if skipped else await self._try(probe, probe.ask(self._seen))

    async def _try(self, probe: Probe, question: Json) -> tuple[Verdict, Changes]:
        """The verdict as things are, and the changes under which it is better."""
        under = self._possible(probe.under(self._seen))
        if under is None:
            return Verdict("unknown", "this version cannot ask for it."), {}
        heard = await self._ask(probe, question, under)
        verdict = self._judge(probe, heard)
        learned = self._learned(probe, heard)
        if not self._needs_cure(probe, heard, verdict):
            return verdict, learned
        cured = await self._cure(probe, question, heard)
        if cured is not None:
            return verdict, {**learned, **cured}
        gone = self._possible(self._otherwise(probe)) if heard.refused else None
        return verdict, {**learned, **(gone or {})}

    def _learned(self, probe: Probe, heard: Heard) -> Changes:
        return self._possible(probe.learn(heard, self._seen)) or {}

    def _needs_cure(self, probe: Probe, heard: Heard, verdict: Verdict) -> bool:
        if heard.error is not None:
            return heard.refused and verdict.state not in _GOOD
        return verdict.state == "failed" or (verdict.state == "degraded" and probe.cure_weak)

    async def _cure(self, probe: Probe, question: Json, first: Heard) -> Changes | None:
        """The first changes under which the upstream does what it should, else something."""
        tried = [first.sent]
        weak: Changes | None = None
        for changes in self._cures(probe):
            sent = self._talk.encoded(self._request(question), replace(self.profile, **changes))
            if sent in tried:
                continue
            heard = await self._ask(probe, question, changes)
            tried.append(sent)
            state = self._judge(probe, heard).state if heard.message is not None else "failed"
            if state == "ok":
                return changes
            if state == "degraded" and first.refused and weak is None:
                weak = changes
        return weak

    @property
    def _passes(self) -> bool:
        return self.dialect == "messages"

    @property
    def _as_it_is(self) -> bool:
        """Anthropic gets what its clients say, and says itself what is wrong with it."""
        return self._passes and self._talk.anthropics

    def _otherwise(self, probe: Probe) -> Changes:
        if self._as_it_is:
            return {}
        return probe.passed_otherwise if self._passes else probe.otherwise

    def _cures(self, probe: Probe) -> Iterator[Changes]:
        if self._as_it_is:
            return
        for cure in probe.passed_cures if self._passes else probe.cures:
            changes = self._possible(cure)
            if changes and replace(self.profile, **changes) != self.profile:
                yield changes

    def _possible(self, changes: Changes) -> dict[str, Any] | None:
        """The changes as `Profile` has them; None where this version knows no such thing."""
        found: dict[str, Any] = {}
        for name, value in changes.items():
            try:
                found[name] = field_value(name, list(value) if type(value) is tuple else value)
            except (KeyError, ValueError):
                return None
            if isinstance(found[name], frozenset):
                found[name] |= getattr(self.profile, name)  # It adds to what is known.
        return found

    def _judge(self, probe: Probe, heard: Heard) -> Verdict:
        error = heard.error
        if error is None:
            return probe.judge(heard, self._seen)
        if heard.refused and not (error.status == 404 and not self._seen.of("text")):
            better = probe.refusal(heard, self._seen)
            return better or Verdict(probe.refused, f"refused: {heard.said}")
        if probe is PROBES[0]:
            return Verdict("failed", heard.said, _FATAL.get(error.status, _CHECK))
        return Verdict("unknown", f"no answer ({error.status}): {heard.said}")

    async def _ask(self, probe: Probe, question: Json, changes: Changes) -> Heard:
        """The answer under changes of the profile."""
        profile = replace(self.profile, **changes)
        heard = await self._once(probe, question, profile)
        if heard.cut and "max_tokens" not in question:
            self._budget = LARGE_BUDGET
            heard = await self._once(probe, question, profile)
        self._seen.note(probe.name, heard)
        return heard

    async def _once(self, probe: Probe, question: Json, profile: Profile) -> Heard:
        """Equal requests are sent once."""
        request = self._request(question)
        key = dumps(self._talk.encoded(request, profile))
        if key not in self._kept:
            self._kept[key] = await self._talk.ask(probe.name, request, profile)
        return self._kept[key]

    def _request(self, question: Json) -> MessagesRequest:
        request = {"model": self._model, "max_tokens": self._budget, **question}
        return cast(MessagesRequest, request)
