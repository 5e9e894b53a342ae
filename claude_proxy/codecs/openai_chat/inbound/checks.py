"""Values of a client's JSON, checked: the value with its type, or `RequestError` with its path."""

from collections.abc import Callable, Set
from typing import Any, TypeVar

from claude_proxy.codecs.anthropic_messages import MOST_ENTRIES, REQUIRED
from claude_proxy.codecs.openai_chat.context import Notes
from claude_proxy.errors import RequestError
from claude_proxy.types import Json

T = TypeVar("T")


def wrong(path: str, why: str) -> RequestError:
    return RequestError(f"{path}: {why}", param=path)


def string(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise wrong(path, "Input should be a valid string")
    return value


def filled(value: Any, path: str) -> str:
    """A string that says something."""
    if not string(value, path).strip():
        raise wrong(path, "String should have at least 1 character")
    return str(value)


def boolean(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise wrong(path, "Input should be a valid boolean")
    return value


def integer(value: Any, path: str) -> int:
    # `True` is an int in Python, not in JSON.
    if type(value) is not int:
        raise wrong(path, "Input should be a valid integer")
    return value


def positive(value: Any, path: str) -> int:
    if integer(value, path) < 1:
        raise wrong(path, "Input should be greater than or equal to 1")
    return int(value)


def number(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(path, "Input should be a valid number")
    return value


def between(least: float, most: float) -> Callable[[Any, str], float]:
    def check(value: Any, path: str) -> float:
        if not least <= number(value, path) <= most:
            raise wrong(path, f"Input should be between {least} and {most}")
        return float(value) if isinstance(value, float) else int(value)

    return check


def an_object(value: Any, path: str) -> Json:
    if not isinstance(value, dict):
        raise wrong(path, "Input should be a valid dictionary")
    return value


def a_list(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise wrong(path, "Input should be a valid list")
    if len(value) > MOST_ENTRIES:
        why = f"List should have at most {MOST_ENTRIES} items, not {len(value)}"
        raise RequestError(f"{path}: {why}", param=path, limit="entries")
    return value


def note_others(fields: Json, known: Set[str], path: str, notes: Notes) -> None:
    """Notes fields that nobody here reads, unless they are empty: each name once for all places."""
    if fields.keys() <= known:
        return
    for name, value in fields.items():
        if name not in known and value not in (None, False, "", [], {}):
            notes.once(f"field {name}", f"{path}.{name}", notes.foreign)


def given(fields: Json, name: str, check: Callable[[Any, str], T], path: str = "") -> T | None:
    """A checked field; None where it is missing or null, which means the same to clients."""
    value = fields.get(name)
    return None if value is None else check(value, f"{path}.{name}" if path else name)


def needed(fields: Json, name: str, check: Callable[[Any, str], T], path: str = "") -> T:
    place = f"{path}.{name}" if path else name
    if fields.get(name) is None:
        raise wrong(place, REQUIRED)
    return check(fields[name], place)
