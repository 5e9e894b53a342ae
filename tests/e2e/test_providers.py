"""Five turns of the real Claude Code with every provider: nothing is refused, nothing is lost.

Claude Code itself echoes the thinking, runs two tools at once, and reads a picture.
"""

import base64
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.client import ClaudeCode, Outcome, furnish, png, user_line
from tests.e2e.script import ODD_TEXT
from tests.providers.fake import Provider
from tests.providers.said import Said
from tests.providers.stage import KEY, House, Stage
from tests.providers.table import PROVIDERS
from tests.upstream import Upstream, serving

pytestmark = pytest.mark.slow

PICTURE = base64.b64encode(png()).decode()


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with serving(Upstream()) as upstream, ExitStack() as stack:
        yield House(upstream, stack)


def answers(project: Path) -> tuple[Said, ...]:
    echo = {"command": "echo FIRST-OUT-üñí", "description": "Say a word"}
    picture = {"file_path": f"{project}/p.png"}
    wrong = {"command": "cat nowhere.txt", "description": "Read what is not there"}
    odd = {"file_path": f"{project}/odd.txt", "content": ODD_TEXT}
    return (
        Said(
            "A word\nand <b>a picture</b>: ü.",
            "Both at once. ✓",
            (("Bash", echo), ("Read", picture)),
        ),
        Said("Red. Now what fails.", "", (("Bash", wrong),)),
        Said("It failed.\n\nSo write it.", "Writing.", (("Write", odd),)),
        Said("All is done.", "FIRST-DONE with **marks**"),
        Said("The same picture.", "SECOND-DONE"),
    )


def picture_line() -> str:
    """A picture of the user's own."""
    source = {"type": "base64", "media_type": "image/png", "data": PICTURE}
    text = {"type": "text", "text": "And this one?"}
    return user_line([text, {"type": "image", "source": source}])


def check_run(run: Outcome, said: tuple[Said, ...], provider: Provider) -> None:
    """What Claude Code printed is what the provider said."""
    assert run.text == said[-1].text, run
    thoughts = [block["thinking"].strip("\n") for block in run.blocks("thinking")]
    assert "".join(thoughts) == "".join(each.thought for each in said if provider.shows)
    calls = [(block["name"], block["input"]) for block in run.blocks("tool_use")]
    assert calls == [call for each in said for call in each.calls]
    assert [b["text"] for b in run.blocks("text")] == [each.text for each in said if each.text]


def check_last_request(stage: Stage) -> None:
    """It holds the results of the tools, and both pictures or words about them."""
    sent = stage.upstream.last.body.decode()
    assert "FIRST-OUT-üñí" in sent and "nowhere.txt: No such file" in sent
    assert sent.count(PICTURE) == (2 if stage.provider.sees else 0)


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_five_turns(binary: Path, house: House, provider: Provider, tmp_path: Path) -> None:
    furnish(tmp_path)
    said = answers(tmp_path / "project")
    with house.staged(provider, *said) as stage:
        claude = ClaudeCode(binary, stage.server.url, KEY, tmp_path)
        env = {"CLAUDE_CODE_MAX_RETRIES": "0"}
        check_run(claude.run("What colour is it?", env=env), said[:4], provider)
        assert (claude.project / "odd.txt").read_text() == ODD_TEXT
        form = ("--continue", "--input-format", "stream-json")
        check_run(claude.run(None, *form, stdin=[picture_line()], env=env), said[4:], provider)
        check_last_request(stage)
        assert len(stage.upstream.posts) == len(said)
