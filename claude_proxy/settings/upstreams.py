"""More upstreams than one: the tables `[upstreams.NAME]`, and what may stand in for a model."""

import re
from collections.abc import Container, Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from claude_proxy.codecs.jsonio import loads
from claude_proxy.native import Choice
from claude_proxy.profiles.claude_cli import ADDRESS
from claude_proxy.routing import DEFAULT
from claude_proxy.settings import parse
from claude_proxy.settings.fields import Key, SettingsError, Text

_SHOWN = 64
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


Spoken = Annotated[Choice, BeforeValidator(parse.lower)]


def _address(given: str) -> str:
    return given if given == ADDRESS else parse.base_url(given)


class NamedUpstream(BaseModel):
    """An upstream beside the default one, with a key of its own."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True
    )

    base_url: Annotated[str, AfterValidator(_address)]
    api_key: Key | None = Field(default=None, repr=False)
    """None for a server that wants no key, such as one on this machine."""
    azure_api_version: Text | None = None
    profile: Text | None = None
    dialect: Spoken = "auto"
    mode: Annotated[Literal["fixed", "passthrough"] | None, BeforeValidator(parse.lower)] = None
    """"passthrough": each client's own key goes there, and none else does."""
    headers: Annotated[dict[str, str], AfterValidator(parse.headers)] = Field(
        default_factory=dict, repr=False
    )
    """For every request to it."""

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.mode == "passthrough" and self.api_key is not None:
            raise ValueError("has an api_key, which mode passthrough would never use")
        return self

    @property
    def spends(self) -> bool:
        """Whether a key or a login of the server's own is spent there, whoever asks."""
        return self.mode == "fixed" and (self.api_key is not None or self.dialect == "claude-cli")

    @model_validator(mode="before")
    @classmethod
    def _addressed(cls, given: Any) -> Any:
        """The CLI has no address, and so nobody else has its own."""
        if not isinstance(given, dict):
            return given
        runs_cli = parse.lower(given.get("dialect")) == "claude-cli"
        if given.keys() & {"base_url", "api_key"} if runs_cli else given.get("base_url") == ADDRESS:
            raise ValueError("a table with the dialect claude-cli has no base_url and no api_key")
        return {"mode": "fixed", **given, "base_url": ADDRESS} if runs_cli else given


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


def lost(target: str, known: Container[str]) -> str:
    """The name behind the `@` of a target that looks like an upstream's, and is none's; else "".

    Versions of models (`claude-sonnet-4@20250514`) begin with a digit.
    """
    _, at, name = target.rpartition("@")
    named = at and _NAME.fullmatch(name) and not name[0].isdigit()
    return name if named and name not in known else ""


def check_places(
    places: Mapping[str, Iterable[str]], upstreams: Mapping[str, NamedUpstream], *, fixed: bool
) -> None:
    """Raises `SettingsError` where a setting leads to an upstream that is not there, or where in
    passthrough mode it is not said whose key is to be spent.

    `places`: for people, a setting's name → the names of upstreams that it leads to.
    """
    for setting, found in places.items():
        for name in found:
            if name == DEFAULT:
                continue
            if name not in upstreams:
                raise SettingsError(f"{setting}: there is no [upstreams.{name[:_SHOWN]}].")
            if not fixed and upstreams[name].mode is None:
                raise SettingsError(
                    f"{setting} leads to the upstream {name}, but in passthrough mode each "
                    "client's key belongs to the default one. Say whose key goes there: in "
                    f'[upstreams.{name}] mode = "fixed" (its api_key, spent for whoever reaches '
                    'this server) or "passthrough" (each client\'s own), or set a key of the '
                    "server's for the default upstream."
                )
