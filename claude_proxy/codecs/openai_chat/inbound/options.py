"""The fields of a client's request beside its messages and tools."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from claude_proxy.codecs.jsonio import dumps_text
from claude_proxy.codecs.openai_chat.context import Notes
from claude_proxy.codecs.openai_chat.inbound.checks import (
    a_list,
    an_object,
    between,
    boolean,
    given,
    integer,
    needed,
    note_others,
    positive,
    string,
    wrong,
)
from claude_proxy.codecs.openai_chat.inbound.effort import EFFORT_FIELDS
from claude_proxy.codecs.openai_chat.inbound.schema import closed
from claude_proxy.errors import UnsupportedContentError
from claude_proxy.types import Json

CARRIED_FIELDS = frozenset(
    {"model", "messages", "tools", "functions", "tool_choice", "function_call"}
    | {"parallel_tool_calls", "max_tokens", "max_completion_tokens", "temperature", "top_p"}
    | {"top_k", "stop", "stream", "stream_options", "response_format", "user"}
    | {"safety_identifier", "service_tier", "cache_control", "web_search_options"}
    | EFFORT_FIELDS.keys()
)
"""Fields that are carried or translated."""

REFUSED_FIELDS = ("n", "modalities")
"""Fields that are refused unless they ask for what is done anyway."""

_NO_SAMPLING = "Claude has no such control of sampling"
_NOT_STORED = "nothing is stored here"
_CACHED = "prompts are cached by marks in the request (cache_control)"

DROPPED_FIELDS: Mapping[str, str] = {
    "frequency_penalty": _NO_SAMPLING,
    "presence_penalty": _NO_SAMPLING,
    "logit_bias": _NO_SAMPLING,
    "seed": "Claude has no seed; answers differ",
    "logprobs": "Claude gives no probabilities",
    "top_logprobs": "Claude gives no probabilities",
    "metadata": _NOT_STORED,
    "store": _NOT_STORED,
    "prediction": "Claude takes no predicted output",
    "verbosity": "not part of Messages",
    "audio": "Claude makes no audio",
    "moderation": "not part of Messages",
    "prompt_cache_key": _CACHED,
    "prompt_cache_options": _CACHED,
    "prompt_cache_retention": _CACHED,
}
"""Fields that are dropped with a note, and why. Fields not listed anywhere are unknown, and dropped
as such."""

_MEANINGLESS: Mapping[str, tuple[object, ...]] = {
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "metadata": ({},),
    "store": (False,),
    "verbosity": ("medium",),
}
"""Values that change nothing: leaving them out is no loss."""

_TIERS: Mapping[str, str] = {"auto": "auto", "default": "standard_only"}
_LONGEST_USER = 256

_ANY_JSON = "Answer with nothing but one valid JSON object, without a code fence around it."
_BY_SCHEMA = (
    "Answer with nothing but one JSON value that is valid under the following JSON schema, "
    "without a code fence around it:"
)


def note_fields(body: Json, notes: Notes) -> None:
    """Notes what is left out; refuses what asks for another kind of answer."""
    _refuse(body)
    for name, value in body.items():
        if name in CARRIED_FIELDS or name in REFUSED_FIELDS or value is None:
            continue
        if value not in _MEANINGLESS.get(name, ()):
            notes.drop(name, DROPPED_FIELDS.get(name, notes.foreign))


def _refuse(body: Json) -> None:
    if (given(body, "n", positive) or 1) > 1:
        raise UnsupportedContentError("n", "one request gets one answer; send it several times")
    for kind in given(body, "modalities", a_list) or ():
        if kind != "text":
            raise UnsupportedContentError("modalities", f"answers are text, not {kind}")


def token_limit(body: Json, notes: Notes, default: int) -> int:
    """The newer field's limit, the older one's, or the default."""
    newer = given(body, "max_completion_tokens", positive)
    older = given(body, "max_tokens", positive)
    if newer is not None and older is not None and newer != older:
        notes.drop("max_tokens", "max_completion_tokens is used")
    return newer or older or default


def sampling(body: Json, notes: Notes, *, thinking: bool) -> Json:
    """`temperature`, `top_p` and `top_k`, as Messages takes them together with each other."""
    fields: Json = {}
    temperature = given(body, "temperature", between(0, 2))
    top_p = given(body, "top_p", between(0, 1))
    if temperature is not None and temperature > 1:
        notes.drop("temperature", f"{temperature} lowered to 1, Claude's highest")
        temperature = 1
    if temperature is not None:
        fields["temperature"] = temperature
    # 1 is everywhere what nothing is, and newer Claude models take only one of the two.
    if top_p is not None and top_p != 1:
        if temperature is None:
            fields["top_p"] = top_p
        else:
            notes.drop("top_p", "Claude takes temperature or top_p, not both")
    if (top_k := given(body, "top_k", integer)) is not None and top_k > 0:
        fields["top_k"] = top_k
    return _while_thinking(fields, notes) if thinking else fields


def _while_thinking(fields: Json, notes: Notes) -> Json:
    """Thinking takes no temperature but 1, no `top_k`, and a `top_p` of 0.95 at least."""
    kept: Json = {}
    for name, value in fields.items():
        if (name == "temperature" and value == 1) or (name == "top_p" and value >= 0.95):
            kept[name] = value
        else:
            notes.drop(name, "cannot be set while Claude thinks")
    return kept


def stop_sequences(body: Json, notes: Notes) -> Json:
    asked = body.get("stop")
    if asked is None:
        return {}
    listed: Sequence[object] = [asked] if isinstance(asked, str) else a_list(asked, "stop")
    stops: list[str] = []
    for index, entry in enumerate(listed):
        stop = string(entry, f"stop.{index}")
        if stop.strip():
            stops.append(stop)
        else:
            notes.once("stop", "stop", "Claude takes no stop sequence of white space alone")
    return {"stop_sequences": list(dict.fromkeys(stops))} if stops else {}


def user_id(body: Json, notes: Notes) -> Json:
    """Who asks: `safety_identifier`, which took the place of `user`."""
    newer = given(body, "safety_identifier", string)
    older = given(body, "user", string)
    if newer and older and newer != older:
        notes.drop("user", "safety_identifier is used")
    user = newer or older
    if not user:
        return {}
    # Anthropic refuses what may identify a person, as an address does.
    if len(user) > _LONGEST_USER or "@" in user:
        user = sha256(user.encode("utf-8", "surrogatepass")).hexdigest()
    return {"metadata": {"user_id": user}}


def service_tier(body: Json, notes: Notes) -> Json:
    tier = given(body, "service_tier", string)
    if tier is None:
        return {}
    if tier not in _TIERS:
        notes.drop("service_tier", f'there is no tier "{tier}"')
        return {}
    return {"service_tier": _TIERS[tier]}


def stream(body: Json, notes: Notes) -> Json:
    wanted = given(body, "stream", boolean)
    options = given(body, "stream_options", an_object) or {}
    note_others(options, {"include_usage"}, "stream_options", notes)
    include_usage(body)
    return {} if wanted is None else {"stream": wanted}


def include_usage(body: Json, /) -> bool:
    """Whether the client wants a last chunk with the usage."""
    options = given(body, "stream_options", an_object) or {}
    return given(options, "include_usage", boolean, "stream_options") is True


def response_format(body: Json, notes: Notes) -> tuple[Json, str | None]:
    """What the answer has to look like: as `output_config.format`, or in words for the model."""
    path = "response_format"
    asked = given(body, path, an_object) or {}
    kind = needed(asked, "type", string, path) if asked else "text"
    if kind == "text":
        return {}, None
    if kind == "json_object":
        notes.drop(path, "JSON is not enforced, the model is told")
        return {}, _ANY_JSON
    if kind != "json_schema":
        raise wrong(f"{path}.type", "Input should be 'text', 'json_object' or 'json_schema'")
    described = needed(asked, "json_schema", an_object, path)
    schema = given(described, "schema", an_object, f"{path}.json_schema")
    if schema is None:
        notes.drop(path, "without a schema JSON is not enforced, the model is told")
        return {}, _ANY_JSON
    narrow = closed(schema)
    if narrow is None:
        notes.drop(path, "objects with any properties cannot be enforced, the model is told")
        return {}, f"{_BY_SCHEMA}\n{dumps_text(schema)}"
    about = given(described, "description", string, f"{path}.json_schema")
    if about and "description" not in narrow:
        narrow["description"] = about
    return {"format": {"type": "json_schema", "schema": narrow}}, None
