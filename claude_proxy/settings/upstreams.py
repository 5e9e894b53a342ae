"""More upstreams than one: the tables `[upstreams.NAME]`, and what may stand in for a model."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from claude_proxy.codecs.jsonio import loads
from claude_proxy.native import Choice
from claude_proxy.routing import Fallback
from claude_proxy.settings import parse
from claude_proxy.settings.fields import Key, SettingsError, Text

DEFAULT = "default"
"""The name of the upstream that the variables describe."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


Spoken = Annotated[Choice, BeforeValidator(parse.lower)]


class NamedUpstream(BaseModel):
    """An upstream beside the default one, with a key of its own."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True
    )

    base_url: Annotated[str, AfterValidator(parse.base_url)]
    api_key: Key | None = Field(default=None, repr=False)
    """None for a server that wants no key, such as one on this machine."""
    azure_api_version: Text | None = None
    profile: Text | None = None
    dialect: Spoken = "auto"


def tables(given: Any) -> Any:
    """TOML tables as they are, or a JSON object of objects."""
    if not isinstance(given, str):
        return given
    try:
        return loads(given)
    except ValueError:
        raise ValueError("is not a JSON object of tables") from None


def names(given: Mapping[str, NamedUpstream]) -> Mapping[str, NamedUpstream]:
    for name in given:
        if name == DEFAULT or not _NAME.fullmatch(name):
            raise ValueError(
                f'"{name[:64]}" cannot name an upstream: use letters, digits, - and _, and not '
                f'"{DEFAULT}"'
            )
    return given


def fallbacks(
    entries: Sequence[str], upstreams: Mapping[str, NamedUpstream], *, fixed: bool
) -> tuple[Fallback, ...]:
    """`MODEL`, `MODEL@UPSTREAM` or `@UPSTREAM` (for the same model there), in order.

    An `@` that no upstream's name follows is part of the model's name. Raises `SettingsError`
    where a server's key would be spent for clients that are not known.
    """
    found = tuple(_fallbacks(entries, upstreams))
    if not fixed and any(each.upstream != DEFAULT for each in found):
        raise SettingsError(
            "CLAUDE_PROXY_FALLBACKS names another upstream, but in passthrough mode each client's "
            "key belongs to the default one: set a key of the server's for it, or name models only."
        )
    return found


def _fallbacks(
    entries: Sequence[str], upstreams: Mapping[str, NamedUpstream]
) -> Iterator[Fallback]:
    for entry in entries:
        model, at, name = entry.rpartition("@")
        if at and (name in upstreams or name == DEFAULT):
            yield Fallback(name, model.strip() or None)
        else:
            yield Fallback(DEFAULT, entry)
