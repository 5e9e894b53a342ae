"""What of the CLI's own words a client may read."""

import pytest

from claude_proxy.codecs.claude_cli.errors import clean


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("ENOENT:/home/someone/x", "ENOENT:[path]"),
        ("open file:///home/someone/x", "open [path]"),
        ("cwd=/home/someone", "cwd=[path]"),
        ("(/root/a.js:1:2)", "([path]:1:2)"),
        ("//etc/passwd", "[path]"),
        ("~someone/x and ~/y", "[path] and [path]"),
        ("C:\\Users\\someone\\x", "[path]"),
        ("\\\\host\\share\\x", "[path]"),
        ("HOME=/root $HOME ${HOME}", "[variable] [variable] [variable]"),
        ("http://127.0.0.1:9/x 10.0.0.1:80", "[address] [address]"),
        ("a and/or b, image/png, 1/2", "a and/or b, image/png, 1/2"),
    ],
)
def test_nothing_of_the_machine_is_told(said: str, told: str) -> None:
    assert clean(said) == told


@pytest.mark.parametrize("part", ["/", "file:", "\\/", "~", "/a", "~a", "A="])
def test_long_nonsense_takes_no_time(part: str) -> None:
    assert len(clean(part * 100_000)) <= 500
