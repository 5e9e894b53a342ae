"""How far our token counts are from o200k's, by kind of text, and what a count costs.

    python benchmarks/tokens.py          # prints Markdown tables; needs the extra `tokens`

The kinds are those of tests/cases/tokens; the requests are Claude Code's, from tests/captures,
in which the client's own texts are replaced by their lengths. Requests are compared text by text:
what stands around messages and tools is our assumption in every column.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks" / "rig")]

from bodies import anthropic_body  # noqa: E402

from claude_proxy.server import o200k  # noqa: E402
from claude_proxy.tokens import estimate_text, measure  # noqa: E402

CASES = ROOT / "tests" / "cases" / "tokens"
CAPTURES = ROOT / "tests" / "captures"
CountText = Callable[[str], int]


def counters() -> dict[str, CountText]:
    """By name, the best one last; `bytes / 4` is what clients guess with."""
    found: dict[str, CountText] = {
        "bytes / 4": lambda text: len(text.encode()) // 4,
        "estimate": estimate_text,
    }
    exact = o200k.load()
    return {**found, "tiktoken": exact} if exact else found


def texts() -> Iterator[tuple[str, CountText]]:
    """Each kind of text, and how a counter counts it."""
    for path in sorted(CASES.glob("*.txt")):
        text = path.read_text("utf-8")
        yield path.stem, lambda count, text=text: count(text)


def requests() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "request.json", json.loads((CASES / "request.json").read_text("utf-8"))
    yield "245 kB, synthetic", anthropic_body("cc", stream=True, directive="")
    for path in sorted(CAPTURES.glob("*.json")):
        yield f"captured: {path.stem}", json.loads(path.read_text("utf-8"))


def row(kind: str, counts: dict[str, int], reference: int) -> str:
    errors = [f"{100 * (count / reference - 1):+.1f} %" for count in counts.values()]
    return "| " + " | ".join([kind, f"{reference:,}", *errors]) + " |"


def errors(named: dict[str, CountText]) -> Iterator[str]:
    stored = json.loads((CASES / "o200k.json").read_text("utf-8"))
    yield "| kind | o200k | " + " | ".join(named) + " |"
    yield "|---" * (len(named) + 2) + "|"
    for kind, apply in texts():
        counts = {name: apply(count) for name, count in named.items()}
        yield row(kind, counts, stored[f"{kind}.txt"])
    if "tiktoken" not in named:
        return
    totals = dict.fromkeys(named, 0)
    for kind, request in requests():
        counts = {name: measure(request, count).text for name, count in named.items()}
        if kind.startswith("captured"):
            totals = {name: totals[name] + count for name, count in counts.items()}
        else:
            yield row(kind, counts, counts["tiktoken"])
    yield row(f"{len(list(CAPTURES.glob('*.json')))} captured requests", totals, totals["tiktoken"])


def milliseconds(work: Callable[[], object], rounds: int = 15) -> float:
    """CPU time of the best round."""
    best = float("inf")
    for _ in range(rounds):
        before = time.process_time()
        work()
        best = min(best, time.process_time() - before)
    return best * 1000


def costs(named: dict[str, CountText]) -> Iterator[str]:
    request = anthropic_body("cc", stream=True, directive="")
    size = len(json.dumps(request, ensure_ascii=False).encode())
    yield f"| counter | CPU ms for a request of {size // 1000} kB |"
    yield "|---|---|"
    for name, count in named.items():
        yield f"| {name} | {milliseconds(lambda count=count: measure(request, count)):.1f} |"


def main() -> None:
    named = counters()
    if "tiktoken" not in named:
        print("Without the extra `tokens`: no column for tiktoken, and no requests.\n")
    print(*errors(named), "", *costs(named), sep="\n")


if __name__ == "__main__":
    main()
