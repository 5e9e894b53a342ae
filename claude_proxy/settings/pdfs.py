"""The settings of what becomes of PDFs."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from claude_proxy.settings import parse
from claude_proxy.settings.fields import Var

Pdf = Annotated[
    Literal["native", "text", "reject"],
    BeforeValidator(parse.lower),
    Var(
        "CLAUDE_PROXY_PDF",
        "What becomes of PDFs: `native` files where the upstream takes files, else their text; "
        "`text` always their text (extra `pdf`); `reject` 400.",
        "native, text or reject",
    ),
]
MaxCharacters = Annotated[
    int,
    Field(ge=1000, le=5_000_000),
    Var(
        "CLAUDE_PROXY_PDF_MAX_CHARACTERS",
        "Most characters of a PDF's text; 300,000 are some 100 dense pages, or 75,000 tokens.",
        "a whole number from 1000 to 5000000",
    ),
]
