"""Refusals of upstreams that are asked in Messages: their words, and what is left out then."""

import json

import pytest

from claude_proxy.codecs import anthropic_messages, openai_chat
from claude_proxy.learning import PASSED_RULES, Correction, find_corrections
from claude_proxy.learning.correction import PASSED_PATHS
from claude_proxy.profiles import Profile
from tests.learning.wordings import SEEN, UNVERIFIED

PLAIN = Profile("plain")
EXTRA = "Extra inputs are not permitted"


def refusal(text, status=400):
    envelope = {"type": "error", "error": {"type": "invalid_request_error", "message": text}}
    return anthropic_messages.decode_error(status, json.dumps(envelope).encode())


def found(error, profile=PLAIN):
    finding = find_corrections(error, profile, rules=PASSED_RULES)
    return finding and [(each.field, each.value) for each in finding.corrections]


def left_out(*paths):
    return [("without", path) for path in paths]


BETAS = (
    "Unexpected value(s) `prompt-caching-scope-2026-01-05`, `structured-outputs-2025-12-15` for "
    "the `anthropic-beta` header. Please consult our documentation at docs.anthropic.com or try "
    "again without the header."
)
REFUSED_BETAS = [
    ("without_betas", "prompt-caching-scope-2026-01-05"),
    ("without_betas", "structured-outputs-2025-12-15"),
]
TAG = (
    "thinking: Input tag 'adaptive' found using 'type' does not match any of the expected tags: "
    "'disabled', 'enabled'"
)
WORDINGS = [
    # litellm#26240, 9router#1468, claude-code#21612, claude-code#51700
    (f"context_management: {EXTRA}", left_out("context_management")),
    (f"output_config: {EXTRA}", left_out("output_config")),
    (f"output_config.format: {EXTRA}", left_out("output_config.format")),
    (f"tools.0.custom.defer_loading: {EXTRA}", left_out("tools.defer_loading")),
    (f"tools.3.custom.input_examples: {EXTRA}", left_out("tools.input_examples")),
    # horselock/claude-code-proxy PR#14, KarpelesLab/teamclaude PR#297
    (f"system.2.cache_control.ephemeral.scope: {EXTRA}", left_out("system.cache_control.scope")),
    ("unknown parameter system.cache_control.scope", left_out("system.cache_control.scope")),
    # Wei-Shaw/sub2api#225
    (
        f"messages.13.content.0.thinking.cache_control: {EXTRA}",
        left_out("messages.content.cache_control"),
    ),
    # Unverified: what stands beside the words of a block, not the words.
    (f"messages.1.content.0.tool_use.caller: {EXTRA}", left_out("messages.content.caller")),
    (f"messages.2.content.1.text.citations: {EXTRA}", left_out("messages.content.citations")),
    # new-api#2975, zed#42715, claude-code#21767
    (BETAS, REFUSED_BETAS),
    (BETAS.replace("`", ""), REFUSED_BETAS),
    ("invalid beta flag: 'context-1m-2025-08-07'", [("without_betas", "context-1m-2025-08-07")]),
    (TAG, left_out("thinking")),
    (
        "context_management.edits.0: Input tag 'clear_thinking_20251015' found using 'type' does "
        "not match any of the expected tags",
        left_out("context_management"),
    ),
    ("output_config.effort: Input should be 'low' or 'high'", left_out("output_config.effort")),
    ("thinking.type: Input should be 'enabled' or 'disabled'", left_out("thinking")),
    ("adaptive thinking is not supported on this model", left_out("thinking")),
    ("this model does not support thinking", left_out("thinking")),
    # claude-code#2728
    (
        "max_tokens: 150000 > 32000, which is the maximum allowed number of output tokens",
        [("max_output_tokens", 32000)],
    ),
    ("Unsupported parameter: 'service_tier'", left_out("service_tier")),
    ('json: unknown field "metadata"', left_out("metadata")),
    ("The parameter `top_k` is not supported.", left_out("top_k")),
    (
        f"context_management: {EXTRA}; safeguards: {EXTRA}",
        left_out("context_management", "safeguards"),
    ),
    # What makes the request is never left out.
    (f"messages.0.content.0.text: {EXTRA}", None),
    (f"tools.0.custom.input_schema: {EXTRA}", None),
    (f"messages.1.content.0.tool_use.context_management: {EXTRA}", None),
    (f"max_tokens: {EXTRA}", None),
    ("tools.3: Input tag 'web_search_20250305' found using 'type' does not match", None),
    ("thinking.budget_tokens: Input should be greater than or equal to 1024", None),
    ("prompt is too long: 210000 tokens > 200000 maximum", None),
    ("Your credit balance is too low: metadata: Extra inputs are not permitted", None),
]


@pytest.mark.parametrize(("text", "learned"), WORDINGS)
def test_a_wording(text, learned):
    assert found(refusal(text)) == learned


def test_names_that_stand_apart():
    detail = [{"loc": ["body", "output_config", "format"], "msg": EXTRA}]
    error = openai_chat.decode_error(422, json.dumps({"detail": detail}).encode())
    assert found(error) == left_out("output_config.format")


def test_only_refusals_of_the_form_teach():
    assert found(refusal(f"metadata: {EXTRA}", 500)) is None
    assert found(refusal(f"metadata: {EXTRA}", 403)) is None


def test_what_is_known_is_not_learned_again():
    known = Correction("without", "metadata").apply(PLAIN)
    assert found(refusal(f"metadata: {EXTRA}"), known) is None


@pytest.mark.parametrize("path", PASSED_PATHS)
def test_every_path_can_be_learned(path):
    assert found(refusal(f"{path.replace('tools.', 'tools.0.')}: {EXTRA}")) == left_out(path)
    assert Correction("without", path).legal


@pytest.mark.parametrize("value", ["", "a", "A-1", "a_b", "a" * 81, 3, None, ("a-1",)])
def test_what_is_no_beta(value):
    assert not Correction("without_betas", value).legal


@pytest.mark.parametrize("rule", PASSED_RULES, ids=lambda rule: rule.pattern.pattern[:40])
def test_every_rule_has_its_wording(rule):
    texts = [text for text, _ in WORDINGS]
    for wording in (*SEEN, *UNVERIFIED):
        body = wording.body if isinstance(wording.body, str) else json.dumps(wording.body)
        error = openai_chat.decode_error(wording.status, body.encode())
        texts.append("\n".join([error.message, *error.params]))
    assert any(rule.pattern.search(text) for text in texts)
