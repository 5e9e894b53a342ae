"""What the CLI says when it fails, as errors for clients: typed, and without paths or variables."""

import re
from collections.abc import Mapping

from claude_proxy.errors import UpstreamError
from claude_proxy.types import Json

MOST_TOLD = 500
"""Characters of a message."""

_PATH = re.compile(
    r"(?<![\w/\\.])(?:(?:file:)?[/\\]{0,2}|~[\w.-]*|[A-Za-z]:)(?:[/\\][\w.@+-]+)+[/\\]?"
)
_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9_]{2,}=\S*|\$\{?[A-Z_][A-Z0-9_]*\}?")
_ADDRESS = re.compile(r"https?://\S+|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\blocalhost:\d+")
_LEAD = re.compile(
    r"(?:Failed to authenticate\. |Prompt is too long(?: · )?)?"
    r"(?:API Error: )?(?:Request rejected \(\d{3}\) · |\d{3} )?"
)

_NOT_LOGGED_IN = (
    "The Claude Code CLI on the server is not logged in, or its login was refused: run `claude` "
    "there, as the user that the proxy runs as, and log in."
)
_NO_FORM = "The model's answers did not follow the JSON schema, and the CLI gave up."

_TOO_LONG = frozenset({"prompt_too_long", "blocking_limit"})
"""As Anthropic says, and as the CLI sees by itself before it asks."""

_BY_SUBTYPE: Mapping[str, str] = {
    "error_max_structured_output_retries": _NO_FORM,
    "error_max_turns": "The CLI ended its turn before the answer was complete.",
    "error_max_budget_usd": "The CLI has reached its own limit of costs.",
    "error_during_execution": "The CLI was interrupted before its answer was complete.",
}


def clean(text: str) -> str:
    """A text of the CLI's without file paths, variables, addresses and control characters."""
    text = _ADDRESS.sub("[address]", text)
    text = _VARIABLE.sub("[variable]", text)
    text = _PATH.sub("[path]", text)
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:MOST_TOLD]


def failure(result: Json, model: str, kind: str = "") -> UpstreamError:
    """The error of a `result` line. `kind`: what the `assistant` line before it called it."""
    status, text = result.get("api_error_status"), result.get("result")
    told = clean(_LEAD.sub("", text, count=1)) if isinstance(text, str) else ""
    if result.get("terminal_reason") in _TOO_LONG:
        # The words by which Claude Code knows that it has to shorten its conversation.
        said = f"prompt is too long: {told}".rstrip(": ")
        return UpstreamError(said, status=400, quoted=True)
    if status == 401 or (status is None and kind == "authentication_failed"):
        return UpstreamError(_NOT_LOGGED_IN, status=401)
    if status == 404:
        return UpstreamError(f"model: {model}", status=404)
    if isinstance(status, int) and 400 <= status < 600:
        return UpstreamError(told or f"The CLI was answered {status}.", status=status, quoted=True)
    why = _BY_SUBTYPE.get(str(result.get("subtype")))
    return UpstreamError(why or told or "The CLI failed without saying why.", quoted=not why)
