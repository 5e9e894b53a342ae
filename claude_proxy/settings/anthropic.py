"""The settings of Anthropic's own API as the upstream."""

from typing import Annotated

from pydantic import AfterValidator, Field

from claude_proxy.settings import parse
from claude_proxy.settings.fields import TRUTH, Key, Var

ApiKey = Annotated[
    Key | None,
    Var(
        "ANTHROPIC_API_KEY",
        "The key of the `anthropic` backend, used for all clients; never a check of clients.",
        private=True,
    ),
]
Version = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9._-]{1,64}$"),
    Var(
        "ANTHROPIC_VERSION",
        "The header `anthropic-version` for clients that send none.",
        "a version like 2023-06-01",
    ),
]
Demote = Annotated[
    bool,
    Var(
        "ANTHROPIC_DEMOTE_NONSTREAMING",
        "Asks Anthropic for streams where clients want whole answers, and folds them into one.",
        TRUTH,
    ),
]
ForwardUrl = Annotated[
    str,
    AfterValidator(parse.base_url),
    Var(
        "ANTHROPIC_FORWARD_URL",
        "Address of the `anthropic` backend: Anthropic's own, or a gateway to it.",
        private=True,
    ),
]
