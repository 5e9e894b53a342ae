"""claude-proxy doctor: whether everything fits together, and what the model can do."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from claude_proxy.cli.common import config_option, model_options, say

if TYPE_CHECKING:
    from claude_proxy.doctor.examination import Examination, Wish
    from claude_proxy.settings import Settings

_SETTINGS = ("openai_base_url", "big_model", "middle_model", "small_model")
_FAILS, _MISCONFIGURED = 1, 2


@click.command()
@click.option("--model", "named", metavar="NAME", multiple=True, help="Probes this one instead.")
@click.option(
    "--tier",
    "tiers",
    type=click.Choice(["big", "middle", "small"]),
    multiple=True,
    help="Probes the model of this tier.  [default: all three]",
)
@click.option("--upstream", metavar="NAME", default="default", help="An [upstreams.NAME].")
@click.option("--no-probes", is_flag=True, help="Looks at settings and connection only.")
@click.option("--write", is_flag=True, help="Writes what was found where the server reads it.")
@click.option("--output", metavar="PATH", type=click.Path(dir_okay=False), help="Writes it there.")
@click.option("--fresh", is_flag=True, help="Forgets what an earlier --write has found.")
@click.option("--record", metavar="DIR", type=click.Path(file_okay=False), help="Keeps all calls.")
@click.option("--json", "json_out", is_flag=True, help="As one JSON object.")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds for each call.")
@click.option("--yes", is_flag=True, help="Does not ask before it calls the models.")
@model_options
@config_option
def command(write: bool, **options: Any) -> None:
    """Check settings and upstream, and probe what the models can do.

    Makes some twenty small calls to each model. Status 0: all that Claude Code needs works; 1: not;
    2: a wrong setting. No key is printed or recorded.
    """
    from claude_proxy.doctor.profile_file import read
    from claude_proxy.settings import profiles_path

    settings, output = _load(options), options["output"]
    path = Path(output) if output else profiles_path(os.environ)
    known = frozenset(read(path)) if path else frozenset()
    wish = _wish(settings, known, options)
    target = path if write or output else None
    if (write or output) and target is None:
        from claude_proxy.cli import Failure

        raise Failure("Nobody knows your home folder: name a file with --output.")
    raise click.exceptions.Exit(_run(wish, target, options))


def _wish(settings: "Settings", known: frozenset[str], options: dict[str, Any]) -> "Wish":
    from claude_proxy.doctor.examination import Wish, wanted_models
    from claude_proxy.routing import DEFAULT
    from claude_proxy.settings import SettingsError

    name = options["upstream"]
    if name != DEFAULT and name not in settings.upstreams:
        raise SettingsError(f"--upstream: there is no [upstreams.{name}].")
    if (settings if name == DEFAULT else settings.upstreams[name]).dialect == "claude-cli":
        raise SettingsError(
            "The doctor examines servers, and this upstream is the Claude Code CLI: see /health "
            "and /test-connection of a running proxy."
        )
    return Wish(
        settings=settings,
        models=wanted_models(settings, options["tiers"], options["named"], name),
        upstream=name,
        timeout=options["timeout"],
        known=known,
        fresh=options["fresh"],
        record=Path(options["record"]) if options["record"] else None,
    )


def _run(wish: "Wish", target: Path | None, options: dict[str, Any]) -> int:
    import asyncio

    from claude_proxy.doctor.examination import Examination
    from claude_proxy.doctor.findings import Finding
    from claude_proxy.doctor.report import Lines, advice, as_json, failures, headings, summary

    def show(section: str, finding: Finding) -> None:
        if not options["json_out"]:
            _echo(lines.of(section, finding))

    done = Examination(wish, show)
    lines = Lines(headings(wish.models, done))
    ready = asyncio.run(_examine(done, wish, options))
    written = _write(done, target) if target and done.models else None
    lost = _not_in_force(done, wish, options) if written and not options["output"] else []
    wrong = failures(done, None if lost else written)
    status = (_FAILS if wrong else 0) if ready else _MISCONFIGURED
    if options["json_out"]:
        from claude_proxy.codecs.jsonio import dumps_text

        click.echo(dumps_text(as_json(done, written, status)))
    elif ready:
        _echo(advice(done, written))
        _echo(summary(done, wrong))
    for line in lost:
        say(f"Warning: {line}")
    return status


async def _examine(done: "Examination", wish: "Wish", options: dict[str, Any]) -> bool:
    """Whether the settings are fit to serve with."""
    try:
        if not done.look():
            return False
        if await done.reach() and not options["no_probes"] and _agreed(done, wish, options):
            await done.probe()
        return True
    finally:
        await done.aclose()


def _agreed(done: "Examination", wish: "Wish", options: dict[str, Any]) -> bool:
    """Says what it costs, and asks where a person sits."""
    from claude_proxy.doctor.probes import TOKENS_A_CALL, calls_in

    count = sum(calls_in(done.dialect(model)) for model in wish.models)
    say(
        f"About {count} small calls ({', '.join(wish.models)}), some {count * TOKENS_A_CALL:,} "
        "tokens in all."
    )
    asks = sys.stdin.isatty() and not options["yes"] and not options["json_out"]
    return not asks or click.confirm("Go on?", default=True, err=True)


def _write(done: "Examination", target: Path) -> str:
    from claude_proxy.doctor.profile_file import merged, read, write

    write(target, merged(read(target), done.tables()))
    return str(target)


def _not_in_force(done: "Examination", wish: "Wish", options: dict[str, Any]) -> list[str]:
    """Sentences about what was written and does not count, because the user has said otherwise."""
    from claude_proxy.doctor.runner import different

    finder = _load(options).profile_finder()
    lost: list[str] = []
    for each in done.models:
        now = finder.find(wish.upstream, done.base_url, each.model)
        names = [name for name in different(now, each.profile) if name in each.overrides]
        if names:
            said = ", ".join(names)
            lost.append(f"for {each.model}, your own settings of profiles win over this: {said}.")
    return lost


def _load(options: dict[str, Any]) -> "Settings":
    from claude_proxy.settings import load_settings

    about = {name: value for name, value in options.items() if name in _SETTINGS}
    return load_settings(options=about, config=options["config"])


def _echo(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
