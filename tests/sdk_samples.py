"""Samples of the `anthropic` SDK's types, made from their annotations.

A newer SDK brings its new blocks, tools and fields into the tests by itself.
"""

import types
from collections.abc import Container, Iterator
from itertools import count
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin

from typing_extensions import get_type_hints, is_typeddict

STRINGS = (str, object, Any)
WRAPPERS = (Annotated, Required, NotRequired)


def members(kind: Any) -> Iterator[Any]:
    """The members of a union, however deep; a type that is no union is its own only member."""
    origin = get_origin(kind)
    if origin in WRAPPERS:
        yield from members(get_args(kind)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(kind):
            yield from members(member)
    else:
        yield kind


def typed_dicts(union: Any) -> list[Any]:
    """The request types of a union; answer types, which the SDK takes as well, are left out."""
    return [member for member in members(union) if is_typeddict(member)]


def type_names(kind: Any) -> tuple[str, ...]:
    """The values that the `type` field of a typed dict can have, without null."""
    hint = get_type_hints(kind)["type"]
    return tuple(
        value for member in members(hint) for value in get_args(member) if isinstance(value, str)
    )


def is_required(kind: Any, name: str) -> bool:
    """Whether a typed dict must have the field. The SDK postpones its annotations, so that
    `__required_keys__` does not know."""
    origin = get_origin(get_type_hints(kind, include_extras=True)[name])
    return origin is Required or (kind.__total__ and origin is not NotRequired)


class Sampler:
    """Makes samples in which every string is different and says which field it is for.

    Of the fields that need not be there they have those of `optional`, or all.
    """

    def __init__(self, optional: Container[str] | None = None) -> None:
        self._numbers = count()
        self._optional = optional

    def samples(self, kind: Any, field: str = "") -> list[Any]:
        """At least one value of the type; a typed dict shows every variant of every field."""
        variants = [v for member in members(kind) for v in self._one(member, field)]
        return [v for v in variants if v is not None] or variants

    def _one(self, kind: Any, field: str) -> list[Any]:
        if is_typeddict(kind):
            return self._typed_dict(kind)
        origin, arguments = get_origin(kind), get_args(kind)
        if origin is Literal:
            return [arguments[0]]
        if origin is dict:
            return [{"key": self.samples(arguments[1], field)[0]}]
        if origin is not None and arguments:
            return [[variant] for variant in self.samples(arguments[0], field)]
        if kind in (int, float):
            return [next(self._numbers) + 1]
        if kind is bool:
            return [True]
        if kind in STRINGS or kind is str:
            return [f"{field}-{next(self._numbers)}-"]
        return [None] if kind is type(None) else []

    def _typed_dict(self, kind: Any) -> list[Any]:
        fields = {
            name: variants
            for name, hint in get_type_hints(kind).items()
            if (self._optional is None or name in self._optional or is_required(kind, name))
            and (variants := self.samples(hint, name))
        }
        base = {name: variants[0] for name, variants in fields.items()}
        more = [
            {**base, name: variant} for name, variants in fields.items() for variant in variants[1:]
        ]
        return [base, *more]
