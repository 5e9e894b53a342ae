"""The backends of the matrix: our server in front of each kind of upstream.

Behind all of them stands the same scripted model, which speaks Chat Completions. Where a backend
wants an upstream that speaks Messages, a second server of ours is that upstream.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import LiveServer, running, settings_for
from tests.upstream import Upstream

KEY = "matrix-client-key"
INNER_KEY = "matrix-inner-key"
MODELS = {
    "CLAUDE_PROXY_BIG_MODEL": "scripted-large",
    "CLAUDE_PROXY_SMALL_MODEL": "scripted-small",
}


@contextmanager
def openai_compatible(upstream: Upstream, binary: Path) -> Iterator[LiveServer]:
    with running(settings_for(upstream, CLAUDE_PROXY_AUTH_KEY=KEY, **MODELS)) as server:
        yield server


@contextmanager
def anthropic_api(upstream: Upstream, binary: Path) -> Iterator[LiveServer]:
    with (
        speaking_messages(upstream) as inner,
        serving(
            {
                "CLAUDE_PROXY_BACKEND": "anthropic",
                "ANTHROPIC_FORWARD_URL": inner.url,
                "ANTHROPIC_API_KEY": INNER_KEY,
            }
        ) as server,
    ):
        yield server


@contextmanager
def claude_cli(upstream: Upstream, binary: Path) -> Iterator[LiveServer]:
    with speaking_messages(upstream) as inner:
        environ = {
            "CLAUDE_PROXY_BACKEND": "claude-cli",
            "CLAUDE_PROXY_CLI_COMMAND": str(binary),
            "CLAUDE_PROXY_CLI_ENV": f"ANTHROPIC_BASE_URL={inner.url},ANTHROPIC_API_KEY={INNER_KEY}",
        }
        with serving(environ) as server:
            yield server


@contextmanager
def speaking_messages(upstream: Upstream) -> Iterator[LiveServer]:
    """An upstream of Messages: the scripted model behind a server of ours."""
    with running(settings_for(upstream, CLAUDE_PROXY_AUTH_KEY=INNER_KEY, **MODELS)) as server:
        yield server


@contextmanager
def serving(environ: Mapping[str, str]) -> Iterator[LiveServer]:
    from claude_proxy.settings import load_settings

    known = {"CLAUDE_PROXY_AUTH_KEY": KEY, **environ}
    with running(load_settings(environ=known, trusted_folder=False)) as server:
        yield server


BACKENDS = {
    "OpenAI-compatible": openai_compatible,
    "Anthropic": anthropic_api,
    "Claude Code CLI": claude_cli,
}
