"""Wordings that name a keyword of a schema which an upstream does not know."""

import re
from collections.abc import Iterator

from claude_proxy.learning.correction import KEYWORDS, Correction
from claude_proxy.learning.refusal import Refusal
from claude_proxy.learning.rule import TEMPLATE, Corrections, Rule, rule
from claude_proxy.profiles import Profile

_WORD = re.compile(r"\$?\w{1,40}")

_KEPT_OUT = ("multipleOf", "uniqueItems", "contains", "patternProperties", "propertyNames")
"""What xgrammar has no grammar for, by vLLM's own check (vllm PR#30390)."""


def _keywords(found: re.Match[str], refusal: Refusal, profile: Profile) -> Corrections:
    words = _WORD.findall(found[1])
    return tuple(Correction("schema_without", word) for word in words if word in KEYWORDS)


def _format(found: re.Match[str], refusal: Refusal, profile: Profile) -> Corrections:
    return (Correction("schema_without", "format"),)


def _unsaid(found: re.Match[str], refusal: Refusal, profile: Profile) -> Corrections:
    return tuple(Correction("schema_without", word) for word in _KEPT_OUT)


def schema_rules() -> Iterator[Rule]:
    yield rule(
        "Gemini: agentic-flow#55, zed#44875, claude-code-router#187",
        r"Unknown name \\?\"(\$?\w{1,40})\\?\" at '[\w.]{0,40}tools\[\d{1,4}\][^']{1,300}'"
        r": Cannot find field",
        _keywords,
    )
    yield rule(
        "OpenAI, strict: oh-my-pi#206, chatlas PR#255",
        r"In context=\([^)]{0,300}\), '[\w-]{1,40}' is not a valid format",
        _format,
    )
    yield rule(
        "OpenAI, strict: node-DeepResearch#79, unverified",
        r"In context=\([^)]{0,300}\), '(\$?\w{1,40})' is not (?:permitted|supported)",
        _keywords,
    )
    yield rule(
        "llguidance behind vLLM: club-3090#45",
        r"Unimplemented keys: \[([^\]]{1,300})\]",
        _keywords,
        TEMPLATE,
    )
    yield rule(
        "xgrammar behind vLLM: vllm#16880",
        r"JSON schema contains features not supported by xgrammar",
        _unsaid,
        TEMPLATE,
    )
    yield rule(
        "any, unverified",
        r"(?:unsupported|unknown|unrecognized|disallowed) (?:JSON )?schema"
        r" (?:keyword|field|property|attribute|feature)s?:? ?[`'\"\[{(]{0,3}(\$?\w{1,40})",
        _keywords,
    )
    yield rule(
        "any, unverified",
        r"keyword [`'\"](\$?\w{1,40})[`'\"] is not (?:supported|permitted|allowed)",
        _keywords,
    )
