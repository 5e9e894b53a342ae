"""claude-proxy demo: a conversation through the real proxy, without any account."""

import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from claude_proxy.cli.common import url

if TYPE_CHECKING:
    import httpx

    from claude_proxy.settings import Settings

_HOST = "127.0.0.1"
_FIRST_PORT = 8085
_PATIENCE = 30.0  # seconds
_CITY_WEATHER = "18 degrees with light rain"

_ASKED = "What is the weather like in Paris?"
_TOOL = {
    "name": "get_weather",
    "description": "The weather in a city, now.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string"}},
        "required": ["city"],
    },
}

_CONNECT = """
To connect a client to this demo:

  export ANTHROPIC_BASE_URL={url} ANTHROPIC_API_KEY=demo
  claude -p "Who are you?"

  curl -N {url}/v1/messages -H 'content-type: application/json' -d '{{
    "model": "claude-sonnet-5", "max_tokens": 200, "stream": true,
    "messages": [{{"role": "user", "content": "Who are you?"}}]}}'

For a real model, set OPENAI_API_KEY (and OPENAI_BASE_URL) and start: claude-proxy"""


class DemoError(click.ClickException):
    """The answer did not come; status 1."""


@click.command()
@click.option("--once", is_flag=True, help="End after the answer.")
@click.option("--port", type=click.IntRange(1, 65535), help="Only this port, or none.")
def command(once: bool, port: int | None) -> None:
    """Show the proxy at work with a scripted model: no key, no network."""
    from claude_proxy.cli.demo_upstream import MODEL, create_upstream
    from claude_proxy.cli.ports import listen, listen_from, port_of
    from claude_proxy.server.app import create_app
    from claude_proxy.server.logs import configure_logs
    from claude_proxy.server.runner import serving

    upstream = listen(_HOST, 0)
    proxy = listen(_HOST, port) if port else listen_from(_HOST, _FIRST_PORT)
    settings = _settings(f"{url(_HOST, port_of(upstream))}/v1", MODEL)
    configure_logs(settings)
    app = create_app(settings)
    with serving(create_upstream(), settings, upstream), serving(app, settings, proxy) as address:
        click.echo("This demo talks to a SCRIPTED model: its answers are fixed, no AI is asked.")
        click.echo(f"  scripted upstream  {settings.openai_base_url}  (OpenAI Chat Completions)")
        click.echo(f"  claude-proxy       {address}  (Anthropic Messages)")
        talk(address)
        if not once:
            _serve_on(address)


def _settings(base_url: str, model: str) -> "Settings":
    """Nothing of the user's: the demo must look the same everywhere and spend no key."""
    from claude_proxy.settings import load_settings

    options = {
        "mode": "fixed",
        "openai_api_key": "demo",
        "openai_base_url": base_url,
        "big_model": model,
        "small_model": model,
        "host": _HOST,
        "log_level": "ERROR",
        "drain_seconds": 0,
    }
    return load_settings(options=options, environ={}, trusted_folder=False)


def _serve_on(address: str) -> None:
    click.echo(_CONNECT.format(url=address))
    click.echo(f"\nServing on {address} until Ctrl-C.")
    signal.signal(signal.SIGTERM, _end)
    forever = threading.Event()
    while not forever.wait(1.0):  # Without a timeout Windows would not see Ctrl-C.
        pass


def _end(number: int, frame: object) -> None:
    raise click.exceptions.Exit(128 + number)


def talk(address: str) -> None:
    """A question, the tool call that answers it, the tool's result, and the final answer.

    Raises `DemoError` when an answer does not come as it must.
    """
    import httpx

    messages: list[dict[str, Any]] = [{"role": "user", "content": _ASKED}]
    # trust_env: a web proxy of the user's could not reach this machine.
    with httpx.Client(base_url=address, timeout=_PATIENCE, trust_env=False) as client:
        blocks = _turn(client, messages)
        call = next((block for block in blocks if block["type"] == "tool_use"), None)
        if call is None:
            raise DemoError("the answer holds no tool call")
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": _CITY_WEATHER}
        messages += [
            {"role": "assistant", "content": blocks},
            {"role": "user", "content": [result]},
        ]
        click.echo(f"  client runs the tool: {_CITY_WEATHER}")
        _turn(client, messages)


def _turn(client: "httpx.Client", messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sends the conversation, prints the answer while it streams, returns its blocks."""
    import httpx

    body = {
        "model": "claude-sonnet-5",
        "max_tokens": 1000,
        "stream": True,
        "tools": [_TOOL],
        "messages": messages,
    }
    count = f"{len(messages)} message{'s' if len(messages) > 1 else ''}"
    click.echo(f"\n-> POST /v1/messages  model={body['model']} stream=true tools=1, {count}")
    if len(messages) == 1:
        click.echo(f"  user: {_ASKED}")
    try:
        with client.stream("POST", "/v1/messages", json=body) as answer:
            if answer.status_code != 200:
                raise DemoError(f"status {answer.status_code}: {answer.read().decode()}")
            return _show(_events(answer.iter_bytes()))
    except httpx.HTTPError as error:
        raise DemoError(f"the proxy did not answer: {error}") from error


def _events(chunks: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    from claude_proxy.codecs.jsonio import loads
    from claude_proxy.codecs.sse import SSEDecoder

    decoder = SSEDecoder()
    for chunk in chunks:
        yield from map(loads, decoder.feed(chunk))


def _show(events: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """Prints events as they come; the finished blocks. `DemoError` for errors and cut streams."""
    blocks: list[dict[str, Any]] = []
    texts: list[list[str]] = []
    for event in events:
        match event["type"]:
            case "content_block_start":
                blocks.append(event["content_block"])
                texts.append([])
                click.echo(f"  {_heading(event['content_block'])}", nl=False)
            case "content_block_delta":
                delta = event["delta"]
                piece = delta.get("text") or delta.get("partial_json") or ""
                texts[-1].append(piece)
                click.echo(piece, nl=False)
            case "content_block_stop":
                click.echo()
            case "message_delta":
                click.echo(f"<- {_summary(event)}")
            case "error":
                raise DemoError(event["error"]["message"])
            case "message_stop":
                return [_finished(*pair) for pair in zip(blocks, texts, strict=True)]
    raise DemoError("the stream ended before message_stop")


def _heading(block: dict[str, Any]) -> str:
    return f"tool_use {block['name']} " if block["type"] == "tool_use" else "assistant: "


def _summary(event: dict[str, Any]) -> str:
    usage = event["usage"]
    tokens = f"{usage['input_tokens']} tokens in, {usage['output_tokens']} out"
    return f"stop_reason={event['delta']['stop_reason']}, {tokens}"


def _finished(block: dict[str, Any], pieces: list[str]) -> dict[str, Any]:
    from claude_proxy.codecs.jsonio import loads

    text = "".join(pieces)
    if block["type"] == "tool_use":
        return {**block, "input": loads(text or "{}")}
    return {**block, "text": text}
