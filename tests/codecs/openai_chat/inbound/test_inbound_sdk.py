"""Everything that the newest official SDK can put into a request arrives, is told, or refused."""

from pathlib import Path

from openai.types.chat import completion_create_params
from typing_extensions import get_type_hints

from claude_proxy.codecs.openai_chat.inbound.options import (
    CARRIED_FIELDS,
    DROPPED_FIELDS,
    REFUSED_FIELDS,
)
from claude_proxy.codecs.openai_chat.inbound.parts import PARTS

PAGE = Path(__file__).parents[4] / "docs" / "openai-clients.md"


def documented(title: str) -> dict[str, str]:
    """A table of the page: what stands first in each row → its fate."""
    section = PAGE.read_text(encoding="utf-8").split(f"## {title}\n")[1].split("\n## ")[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| `")]
    return {row[1].strip().strip("`"): row[2].strip() for row in rows}


def test_every_field_of_the_sdk_is_known() -> None:
    fields = get_type_hints(completion_create_params.CompletionCreateParamsStreaming)
    assert len(fields) > 30
    assert fields.keys() <= {*CARRIED_FIELDS, *DROPPED_FIELDS, *REFUSED_FIELDS}


def test_the_page_has_every_field() -> None:
    rows = documented("Chat fields")
    fates = {fate: {name for name in rows if rows[name] == fate} for fate in rows.values()}
    assert fates["dropped"] == set(DROPPED_FIELDS)
    assert fates["refused"] == set(REFUSED_FIELDS)
    assert fates["carried"] | fates["translated"] == CARRIED_FIELDS


def test_the_page_has_every_part() -> None:
    assert documented("Parts of a content").keys() == PARTS.keys()
