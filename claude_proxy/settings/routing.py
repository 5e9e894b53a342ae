"""The settings of routing: rules, subagents, eyes, and the names of clients' keys."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf

from claude_proxy.codecs.jsonio import loads
from claude_proxy.routing import DEFAULT, SIDE_CALLS, TIERS, Router, Rule, conditions
from claude_proxy.settings import parse
from claude_proxy.settings.fields import Key, Names, SettingsError, Text, Var
from claude_proxy.settings.profiles import likely
from claude_proxy.settings.upstreams import NamedUpstream, check_places, lost

_MOST_RULES = 200
_LONGEST_NAME = 64
_NAME = re.compile(r"[\x20-\x7e]{1,64}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_TARGETS = ("model", "upstream")
_SWITCHES: Mapping[str, bool] = {"on": True, "off": False, "true": True, "false": False}


def rules(given: Any) -> tuple[Rule, ...]:
    """The tables `[[routes]]`, or a JSON array of them. `ValueError` names the first wrong one."""
    rows = _array(given) if isinstance(given, str) else given
    if not isinstance(rows, Sequence) or len(rows) > _MOST_RULES:
        raise ValueError(f"must be a list of at most {_MOST_RULES} tables")
    return tuple(_rule(row, number) for number, row in enumerate(rows, 1))


def _array(text: str) -> Any:
    try:
        return loads(text)
    except ValueError:
        raise ValueError("is not a JSON array of tables") from None


def _rule(row: Any, number: int) -> Rule:
    if isinstance(row, Rule):
        return row
    if not isinstance(row, Mapping):
        raise ValueError(f"route {number} must be a table")
    name = row.get("name", str(number))
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise ValueError(
            f"route {number}: name must be a text of at most {_LONGEST_NAME} plain characters"
        )
    try:
        rule = Rule(name=name, **_fields(row))
        _check(rule)
    except ValueError as error:
        raise ValueError(f"route {_called(name, number)}: {error}") from None
    return rule


def _called(name: str, number: int) -> str:
    return f"{number}" if name == str(number) else f'{number} "{name}"'


def _fields(row: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in row.items():
        if key == "name":
            continue
        if key not in _READERS:
            raise ValueError(f"{key} is not a key of a route{likely(key, _READERS)}")
        found[key] = _READERS[key](key, value)
    return found


def _check(rule: Rule) -> None:
    if rule.model is None and rule.upstream is None:
        raise ValueError("needs a model or an upstream to go to")
    if not conditions(rule):
        raise ValueError("has no condition, so that nothing behind it would be looked at")


def _text(key: str, value: Any) -> str:
    if not (isinstance(value, str) and value.strip()):
        raise ValueError(f"{key} must be a text")
    return value.strip()


def _globs(key: str, value: Any) -> tuple[str, ...]:
    found = [value] if isinstance(value, str) else value
    if not (isinstance(found, Sequence) and found and all(_is_text(each) for each in found)):
        raise ValueError(f"{key} must be a text or a list of texts")
    return tuple(each.strip() for each in found)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _globs_or_switch(key: str, value: Any) -> tuple[str, ...] | bool:
    return value if isinstance(value, bool) else _globs(key, value)


def _side_calls(key: str, value: Any) -> tuple[str, ...] | bool:
    found = _globs_or_switch(key, value)
    if not isinstance(found, bool) and not set(found) <= set(SIDE_CALLS):
        raise ValueError(f"{key} must be true, false, or some of {', '.join(SIDE_CALLS)}")
    return found


def _switch(key: str, value: Any) -> bool:
    found = _SWITCHES.get(value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise ValueError(f'{key} must be true or false, or "on" or "off"')
    return found


def _count(key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{key} must be a whole number, 1 or more")
    return value


def _headers(key: str, value: Any) -> tuple[tuple[str, str], ...]:
    if not (isinstance(value, Mapping) and value):
        raise ValueError(f'{key} must be a table like {{ "x-team" = "search*" }}')
    for name, glob in value.items():
        if not _HEADER.fullmatch(name) or not _is_text(glob):
            raise ValueError(f"{key} must hold names of headers and globs of their values")
    return tuple((name.lower(), glob.strip()) for name, glob in value.items())


def _entries(key: str, value: Any) -> tuple[str, ...]:
    found = parse.names(value)
    if not (isinstance(found, Sequence) and all(_is_text(each) for each in found)):
        raise ValueError(f"{key} must be a list of models")
    return tuple(each.strip() for each in found)


_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "model": _text,
    "upstream": _text,
    "fallbacks": _entries,
    "requested": _globs,
    "headers": _headers,
    "key": _globs,
    "agent": _globs_or_switch,
    "thinking": _switch,
    "effort": _globs,
    "side_call": _side_calls,
    "images": _switch,
    "tokens_over": _count,
}
"""A key of a table `[[routes]]` → what reads it; beside these there is `name`."""


def check_router(
    router: Router,
    upstreams: Mapping[str, NamedUpstream],
    keys: Collection[str],
    *,
    fixed: bool,
) -> None:
    """Raises `SettingsError` where something leads nowhere, or names an unknown key."""
    place = router.models.place
    wanted = targets(router)
    for label, named in wanted.items():
        check_alone(label, named, router.models.upstreams)
    places = {label: [place(target)[0] for target in named] for label, named in wanted.items()}
    for number, rule in enumerate(router.rules, 1):
        label = _label(rule, number)
        places[label] += [rule.upstream] if rule.upstream else []
        for key in rule.key or ():
            if key not in keys:
                raise SettingsError(f"{label}: CLAUDE_PROXY_CLIENT_KEYS has no key {key!r}.")
        if rule.upstream and rule.model and place(rule.model)[0] not in (DEFAULT, rule.upstream):
            raise SettingsError(f"{label}: model and upstream name two different upstreams.")
    check_places(places, upstreams, fixed=fixed)


def targets(router: Router) -> dict[str, list[str]]:
    """A setting's name, for people → what it names as `MODEL`, `MODEL@UPSTREAM` or `@UPSTREAM`."""
    models = router.models
    found = {
        "CLAUDE_PROXY_BIG_MODEL": [models.big],
        # Without one of its own it is the big one's.
        "CLAUDE_PROXY_MIDDLE_MODEL": [models.middle] if models.middle != models.big else [],
        "CLAUDE_PROXY_SMALL_MODEL": [models.small],
        "CLAUDE_PROXY_MODELS": [model for _, model in models.globs],
        "CLAUDE_PROXY_MODEL_ALIASES": [
            meant for _, meant in models.aliases if meant and meant.lower() not in TIERS
        ],
        "CLAUDE_PROXY_SUBAGENTS": list(router.subagents.values()),
        "CLAUDE_PROXY_VISION_MODEL": [router.vision] if router.vision else [],
    }
    for number, rule in enumerate(router.rules, 1):
        found[_label(rule, number)] = [
            *([rule.model] if rule.model else []),
            *(rule.fallbacks or ()),
        ]
    return found


