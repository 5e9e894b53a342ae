"""The setting of who counts tokens."""

from typing import Annotated, Literal

from pydantic import BeforeValidator

from claude_proxy.settings import parse
from claude_proxy.settings.fields import Var

TokenCounting = Annotated[
    Literal["auto", "tiktoken", "estimate"],
    BeforeValidator(parse.lower),
    Var(
        "CLAUDE_PROXY_TOKEN_COUNTING",
        "Who counts tokens: `auto` the upstream where it can, else as `tiktoken`; `tiktoken` the "
        "extra `tokens` if it is installed, else as `estimate`; `estimate` no tokenizer at all.",
        "auto, tiktoken or estimate",
    ),
]
