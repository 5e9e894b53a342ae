"""A system prompt in a model's shorter words: one request for each prompt, then remembered.

Whatever goes wrong, the prompt is shortened by rules instead; a request never fails by it.
"""

import asyncio

import structlog
from starlette.types import Receive

from claude_proxy.codecs import Peek
from claude_proxy.codecs.jsonio import Body, dumps
from claude_proxy.compression import (
    LONGEST,
    Shortened,
    Texts,
    advice,
    estimate,
    read_prompt,
    with_summary,
)
from claude_proxy.errors import ClaudeProxyError, ProtocolError
from claude_proxy.server.body import Call
from claude_proxy.server.context import Context
from claude_proxy.server.pipeline import make_plan
from claude_proxy.server.prompts import Prompts
from claude_proxy.server.relay import ask
from claude_proxy.server.services import Services
from claude_proxy.server.watch import Watch
from claude_proxy.types import Json
from claude_proxy.types.anthropic import Message

WORTH_TOKENS = 256
"""Less advice than that is not worth a request."""

SECONDS = 30.0
MODEL = "haiku"
_AS_IT_IS = "messages"
_MOST_BYTES = 4 << 20
"""Of the answer, with whatever the model thought before."""
_ITS_OWN = frozenset({"authentication_error", "permission_error", "billing_error"})
"""Errors of a client's own key: another client may get a summary by its own."""

_TASK = (
    "You shorten the instructions that a coding assistant works by. Write them again in at most "
    "{words} words. Keep every rule, condition, name and number; leave out examples, reasons and "
    "repetition. Write in the same voice, in plain lines, and write nothing but the instructions."
)

log = structlog.get_logger("claude_proxy.summaries")


async def prepare(services: Services, context: Context, call: Call, receive: Receive) -> None:
    """Sees to it that this request's prompt has its summary, or is known to get none.

    Raises only when the client leaves, or the server ends.
    """
    prompts = services.prompts
    if prompts is None or not prompts.summarize:
        return
    route = services.spoken_to(services.route(call.peek()), call.surface)
    if route.dialect == _AS_IT_IS or services.passes(route, call.surface):
        return
    prompt = read_prompt(call.as_messages())
    if prompt is None or prompts.settled(prompt.texts):
        return
    task = prompts.running.get(prompt.texts)
    if task is None:
        task = asyncio.create_task(_make(services, prompts, context, prompt.texts))
        prompts.running[prompt.texts] = task
    async with Watch(receive, silence=SECONDS + 60, drain=services.drain):
        # Others may wait for it too: it goes on when this client leaves.
        await asyncio.shield(task)


async def _make(services: Services, prompts: Prompts, context: Context, texts: Texts) -> None:
    try:
        summary = await _summary(services, prompts, context, texts)
        prompts.keep(texts, summary)
    except (ClaudeProxyError, TimeoutError) as error:
        reason = error.type if isinstance(error, ClaudeProxyError) else "timeout_error"
        log.warning("summary_failed", request_id=context.id, error=reason)
        if services.settings.fixed or reason not in _ITS_OWN:
            prompts.keep(texts, None, failed=True)
    finally:
        del prompts.running[texts]


async def _summary(
    services: Services, prompts: Prompts, context: Context, texts: Texts
) -> Shortened | None:
    """None where it is not worth it. Raises if the upstream fails, or its summary is no use."""
    words = advice(texts)
    fixed = with_summary(texts, "x", prompts.limit)
    if fixed is None or estimate([words]) < WORTH_TOKENS:
        return None
    room = prompts.limit - fixed.after
    own = Context(context.path, context.headers, context.send)
    route = services.route(Peek(MODEL, stream=False))
    if route.dialect == _AS_IT_IS:
        raise ProtocolError("No model here can be asked for a summary.")
    plan = make_plan(services, own, Call(Body(dumps(_request(words, room)))), route)
    async with asyncio.timeout(SECONDS):
        message, _ = await ask(services, plan, _never, limit=_MOST_BYTES)
    text = _text(message)
    # Counting tokens takes its time; this is far above any prompt's limit.
    found = None if len(text) > LONGEST else with_summary(texts, text, prompts.limit)
    if found is None:
        raise ProtocolError("The summary of the system prompt is too long.")
    return found


def _request(words: str, room: int) -> Json:
    # Two words for three tokens, and some distance from the limit.
    task = _TASK.format(words=max(50, room // 2))
    content = f"<instructions>\n{words}\n</instructions>"
    return {
        "model": MODEL,
        "max_tokens": 2 * room + 1024,
        "thinking": {"type": "disabled"},
        "system": task,
        "messages": [{"role": "user", "content": content}],
    }


def _text(message: Message) -> str:
    texts = [block["text"] for block in message["content"] if block["type"] == "text"]
    text = "\n\n".join(texts).strip()
    if message["stop_reason"] != "end_turn" or not text:
        raise ProtocolError("There is no complete summary of the system prompt.")
    return text


async def _never() -> Json:
    """No client waits for a summary alone, so none leaves it."""
    await asyncio.Event().wait()
    return {}
