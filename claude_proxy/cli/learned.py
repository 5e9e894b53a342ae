"""claude-proxy config learned: what servers have learned of their upstreams."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from claude_proxy.cli.common import config_option, remembering, say

if TYPE_CHECKING:
    from claude_proxy.server.lesson_file import Lesson


@click.command()
@click.option("--clear", is_flag=True, help="Forget it; with MODEL, only that of one model.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@config_option
@click.argument("model", required=False)
def learned(clear: bool, as_json: bool, config: str | None, model: str | None) -> None:
    """Show what was learned of upstreams: by the models, or for one MODEL.

    A running server notices within two seconds what is cleared here.
    """
    from claude_proxy.codecs.jsonio import dumps_text
    from claude_proxy.server import lesson_file

    path = _path(config)
    try:
        lessons = lesson_file.read(path)
        chosen = [lesson for lesson in lessons if model in (None, lesson.model)]
        if clear and chosen:
            lesson_file.change(path, lambda now: [each for each in now if each not in chosen])
    except (OSError, lesson_file.NotOurs) as error:
        raise _unusable(path, error) from error
    if as_json:
        click.echo(dumps_text({"file": str(path), "learned": [_row(each) for each in chosen]}))
        return
    for line in _lines(chosen):
        click.echo(line)
    if clear:
        say(f"{len(chosen)} cleared from {path}")
    elif not chosen:
        say(f"Nothing was learned{f' of {model}' if model else ''} ({path})")


def _path(config: str | None) -> Path:
    from claude_proxy.cli import Failure
    from claude_proxy.server.lessons import OFF
    from claude_proxy.settings import load_settings

    settings = load_settings(config=config)
    file = settings.learned_file or remembering(settings, os.environ).get("learned_file", OFF)
    if file.lower() == OFF:
        raise Failure("Corrections are kept in the server's memory only: CLAUDE_PROXY_LEARNED_FILE")
    return Path(file)


def _unusable(path: Path, error: Exception) -> click.ClickException:
    from claude_proxy.cli import Failure

    why = error.strerror if isinstance(error, OSError) else str(error)
    return Failure(f"{path} cannot be used: {why}")


def _row(lesson: "Lesson") -> dict[str, str]:
    return {
        "upstream": lesson.upstream,
        "address": lesson.address,
        "model": lesson.model,
        "correction": lesson.correction.sentence,
        "since": lesson.since,
        "said": lesson.said,
    }


def _lines(lessons: "list[Lesson]") -> Iterator[str]:
    before = None
    for lesson in lessons:
        if lesson.pair != before:
            yield _plain(f"{lesson.model} at {lesson.upstream} ({lesson.address})")
            before = lesson.pair
        yield _plain(f"  {lesson.correction.sentence}  [{lesson.since}: {lesson.said}]")


def _plain(text: str) -> str:
    """Models have the names that clients gave them: a terminal must not obey those."""
    return "".join(char if char.isprintable() else "?" for char in text)
