"""What runs before any of our code: `.pth` files, whose `import` lines every start executes."""

import sysconfig
from pathlib import Path

KNOWN = {
    "distutils-precedence.pth": "setuptools",
    "_virtualenv.pth": "virtualenv",
    "a1_coverage.pth": "coverage, for subprocesses",
}
"""Files with code that we know, and who puts them there."""


def unknown(folder: Path) -> list[str]:
    return sorted(
        path.name
        for path in folder.glob("*.pth")
        if path.name not in KNOWN
        # As `site` reads them: any other line is a folder.
        and any(
            line.startswith(("import ", "import\t"))
            for line in path.read_text(errors="replace").splitlines()
        )
    )


def test_no_unknown_pth_file_runs_code():
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    assert not [name for path in paths for name in unknown(Path(path))]


def test_the_check_finds_one(tmp_path):
    (tmp_path / "good.pth").write_text("/some/folder\n# import os\n")
    (tmp_path / "evil.pth").write_text("/some/folder\nimport os; os.system('true')\n")
    assert unknown(tmp_path) == ["evil.pth"]
