"""The clients of the matrix: each can hold every conversation of `SCENES`, in its own language.

A conversation is one marker in a prompt (`tests/e2e/script.py`); the scripted model behind the
backend answers by it, and says a word that only comes when nothing was lost on the way.
"""

import base64
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import anthropic
import openai
from openai.lib.streaming.chat import ChatCompletionStreamState

from tests.e2e.client import ClaudeCode, furnish, png, user_line

Json = dict[str, Any]

MODEL = "claude-sonnet-5-5"
IMAGE = base64.b64encode(png()).decode()
WORD: Json = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}
_MOST_TURNS = 4


@dataclass(frozen=True, slots=True)
class Ended:
    """How a conversation ended: the last text, and the status where it ended in an error."""

    text: str
    status: int = 200
    calls: int = 0
    """Tools that the client ran."""


class Client(Protocol):
    def text(self) -> Ended: ...

    def tools(self) -> Ended:
        """One tool after the other."""

    def parallel(self) -> Ended:
        """Several tools in one turn."""

    def image(self) -> Ended: ...

    def error(self) -> Ended:
        """The upstream forbids it (403)."""

    def leaving(self) -> None:
        """Begins a long stream, reads the first piece of its text, and leaves."""


@dataclass(frozen=True, slots=True)
class ClaudeCodeClient:
    code: ClaudeCode

    def _ended(self, prompt: str | None, *args: str, **more: Any) -> Ended:
        # A refusal is looked at once; how often Claude Code asks again is tested elsewhere.
        run = self.code.run(prompt, *args, env={"CLAUDE_CODE_MAX_RETRIES": "0"}, **more)
        status = run.result.get("api_error_status") or (200 if run.code == 0 else 0)
        return Ended(run.text, status, len(run.blocks("tool_use")))

    def text(self) -> Ended:
        return self._ended("[[scenario:plain]] please")

    def tools(self) -> Ended:
        return self._ended("[[scenario:tools dir={dir}]] please")

    def parallel(self) -> Ended:
        return self._ended("[[scenario:parallel dir={dir}]] please")

    def image(self) -> Ended:
        source = {"type": "base64", "media_type": "image/png", "data": IMAGE}
        text = {"type": "text", "text": "[[scenario:image]] what is it"}
        line = user_line([text, {"type": "image", "source": source}])
        return self._ended(None, "--input-format", "stream-json", stdin=[line])

    def error(self) -> Ended:
        return self._ended("[[scenario:forbidden]] please")

    def leaving(self) -> None:
        child = self.code.start("[[scenario:long]] please")
        assert child.stdout is not None
        next(line for line in child.stdout if b"content_block_delta" in line)
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=20)


@dataclass(frozen=True, slots=True)
class AnthropicClient:
    sdk: anthropic.Anthropic

    def _asked(self, messages: list[Json], tools: bool) -> anthropic.types.Message:
        """Streamed with tools and whole without, so that each cell sees both."""
        offered = [{"name": "look_up", "description": "Looks a word up.", "input_schema": WORD}]
        asked: Json = {"model": MODEL, "max_tokens": 1000, "messages": messages}
        if not tools:
            return self.sdk.messages.create(**asked)
        with self.sdk.messages.stream(**asked, tools=offered) as stream:
            return stream.get_final_message()

    def _talk(self, content: str | list[Json], *, tools: bool = False) -> Ended:
        messages: list[Json] = [{"role": "user", "content": content}]
        calls = 0
        for _ in range(_MOST_TURNS):
            answer = self._asked(messages, tools)
            asked = [block for block in answer.content if block.type == "tool_use"]
            if not asked:
                texts = [block.text for block in answer.content if block.type == "text"]
                return Ended("".join(texts), calls=calls)
            assert answer.stop_reason == "tool_use"
            calls += len(asked)
            # Most recent first: clients send results in the order in which their tools end.
            results = [
                {"type": "tool_result", "tool_use_id": call.id, "content": looked_up(call.input)}
                for call in reversed(asked)
            ]
            said = [block.model_dump(exclude_none=True) for block in answer.content]
            messages += [
                {"role": "assistant", "content": said},
                {"role": "user", "content": results},
            ]
        raise AssertionError("the conversation does not end")

    def text(self) -> Ended:
        return self._talk("[[scenario:plain]] please")

    def tools(self) -> Ended:
        return self._talk("[[scenario:look_up]] please", tools=True)

    def parallel(self) -> Ended:
        return self._talk("[[scenario:look_up_both]] please", tools=True)

    def image(self) -> Ended:
        source = {"type": "base64", "media_type": "image/png", "data": IMAGE}
        text = {"type": "text", "text": "[[scenario:image]] what is it"}
        return self._talk([text, {"type": "image", "source": source}])

    def error(self) -> Ended:
        try:
            return self._talk("[[scenario:forbidden]] please")
        except anthropic.APIStatusError as error:
            return Ended(error.message, error.status_code)

    def leaving(self) -> None:
        messages: Json = {"messages": [{"role": "user", "content": "[[scenario:long]] please"}]}
        with self.sdk.messages.stream(model=MODEL, max_tokens=1000, **messages) as stream:
            next(iter(stream.text_stream))