def check_alone(label: str, named: Sequence[str], known: Collection[str]) -> None:
    """Raises `SettingsError` for `@NAME` of no upstream, which is no model's name either."""
    for target in named:
        if target.startswith("@") and (name := lost(target, known)):
            raise SettingsError(f"{label}: there is no [upstreams.{name}].")


def told_lost(wanted: Mapping[str, Sequence[str]], known: Collection[str]) -> Iterator[str]:
    """Warnings about targets that may have been meant for an upstream that is not there."""
    for label, named in wanted.items():
        for target in named:
            if name := lost(target, known):
                yield (
                    f"{label}: {target} is the whole name of a model, for there is no "
                    f"[upstreams.{name}]{likely(name, known)}."
                )


def _label(rule: Rule, number: int) -> str:
    return f"CLAUDE_PROXY_ROUTES: route {_called(rule.name, number)}"


def said(rule: Rule) -> dict[str, Any]:
    """A rule as its table has it."""
    found: dict[str, Any] = {"name": rule.name, **_plain(conditions(rule))}
    for name in _TARGETS:
        if getattr(rule, name) is not None:
            found[name] = getattr(rule, name)
    if rule.fallbacks is not None:
        found["fallbacks"] = list(rule.fallbacks)
    return found


def _plain(wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: dict(value) if name == "headers" else list(value) if _several(value) else value
        for name, value in wanted.items()
    }


def _several(value: Any) -> bool:
    return isinstance(value, tuple)


def _key_names(given: dict[str, Key]) -> dict[str, Key]:
    texts = [key.get_secret_value() for key in given.values()]
    if not all(_NAME.fullmatch(name) for name in given):
        raise ValueError("names must be of at most 64 plain characters")
    if not all(texts) or len(set(texts)) < len(texts):
        raise ValueError("keys must not be empty, and no two the same")
    return given


def _agents(given: dict[str, str]) -> dict[str, str]:
    # Nobody's name is empty, and whoever is unknown has none.
    if not all(name.strip() for name in given):
        raise ValueError("names must not be empty")
    return given


Rules = Annotated[
    tuple[InstanceOf[Rule], ...],
    BeforeValidator(rules),
    Var(
        "CLAUDE_PROXY_ROUTES",
        "Rules of where requests go, of which the first that fits decides: in the config file a "
        "table `[[routes]]` each; here a JSON array of such tables.",
        "a list of tables",
        private=True,
    ),
]
Subagents = Annotated[
    dict[str, Text],
    BeforeValidator(parse.mapping),
    AfterValidator(_agents),
    Var(
        "CLAUDE_PROXY_SUBAGENTS",
        "Models of Claude Code's agents: `agent:model,agent:model@upstream` or a JSON object; in "
        "the config file a table `[subagents]`.",
        "pairs like agent:model,agent:model or a JSON object of strings",
        aliases=("SUBAGENT_MAPPINGS",),
    ),
]
AgentFolders = Annotated[
    Names,
    Var(
        "CLAUDE_PROXY_AGENT_FOLDERS",
        "Folders of agents' definitions (`NAME.md`), beside `~/.claude/agents`.",
        "folders like /home/me/project/.claude/agents or a JSON array",
    ),
]
VisionModel = Annotated[
    Text | None,
    Var(
        "CLAUDE_PROXY_VISION_MODEL",
        "Serves requests with images whose own model cannot see them: `MODEL` or `MODEL@UPSTREAM`.",
        "a model name",
    ),
]
ClientKeys = Annotated[
    dict[str, Key],
    BeforeValidator(parse.mapping),
    AfterValidator(_key_names),
    Var(
        "CLAUDE_PROXY_CLIENT_KEYS",
        "Keys of clients by names, for rules: `name:key,name:key` or a JSON object. In fixed mode "
        "each of them is as good as CLAUDE_PROXY_AUTH_KEY, which must be set as well.",
        "pairs like name:key,name:key or a JSON object of strings",
        private=True,
    ),
    Field(repr=False),
]
