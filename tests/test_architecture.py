"""The shape of the house: who may import whom, what is pure, and how long things may get."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "claude_proxy"
MODULES = sorted(PACKAGE.rglob("*.py"))

LAYERS = (
    {"_version", "types"},
    {"errors", "profiles", "images", "native"},
    {"codecs", "learning", "routing", "tokens", "model_limits", "own_profiles"},
    {"compression"},
    {""},
    {"settings"},
    {"backends", "recording"},
    {"server"},
    {"doctor"},
    {"main", "cli", "__main__"},
)
"""From the bottom to the top; "" is the package itself. A part sees its layer and what is below."""

PARTS = set().union(*LAYERS)

STRANGERS = ({"backends", "recording"},)
"""Parts of one layer that do not know each other."""

PURE = (
    *("types", "errors", "profiles", "images", "native", "codecs", "learning", "routing"),
    *("tokens", "model_limits", "own_profiles", "compression"),
)
IMPURE_IMPORTS = frozenset(
    "aiohttp anyio asyncio contextvars datetime httpx logging multiprocessing os pathlib random"
    " secrets socket starlette structlog subprocess tempfile threading time uuid uvicorn".split()
)
IMPURE_CALLS = frozenset({"open", "print", "input"})

MOST_LINES_OF_A_MODULE = 400
MOST_LINES_OF_A_FUNCTION = 40


def part_of(module: str) -> str:
    """`claude_proxy.codecs.sse` belongs to `codecs`; the package itself to no part."""
    return f"{module}.".split(".")[1]


def level(part: str) -> int:
    """A name that is no part is a public name of the package itself."""
    known = part if part in PARTS else ""
    return next(at for at, layer in enumerate(LAYERS) if known in layer)


def imports(tree: ast.AST) -> Iterator[str]:
    """Full names of all the modules that are imported anywhere, be it inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield from (f"{module}.{alias.name}" for alias in node.names)


def upward(module: str, source: str) -> list[str]:
    """Imports that go up, or sideways to a stranger."""
    here, wrong = part_of(module), []
    for name in imports(ast.parse(source)):
        there = part_of(name) if name.startswith("claude_proxy.") else here
        strangers = any({here, there} == pair for pair in STRANGERS)
        if strangers or level(there) > level(here):
            wrong.append(name)
    return wrong


def impurities(source: str) -> list[str]:
    """What ties a module to the world: async code, clocks, chance, files, environment, logs."""
    tree = ast.parse(source)
    found = [name for name in imports(tree) if name.split(".")[0] in IMPURE_IMPORTS]
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            found.append(f"async code in line {node.lineno}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found += [node.func.id] if node.func.id in IMPURE_CALLS else []
    return found


def long_functions(source: str) -> list[str]:
    return [
        f"{node.name}: {length} lines"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > MOST_LINES_OF_A_FUNCTION
    ]


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


BY_NAME = {module_name(path): path for path in MODULES}
INSIDE = [name for name in BY_NAME if part_of(name)]


@pytest.mark.parametrize("module", INSIDE)
def test_every_part_has_its_layer(module: str) -> None:
    assert part_of(module) in PARTS


@pytest.mark.parametrize("module", INSIDE)
def test_imports_go_down(module: str) -> None:
    assert upward(module, BY_NAME[module].read_text()) == []


@pytest.mark.parametrize("module", [name for name in INSIDE if part_of(name) in PURE])
def test_pure_modules_are_pure(module: str) -> None:
    assert impurities(BY_NAME[module].read_text()) == []


@pytest.mark.parametrize("module", BY_NAME)
def test_modules_stay_short(module: str) -> None:
    assert len(BY_NAME[module].read_text().splitlines()) <= MOST_LINES_OF_A_MODULE


@pytest.mark.parametrize("module", BY_NAME)
def test_functions_stay_short(module: str) -> None:
    assert long_functions(BY_NAME[module].read_text()) == []


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("claude_proxy.codecs.sse", "from claude_proxy.errors import X", []),
        ("claude_proxy.codecs.sse", "from claude_proxy.server import app", ["server.app"]),
        ("claude_proxy.errors", "def f():\n import claude_proxy.codecs", ["codecs"]),
        ("claude_proxy.backends.http", "from claude_proxy import recording", ["recording"]),
        ("claude_proxy.settings", "import starlette", []),
        ("claude_proxy.cli.serve", "from claude_proxy import __version__", []),
        ("claude_proxy.codecs", "from claude_proxy import __version__", ["__version__"]),
    ],
)
def test_rule_of_layers_sees(module: str, source: str, wrong: list[str]) -> None:
    assert upward(module, source) == [f"claude_proxy.{name}" for name in wrong]


@pytest.mark.parametrize(
    "source",
    [
        "async def f(): ...",
        "import time",
        "from os import environ",
        "def f(path): return open(path)",
    ],
)
def test_rule_of_purity_sees(source: str) -> None:
    assert len(impurities(source)) == 1


def test_package_imports_without_environment_and_without_network_libraries() -> None:
    heavy = ("httpx", "aiohttp", "starlette", "uvicorn", "pydantic", "asyncio", "structlog")
    program = (
        "import sys, claude_proxy\n"
        f"sys.exit(' '.join(name for name in {heavy!r} if name in sys.modules) or 0)"
    )
    command = [sys.executable, "-I", "-c", program]
    done = subprocess.run(command, env={}, capture_output=True, text=True, cwd="/")
    assert (done.returncode, done.stderr) == (0, "")


def test_every_public_name_is_there() -> None:
    import claude_proxy

    assert [name for name in claude_proxy.__all__ if not hasattr(claude_proxy, name)] == []