@dataclass(frozen=True, slots=True)
class OpenAIClient:
    sdk: openai.OpenAI

    def _asked(self, messages: list[Json], tools: bool) -> Any:
        """Streamed with tools and whole without, so that each cell sees both."""
        asked: Json = {"model": MODEL, "messages": messages}
        if not tools:
            return self.sdk.chat.completions.create(**asked).choices[0].message
        function = {"name": "look_up", "description": "Looks a word up.", "parameters": WORD}
        asked["tools"] = [{"type": "function", "function": function}]
        state = ChatCompletionStreamState()
        with self.sdk.chat.completions.create(**asked, stream=True) as stream:
            for chunk in stream:
                state.handle_chunk(chunk)
        return state.get_final_completion().choices[0].message

    def _talk(self, content: str | list[Json], *, tools: bool = False) -> Ended:
        messages: list[Json] = [{"role": "user", "content": content}]
        calls = 0
        for _ in range(_MOST_TURNS):
            answer = self._asked(messages, tools)
            if not answer.tool_calls:
                return Ended(answer.content or "", calls=calls)
            calls += len(answer.tool_calls)
            asked = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.function.name, "arguments": call.function.arguments},
                }
                for call in answer.tool_calls
            ]
            messages.append({"role": "assistant", "content": answer.content, "tool_calls": asked})
            messages += [
                {"role": "tool", "tool_call_id": call.id, "content": _answered(call.function)}
                for call in reversed(answer.tool_calls)
            ]
        raise AssertionError("the conversation does not end")

    def text(self) -> Ended:
        return self._talk("[[scenario:plain]] please")

    def tools(self) -> Ended:
        return self._talk("[[scenario:look_up]] please", tools=True)

    def parallel(self) -> Ended:
        return self._talk("[[scenario:look_up_both]] please", tools=True)

    def image(self) -> Ended:
        url = {"url": f"data:image/png;base64,{IMAGE}"}
        text = {"type": "text", "text": "[[scenario:image]] what is it"}
        return self._talk([text, {"type": "image_url", "image_url": url}])

    def error(self) -> Ended:
        try:
            return self._talk("[[scenario:forbidden]] please")
        except openai.APIStatusError as error:
            return Ended(error.message, error.status_code)

    def leaving(self) -> None:
        messages: Any = [{"role": "user", "content": "[[scenario:long]] please"}]
        with self.sdk.chat.completions.create(
            model=MODEL, messages=messages, stream=True
        ) as stream:
            next(chunk for chunk in stream if chunk.choices and chunk.choices[0].delta.content)


def looked_up(given: object) -> str:
    """What the clients' one tool says."""
    assert isinstance(given, dict)
    return f"{given['word']}-FOUND"


def _answered(function: Any) -> str:
    return looked_up(json.loads(function.arguments))


@contextmanager
def claude_code(binary: Path, url: str, key: str, home: Path) -> Iterator[Client]:
    furnish(home)
    yield ClaudeCodeClient(ClaudeCode(binary, url, key, home))


@contextmanager
def anthropic_sdk(binary: Path, url: str, key: str, home: Path) -> Iterator[Client]:
    with anthropic.Anthropic(base_url=url, api_key=key, max_retries=0) as sdk:
        yield AnthropicClient(sdk)


@contextmanager
def openai_sdk(binary: Path, url: str, key: str, home: Path) -> Iterator[Client]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as sdk:
        yield OpenAIClient(sdk)


CLIENTS = {"Claude Code": claude_code, "anthropic SDK": anthropic_sdk, "openai SDK": openai_sdk}
