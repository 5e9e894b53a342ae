"""The processes of the CLI backend, against a program that speaks its protocol."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvloop
from structlog.testing import capture_logs

from claude_proxy.backends import WireRequest, WireResponse
from claude_proxy.backends.claude_cli import Bounds, ClaudeCli, Command
from claude_proxy.codecs.claude_cli import StreamDecoder, encode_request, tool_names
from claude_proxy.codecs.fold import MessageFold
from claude_proxy.codecs.jsonio import dumps
from claude_proxy.errors import ClaudeProxyError, UpstreamError
from claude_proxy.profiles import profile_for
from claude_proxy.profiles.claude_cli import ADDRESS
from claude_proxy.types import Json

FAKE = Path(__file__).with_name("fake_claude.py")
CLI = profile_for(ADDRESS, "opus")
TOOL = {"name": "look", "description": "d", "input_schema": {"type": "object"}}


@dataclass(frozen=True, slots=True)
class Stage:
    cli: ClaudeCli
    log: Path

    @property
    def runs(self) -> list[int]:
        """The process IDs of all runs so far."""
        return [int(line) for line in self.log.read_text().split()] if self.log.exists() else []

    async def send(self, *contents: Any, **more: Any) -> WireResponse:
        return await self.cli.send(wire(*contents, **more))

    async def ask(self, *contents: Any, **more: Any) -> Any:
        """The whole message; raises what the answer says is wrong."""
        request: Any = body(*contents, **more)
        return await self.read(await self.cli.send(wire(*contents, **more)), request)

    async def read(self, response: WireResponse, request: Any) -> Any:
        names = tool_names(request, profile=CLI)
        decoder = StreamDecoder(profile=CLI, id="msg_1", model="opus", tool_names=names)
        fold = MessageFold()
        try:
            async for data in response:
                for event in decoder.feed(data):
                    fold.feed(event)
            for event in decoder.close():
                fold.feed(event)
        finally:
            await response.aclose()
        if decoder.error is not None:
            raise decoder.error
        return fold.message

    async def says(self, *contents: Any, **more: Any) -> str:
        message = await self.ask(*contents, **more)
        await self.settled()
        text: str = message["content"][0]["text"]
        return text

    async def settled(self) -> None:
        """When nobody is served any more."""
        await until(lambda: self.cli.pool.active == 0)

    async def gone(self) -> None:
        await until(lambda: not any(alive(id) for id in self.runs))


def body(*contents: Any, **more: Any) -> Json:
    roles = ("user", "assistant")
    messages = [{"role": roles[at % 2], "content": said} for at, said in enumerate(contents)]
    return {"model": "opus", "max_tokens": 99, "messages": messages, **more}


def result(id: str, content: Any) -> Json:
    return {"type": "tool_result", "tool_use_id": id, "content": content}


def wire(*contents: Any, **more: Any) -> WireRequest:
    request: Any = body(*contents, **more)
    return WireRequest(ADDRESS, dumps(encode_request(request, profile=CLI)))


def alive(id: int) -> bool:
    """Whether there is a process of this ID, be it a zombie, as long as it is ours to reap."""
    try:
        state, parent = Path(f"/proc/{id}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return False
    return state != "Z" or int(parent) == os.getpid()


async def until(fact: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, "it did not come true"
        await asyncio.sleep(0.01)


def variables(log: Path, **more: str) -> dict[str, str]:
    return {"FAKE_CLAUDE_LOG": str(log), **more}


@asynccontextmanager
async def stage(folder: Path, program: Path = FAKE, **bounds: Any) -> AsyncIterator[Stage]:
    log = folder / "runs"
    command = Command(str(program), variables(log))
    cli = ClaudeCli(command, Bounds(**{"line": 20.0, **bounds}))
    made = Stage(cli, log)
    try:
        yield made
    finally:
        await cli.aclose()
        assert not any(alive(id) for id in made.runs)
        assert cli.pool.active == 0


def run(play: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await play()

    asyncio.run(bounded())


def test_a_text_is_answered(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path) as on:
            message = await on.ask("Hello")
            assert message["content"] == [{"type": "text", "text": "Hello"}]
            assert message["stop_reason"] == "end_turn"
            assert message["usage"]["output_tokens"] == 2

    run(play)


@pytest.mark.fault("cli-words")
def test_nothing_of_a_request_stands_in_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret")

    async def play() -> None:
        async with stage(tmp_path) as on:
            told = json.loads(
                await on.says(
                    "--help",
                    "PROMPT",
                    "[[world]] PROMPT",
                    system="SYSTEM-PROMPT",
                    tools=[{**TOOL, "name": "PROMPT_tool", "description": "PROMPT"}],
                    output_config={"effort": "high"},
                    thinking={"type": "adaptive"},
                )
            )
            assert not any("PROMPT" in word or "--help" == word for word in told["argv"])
            assert ["--effort", "high"] == told["argv"][-2:]
            assert ["--tools", ""] == told["argv"][8:10]
            assert not any("permission" in word for word in told["argv"])
            variables = told["env"]
            assert not any("secret" in value for value in variables.values())
            assert variables["CLAUDE_CODE_DISABLE_ATTACHMENTS"] == "1"
            assert variables["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] == "99"
            assert variables["ANTHROPIC_CUSTOM_HEADERS"] == "x-claude-proxy-cli: 1"
            assert told["files"] == []
            assert told["group"]
            first = told["heard"][0]["request"]
            assert first["systemPrompt"] == "SYSTEM-PROMPT"

    run(play)


@pytest.mark.fault("cli-words")
def test_a_large_prompt_goes_through(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path) as on:
            words = "word " * 400_000
            assert await on.says(words) == words.strip()

    run(play)


def test_the_next_turn_needs_no_new_process(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path) as on:
            assert await on.says("One") == "One"
            thought = {"type": "thinking", "thinking": "t", "signature": "EqQB"}
            again: list[Json] = [thought, {"type": "text", "text": "One"}]
            assert await on.says("One", again, "Two") == "Two"
            assert len(on.runs) == on.cli.pool.started == 1
            told = json.loads(await on.says("One", "One", "Two", "Two", "[[world]]"))
            assert len(on.runs) == 1
            assert len([line for line in told["heard"] if line["type"] == "user"]) == 3

    run(play)


def test_a_quick_client_finds_its_process(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path) as on:
            said: list[str] = ["[[slow_end]]"]
            for _ in range(3):
                message = await on.ask(*said)
                said += [message["content"][0]["text"], "[[slow_end]]"]
            assert len(on.runs) == 1

    run(play)


@pytest.mark.parametrize(
    "other",
    [
        {"system": "Other"},
        {"tools": [TOOL]},
        {"metadata": {"user_id": "somebody else"}},
        {"output_config": {"effort": "low"}},
        {"contents": ("One", "Something that it never said", "Two")},
    ],
)
def test_another_conversation_gets_another_process(tmp_path: Path, other: Json) -> None:
    async def play() -> None:
        async with stage(tmp_path) as on:
            await on.says("One")
            more = {name: value for name, value in other.items() if name != "contents"}
            contents = other.get("contents", ("One", "One", "Two"))
            assert await on.says(*contents, **more) == "Two"
            assert len(on.runs) == 2

    run(play)


def test_a_history_is_replayed_in_order_and_asks_nobody(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path) as on:
            told = json.loads(await on.says("One", "Two", "Three", "Four", "[[world]]"))
            lines = told["heard"][1:]
            assert [line["type"] for line in lines] == ["user", "assistant"] * 2 + ["user"]
            assert [line.get("shouldQuery") for line in lines[::2]] == [False, False, None]

    run(play)


def test_parallel_calls_are_the_clients_and_the_same_process_goes_on(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path) as on:
            first = await on.ask("[[tools]]", tools=[TOOL])
            await on.settled()
            assert first["stop_reason"] == "tool_use"
            calls = [block for block in first["content"] if block["type"] == "tool_use"]
            assert [(c["id"], c["name"]) for c in calls] == [
                ("toolu_1", "look"),
                ("toolu_2", "look"),
            ]
            results: list[Json] = [
                result("toolu_2", "two"),
                result("toolu_1", "one"),
                {"type": "text", "text": "Go on."},
            ]
            asked = ("[[tools]]", first["content"], results)
            told = json.loads(await on.says(*asked, tools=[TOOL]))
            said = [[content["text"] for content in one["content"]] for one in told]
            assert said == [["one"], ["two", "Go on."]]
            assert len(on.runs) == 1
            last = await on.says(*asked, json.dumps(told), "And now?", tools=[TOOL])
            assert last == "And now?"
            assert len(on.runs) == 1

    run(play)


@pytest.mark.parametrize(
    "results",
    [
        [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "only one"}],
        [{"type": "text", "text": "Never mind."}],
        [result("toolu_1", "one"), {**result("toolu_2", "bad"), "is_error": True}],
        [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "one"},
            {
                "type": "tool_result",
                "tool_use_id": "toolu_2",
                "content": [{"type": "image", "source": {"type": "url", "url": "https://x/y"}}],
            },
        ],
    ],
)
def test_results_that_do_not_fit_are_replayed_to_a_new_process(
    tmp_path: Path, results: list[Json]
) -> None:
    async def play() -> None:
        async with stage(tmp_path) as on:
            first = await on.ask("[[tools]]", tools=[TOOL])
            await on.settled()
            more = [*results, {"type": "text", "text": "[[world]]"}]
            told = json.loads(await on.says("[[tools]]", first["content"], more, tools=[TOOL]))
            assert len(on.runs) == 2
            kinds = [block["type"] for block in told["heard"][-2]["message"]["content"]]
            assert kinds == ["text", "tool_use", "tool_use"]

    run(play)


def test_a_call_of_a_made_up_tool_is_answered_by_the_client(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path) as on:
            first = await on.ask("[[made_up]]", tools=[TOOL])
            assert first["content"][0]["name"] == "nobodys"
            await on.gone()
            more = [result("toolu_1", "No such tool."), {"type": "text", "text": "[[world]]"}]
            told = json.loads(await on.says("[[made_up]]", first["content"], more, tools=[TOOL]))
            heard = told["heard"][-1]["message"]["content"][0]
            assert heard["content"] == [{"type": "text", "text": "No such tool."}]

    run(play)


def test_a_process_that_is_gone_is_replaced(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path) as on:
            assert await on.says("[[once]]") == "[[once]]"
            await on.gone()
            assert await on.says("[[once]]", "[[once]]", "Two") == "Two"
            assert len(on.runs) == 2

    run(play)


def test_an_answer_with_a_schema_is_the_checked_one(tmp_path: Path) -> None:
    form = {"format": {"type": "json_schema", "schema": {"type": "object"}}}

    async def play() -> None:
        async with stage(tmp_path) as on:
            assert await on.says("[[structured]]", output_config=form) == '{"a":1}'
            asked = ("[[structured]]", '{"a":1}', "[[world]]")
            message = await on.ask(*asked, output_config=form)
            assert len(on.runs) == 1
            heard = json.loads(message["content"][0]["text"])["heard"]
            assert heard[0]["request"]["jsonSchema"] == {"type": "object"}

    run(play)


def test_the_cli_does_not_go_on_by_itself(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path) as on:
            message = await on.ask("[[limit]]")
            assert message["stop_reason"] == "max_tokens"
            assert message["content"] == [{"type": "text", "text": "cut he"}]
            await on.gone()

    run(play)


FAULTS = [
    ("crash", 502),
    ("early", 502),
    ("huge", 502),
    ("no_login", 401),
    ("overloaded", 529),
    ("mute", 504),
]


@pytest.mark.parametrize(("name", "status"), FAULTS)
@pytest.mark.fault("cli")
def test_faults_are_typed_errors_without_a_trace_of_the_machine(
    tmp_path: Path, name: str, status: int
) -> None:
    async def play() -> None:
        async with stage(tmp_path, line=1.0) as on:
            with pytest.raises(ClaudeProxyError) as caught:
                await on.ask(f"[[{name}]]")
            assert caught.value.status == status
            assert not any(word in caught.value.message for word in ("/", "root", "KEY"))
            await on.gone()

    run(play)


@pytest.mark.parametrize(
    ("name", "said"),
    [("flood", "flooded"), ("garbage", "clean"), ("odd_bytes", "a\ufffdb\ufffdc")],
)
@pytest.mark.fault("cli")
def test_what_is_printed_beside_the_answer_does_no_harm(
    tmp_path: Path, name: str, said: str
) -> None:
    async def play() -> None:
        async with stage(tmp_path) as on:
            assert await on.says(f"[[{name}]]") == said

    run(play)


@pytest.mark.parametrize("name", ["hang", "stubborn"])
@pytest.mark.fault("cli")
def test_whoever_leaves_ends_the_process(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("claude_proxy.backends.claude_cli.process.GRACE_SECONDS", 0.5)

    async def play() -> None:
        async with stage(tmp_path) as on:
            response = await on.send(f"[[{name}]]")
            await anext(aiter(response))
            left = time.monotonic()
            await response.aclose()
            await on.gone()
            assert time.monotonic() - left < (2 if name == "hang" else 4)

    run(play)


@pytest.mark.fault("cli")
def test_what_a_process_started_ends_with_it(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path) as on:
            assert await on.says("[[family]]") == "born"
            assert len(on.runs) == 2
            await on.gone()

    run(play)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_any_loop_in_any_thread_will_do(
    tmp_path: Path, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def play() -> None:
        async with stage(tmp_path) as on:
            assert await on.says("One") == "One"
            assert await on.says("One", "One", "Two") == "Two"
            for name in ("hang", "crash", "family"):
                response = await on.send(f"[[{name}]]")
                with suppress(UpstreamError):
                    await anext(aiter(response))
                await response.aclose()
            await on.settled()

    def serve() -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(asyncio.wait_for(play(), 30))

    with ThreadPoolExecutor(1) as thread:
        thread.submit(serve).result(40)


def test_a_whole_answer_has_its_time(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path, answer=0.5) as on:
            with pytest.raises(UpstreamError, match="in time") as caught:
                await on.ask("[[hang]]")
            assert caught.value.status == 504

    run(play)


@pytest.mark.fault("cli")
def test_a_process_that_never_gets_ready_is_given_up(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path, start=0.5) as on:
            with pytest.raises(UpstreamError, match="too long to start"):
                await on.ask("Hi", system="refuse to start")
            await on.gone()

    run(play)


@pytest.mark.fault("cli")
def test_a_process_that_does_not_read_is_given_up(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path, line=0.5) as on:
            with pytest.raises(UpstreamError) as caught:
                await on.ask("word " * 400_000, system="Be deaf from now on.")
            assert caught.value.status == 504
            await on.gone()

    run(play)


def test_more_than_the_processes_there_may_be_wait_and_are_refused(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path, processes=1, wait=0.3) as on:
            first = await on.send("[[hang]]")
            with pytest.raises(ClaudeProxyError) as caught:
                await on.ask("Two")
            assert (caught.value.status, caught.value.type) == (429, "rate_limit_error")
            assert caught.value.headers == {"retry-after": "1"}
            await first.aclose()
            assert await on.says("Three") == "Three"

    run(play)


def test_an_idle_process_makes_room(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path, processes=2, wait=5) as on:
            for words in ("One", "Two", "Three"):
                assert await on.says(words) == words
            assert len(on.runs) == 3
            assert await on.says("Three", "Three", "More") == "More"
            assert len(on.runs) == 3

    run(play)


def test_who_waits_gets_the_place_of_one_that_is_done(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path, processes=1, wait=20) as on:
            said = await asyncio.gather(*(on.ask(f"say {n}") for n in range(4)))
            texts = [message["content"][0]["text"] for message in said]
            assert texts == [f"say {n}" for n in range(4)]

    run(play)


def test_an_idle_process_ends_in_time(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path, idle=0.2) as on:
            await on.says("One")
            await on.gone()
            assert await on.says("One", "One", "Two") == "Two"

    run(play)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path, tmp_path / "nothing", processes=1) as on:
            for _ in range(2):
                with pytest.raises(UpstreamError, match="CLAUDE_PROXY_CLI_COMMAND"):
                    await on.ask("Hi")
            assert await on.cli.version() is None

    run(play)


def test_the_version_is_asked_once_in_a_while(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path) as on:
            assert await asyncio.gather(*(on.cli.version() for _ in range(5))) == ["9.8.7"] * 5
            assert await on.cli.version() == "9.8.7"

    run(play)


def test_models_are_listed_without_a_process(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path) as on:
            response = await on.cli.send(WireRequest(f"{ADDRESS}/models", method="GET"))
            listed = json.loads(b"".join([data async for data in response]))
            await response.aclose()
            assert [model["id"] for model in listed["data"]] == ["opus", "sonnet", "haiku"]
            assert on.runs == []

    run(play)


def test_closing_ends_all_and_can_begin_again(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path) as on:
            await on.says("One")
            await on.send("[[hang]]")
            await on.cli.aclose()
            assert not any(alive(id) for id in on.runs)
            assert await on.says("Two") == "Two"

    run(play)


def test_an_own_key_needs_no_login() -> None:
    start = {"model": "opus", "tools": []}
    assert "--bare" not in Command("claude", {}).line(start)
    keyed = Command("claude", {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_CUSTOM_HEADERS": "a: b"})
    assert "--bare" in keyed.line(start)
    assert keyed.environment()["ANTHROPIC_CUSTOM_HEADERS"] == "a: b\nx-claude-proxy-cli: 1"
    quiet = keyed.environment({"thinking": False})
    assert quiet["CLAUDE_CODE_DISABLE_THINKING"] == "1"


@pytest.mark.fault("cli")
def test_nothing_is_read_ahead_of_whoever_reads_slowly(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path) as on:
            response = await on.send("[[torrent]]")
            taken = f"{on.log}.taken"
            assert await anext(aiter(response))
            await asyncio.sleep(0.5)
            assert os.stat(taken).st_size < 32
            async for _ in response:
                pass
            await response.aclose()
            assert os.stat(taken).st_size == 256

    run(play)


@pytest.mark.fault("cli")
def test_the_log_tells_once_that_something_else_was_printed(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path) as on:
            with capture_logs() as lines:
                await on.says("[[garbage]]")
                await on.says("Hi")
            told = [line for line in lines if line["event"] == "cli_printed_no_json"]
            assert [line["log_level"] for line in told] == ["warning"]
            assert "odd" not in str(told)  # It might be part of an answer.

    run(play)


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.fault("cli")
def test_many_runs_leave_nothing_behind(tmp_path: Path, count: int) -> None:
    plays = ("Hi", "[[crash]]", "[[once]]", "[[early]]", "[[limit]]", "[[garbage]]")

    async def play() -> None:
        async with stage(tmp_path, idle=0.0) as on:
            before = len(os.listdir("/proc/self/fd"))
            for at in range(0, count, 6):
                asked = (on.ask(f"{words} {at}") for words in plays)
                await asyncio.gather(*asked, return_exceptions=True)
            await on.gone()
            await until(lambda: on.cli.pool.active == 0)
            assert len(on.runs) >= count
            assert len(os.listdir("/proc/self/fd")) <= before + 4

    async def bounded() -> None:
        async with asyncio.timeout(300):
            await play()

    asyncio.run(bounded())
