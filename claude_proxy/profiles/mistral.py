"""Mistral.

Sources: https://docs.mistral.ai/capabilities/reasoning and /inference/conversations/reasoning
(2026-11); unknown fields are 422 there, also inside of messages (platform-docs-public#7, mistral-go
PR#2). PDFs: `DocumentURLChunk` of mistralai/client-python,
https://docs.mistral.ai/studio/document-processing/document_qna (by way of laravel/ai PR#1017,
2026-09) and LibreChat PR#12144.
"""

from dataclasses import replace

from claude_proxy.profiles.generic import HOSTED
from claude_proxy.profiles.profile import ProfileRow

_HOSTS = ("api.mistral.ai", "codestral.mistral.ai")

_MISTRAL = replace(
    HOSTED,
    name="mistral",
    tool_choices=("auto", "none", "required"),
    required_word="any",
    after_tool="assistant",
    pdf="document_url",
    stream_usage=False,
    user_field=None,
    tool_id_length=9,
    tool_ids="alphanumeric",
)
_REASONING = replace(_MISTRAL, name="mistral/magistral", reasoning_history="thinking_parts")

ROWS: tuple[ProfileRow, ...] = (
    ProfileRow(_REASONING, models=("magistral*",), hosts=_HOSTS),
    ProfileRow(
        replace(_REASONING, name="mistral/adjustable", efforts=("none", "high")),
        models=(
            *("mistral-small-latest", "mistral-small-2603*", "mistral-small-4*"),
            *("mistral-medium-3-5*", "mistral-medium-3.5*"),
        ),
        hosts=_HOSTS,
    ),
    ProfileRow(
        replace(_REASONING, name="mistral/large-4", efforts=("low", "medium", "high")),
        models=("mistral-large-4*",),
        hosts=_HOSTS,
    ),
    ProfileRow(
        replace(_MISTRAL, name="mistral/codestral", vision="told", pdf="text"),
        models=("codestral*",),
        hosts=_HOSTS,
    ),
    ProfileRow(_MISTRAL, hosts=_HOSTS),
)
