"""The official `openai` client in front of our server, with an upstream of each language."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.conftest import LiveServer, running, settings_for
from tests.sdk.conftest import KEY, VARIABLES
from tests.sdk.openai_models import CALLS, ChatModel, MessagesModel, Model
from tests.upstream import Upstream, eventually, serving

MODELS: dict[str, type[Model]] = {"chat": ChatModel, "messages": MessagesModel}
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
ADD: Any = {
    "name": "add",
    "description": "Adds",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
        "additionalProperties": False,
    },
}
TOOLS: Any = [{"type": "function", "function": ADD}]


class Number(BaseModel):
    number: int


@pytest.fixture(scope="module", params=MODELS)
def parts(request: pytest.FixtureRequest) -> Iterator[tuple[LiveServer, Upstream, Model]]:
    dialect, model = request.param, MODELS[request.param]()
    with serving(Upstream()) as upstream:
        upstream.answer(model)
        settings = settings_for(upstream, **VARIABLES, CLAUDE_PROXY_UPSTREAM_DIALECT=dialect)
        with running(settings) as server:
            yield server, upstream, model


@pytest.fixture
def live(parts: tuple[LiveServer, Upstream, Model]) -> LiveServer:
    return parts[0]


@pytest.fixture
def upstream(parts: tuple[LiveServer, Upstream, Model]) -> Upstream:
    parts[1].requests.clear()
    return parts[1]


@pytest.fixture
def model(parts: tuple[LiveServer, Upstream, Model]) -> Model:
    return parts[2]


@pytest.fixture
def client(live: LiveServer) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{live.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


def asking(content: Any) -> Any:
    return {"model": "claude-sonnet-5-5", "messages": [{"role": "user", "content": content}]}


def test_a_whole_answer_with_usage_and_id(client: OpenAI) -> None:
    answer = client.chat.completions.create(**asking("text"))
    assert answer.choices[0].message.content == "one two"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None and answer.usage.total_tokens > 20
    assert answer._request_id and answer._request_id.startswith("req_")


def test_a_stream_with_usage_at_its_end(client: OpenAI) -> None:
    options: Any = {"include_usage": True}
    stream = client.chat.completions.create(**asking("text"), stream=True, stream_options=options)
    chunks = list(stream)
    said = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert "".join(text for text in said if text) == "one two"
    assert chunks[-1].usage is not None and chunks[-1].usage.prompt_tokens > 20


def test_the_stream_helper_gathers_everything(client: OpenAI) -> None:
    with client.chat.completions.stream(**asking("tools"), tools=STRICT) as stream:
        final = stream.get_final_completion()
    calls = final.choices[0].message.tool_calls or []
    assert [call.function.parsed_arguments for call in calls] == [args for _, args in CALLS]
    assert final.choices[0].finish_reason == "tool_calls"


STRICT: Any = [{"type": "function", "function": {**ADD, "strict": True}}]


def test_parallel_calls_and_their_results_in_the_next_turn(client: OpenAI) -> None:
    first = client.chat.completions.create(**asking("tools"), tools=TOOLS)
    message = first.choices[0].message
    calls: Any = message.tool_calls
    assert [json.loads(call.function.arguments) for call in calls] == [args for _, args in CALLS]
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": str(sum(args.values()))}
        for call, (_, args) in zip(calls, CALLS, strict=True)
    ]
    history: Any = [*asking("tools")["messages"], message, *results]
    second = client.chat.completions.create(model="gpt-4o", messages=history, tools=TOOLS)
    assert second.choices[0].message.content == "result 9"


def test_older_functions(client: OpenAI) -> None:
    first = client.chat.completions.create(**asking("tool"), functions=[ADD])
    made = first.choices[0].message.function_call
    assert made is not None and json.loads(made.arguments) == CALLS[0][1]
    history: Any = [
        *asking("tool")["messages"],
        {"role": "assistant", "content": None, "function_call": made.model_dump()},
        {"role": "function", "name": "add", "content": "5"},
    ]
    second = client.chat.completions.create(model="gpt-4o", messages=history, functions=[ADD])
    assert second.choices[0].message.content == "result 5"


def test_images_and_files_arrive(client: OpenAI, model: Model) -> None:
    pdf = "data:application/pdf;base64," + base64.b64encode(b"%PDF-1.4").decode()
    content = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": pdf}},
        {"type": "text", "text": "text"},
    ]
    answer = client.chat.completions.create(**asking(content))
    assert answer.choices[0].message.content == "one two"
    sent = json.dumps(model.request)
    assert PNG in sent and pdf.partition(",")[2] in sent


def test_structured_output(client: OpenAI) -> None:
    answer = client.chat.completions.parse(**asking("json"), response_format=Number)
    assert answer.choices[0].message.parsed == Number(number=42)


ERRORS: list[tuple[str, type[openai.APIStatusError], str]] = [
    ("limit", openai.RateLimitError, "rate_limit_exceeded"),
    ("long", openai.BadRequestError, "context_length_exceeded"),
    ("key", openai.AuthenticationError, "invalid_api_key"),
    ("model", openai.NotFoundError, "model_not_found"),
    ("busy", openai.InternalServerError, "overloaded"),
]


@pytest.mark.parametrize(("word", "kind", "code"), ERRORS)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_the_client_s_own_with_their_codes(
    client: OpenAI, word: str, kind: type[openai.APIStatusError], code: str, stream: bool
) -> None:
    with pytest.raises(kind) as caught:
        client.chat.completions.create(**asking(word), stream=stream)
    assert caught.value.code == code and caught.value.request_id


def test_an_error_inside_a_stream_is_raised(client: OpenAI) -> None:
    stream = client.chat.completions.create(**asking("broken"), stream=True)
    with pytest.raises(openai.APIError, match="engine stopped"):
        list(stream)


def test_a_wrong_key_and_an_unknown_path(client: OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        client.with_options(api_key="wrong").chat.completions.create(**asking("text"))
    assert caught.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError) as missing:
        client.embeddings.create(model="m", input="x")
    assert missing.value.code == "unknown_url"


def test_a_client_that_leaves_closes_the_upstream(
    client: OpenAI, live: LiveServer, upstream: Upstream
) -> None:
    with client.chat.completions.create(**asking("slow"), stream=True) as stream:
        next(iter(stream))
    assert upstream.last.wait_left(4)
    assert eventually(lambda: httpx.get(f"{live.url}/health").json()["in_flight"] == 0)


def test_legacy_completions_whole_and_streamed(client: OpenAI) -> None:
    answer = client.completions.create(model="gpt-4o", prompt="text")
    assert answer.choices[0].text == "one two"
    stream = client.completions.create(model="gpt-4o", prompt="text", stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream if chunk.choices) == "one two"


@pytest.mark.parametrize("base", ["/v1", "/openai/v1", "/v1/v1"])
def test_models_and_answers_below_every_base(
    live: LiveServer, upstream: Upstream, base: str
) -> None:
    with OpenAI(base_url=live.url + base, api_key=KEY, max_retries=0) as client:
        ids = [model.id for model in client.models.list()]
        assert "scripted-large" in ids
        assert client.models.retrieve("scripted-large").id == "scripted-large"
        answer = client.chat.completions.create(**asking("text"))
        assert answer.choices[0].message.content == "one two"
