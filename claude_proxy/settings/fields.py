"""The parts that the table of settings is made of."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from claude_proxy.errors import ClaudeProxyError
from claude_proxy.settings import parse


class SettingsError(ClaudeProxyError):
    """The settings cannot be used; the message names variable, source and what is allowed."""


@dataclass(frozen=True, slots=True)
class Var:
    """Where a field's value may come from, and its line in the documentation."""

    name: str
    help: str
    allowed: str = ""
    """Completes "must be …" when the value is refused."""
    aliases: tuple[str, ...] = ()
    """Other names of the same setting; the canonical name wins."""
    private: bool = False
    """Whether messages must not show the value."""


def _secret(value: SecretStr) -> SecretStr:
    return SecretStr(parse.key(value.get_secret_value()))


Names = Annotated[tuple[str, ...], BeforeValidator(parse.names)]
Key = Annotated[SecretStr, AfterValidator(_secret)]
Text = Annotated[str, Field(min_length=1)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveSeconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]

SECONDS = "a number of seconds, 0 or more"
POSITIVE_SECONDS = "a number of seconds above 0"
COUNT = "a whole number, 1 or more"
TRUTH = "true or false"
