"""One command that measures what the proxy costs, against a byte passthrough in the same run.

    python benchmarks/run.py              all scenarios, three rounds (about two minutes)
    python benchmarks/run.py --smoke      one short round; fails on errors, never on times
    python benchmarks/run.py --native     the upstream speaks Messages itself: the direct pass
    python benchmarks/run.py --json FILE  also writes all raw results

CPU figures are user + system time of all processes of a target. Rounds are interleaved, and each
ratio is taken within a round, because wall times and neighbors' load drift.
"""

import argparse
import json
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

RIG = Path(__file__).parent / "rig"
sys.path.insert(0, str(RIG))

import bench  # noqa: E402
import bodies  # noqa: E402

Run = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One line of the table: a scenario of the rig, its measure, and the ratio to reach."""

    scenario: str
    what: str
    measure: str
    unit: str
    goal: float


ROWS = (
    Row("small", "small request", "cpu_ms_req", "ms/request", 0.15),
    Row("cc", "245 kB Claude Code request", "cpu_ms_req", "ms/request", 1.0),
    Row("stream-each", "stream, one write per chunk", "cpu_us_chunk", "µs/chunk", 0.20),
    Row("pace500", "500 streams × 10 tokens/s", "cpu_us_chunk", "µs/chunk", 0.25),
)


def main() -> None:
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what we started is stopped
    raise_file_limit()
    mock_binary, loadgen = bench.build()
    rows = [row for row in ROWS if not args.only or row.scenario in args.only.split(",")]
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "log", "w+") as log:
        mock_port = free_port()
        mock = subprocess.Popen([mock_binary, "--port", str(mock_port)], stderr=log)
        targets = [
            base_target(mock_port, native=args.native),
            our_target(mock_port, folder, native=args.native),
        ]
        try:
            results = run(args, rows, targets, loadgen, mock_port, folder, log)
        finally:
            for target in targets:
                target.stop()
            mock.terminate()
            mock.wait()
        report(args, rows, targets, results)
        if failed(targets, results):
            log.seek(0)
            sys.exit(f"There were errors. The end of the log:\n{log.read()[-4000:]}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the proxy against a byte passthrough.")
    parser.add_argument("--smoke", action="store_true", help="one short round for CI")
    parser.add_argument("--native", action="store_true", help="without translation")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="comma list of: " + ", ".join(row.scenario for row in ROWS))
    parser.add_argument("--json", help="write all raw results to this file")
    args = parser.parse_args()
    args.scale = 0.3 if args.smoke else 1.0
    args.rounds = 1 if args.smoke else args.rounds
    return args


def raise_file_limit() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def base_target(mock_port: int, *, native: bool) -> bench.Target:
    port = free_port()
    arguments = f"passthru:app --port {port} --http httptools --loop uvloop --no-access-log".split()
    spec = {
        "name": "passthru",
        "url": f"http://127.0.0.1:{port}",
        "format": "anthropic" if native else "openai",
        "cmd": [sys.executable, "-m", "uvicorn", *arguments],
        "cwd": str(RIG),
        "env": {"BENCH_UPSTREAM": f"http://127.0.0.1:{mock_port}"},
    }
    return bench.Target(spec)


def our_target(mock_port: int, folder: str, *, native: bool) -> bench.Target:
    """The server as a user starts it: access log, auth and checks are on."""
    port = free_port()
    spec = {
        "name": "claude-proxy",
        "url": f"http://127.0.0.1:{port}",
        "cmd": [sys.executable, "-m", "claude_proxy", "--port", str(port)],
        "cwd": folder,  # no .env and no claude-proxy.toml of somebody else
        "env": {
            "OPENAI_BASE_URL": f"http://127.0.0.1:{mock_port}/{'anthropic' if native else 'v1'}",
            "OPENAI_API_KEY": "sk-bench",
            "CLAUDE_PROXY_AUTH_KEY": "sk-bench",
            "CLAUDE_PROXY_HOST": "127.0.0.1",
        },
    }
    return bench.Target(spec)


def run(
    args: argparse.Namespace,
    rows: list[Row],
    targets: list[bench.Target],
    loadgen: str,
    mock_port: int,
    folder: str,
    log: TextIO,
) -> dict[str, dict[str, list[Run]]]:
    """All measured runs, by scenario and target."""
    first = bodies.write(folder, "first", body("small", False, "bytes=10"))
    for target in targets:
        target.start(first[target.format], log)
    if any(target.dead for target in targets):
        return {}
    results: dict[str, dict[str, list[Run]]] = {}
    for row in rows:
        scenario = bench.SCENARIOS[row.scenario]
        paths = bodies.write(folder, row.scenario, body(*scenario[:3]))
        runs = results[row.scenario] = {target.name: [] for target in targets}
        for turn in range(args.rounds):
            for target in targets[:: 1 if turn % 2 else -1]:
                measured = bench.measure(
                    loadgen, target, paths[target.format], scenario, args.scale, mock_port
                )
                runs[target.name].append(measured)
    return results


def body(kind: str, stream: bool, directive: str) -> Run:
    return bodies.anthropic_body(kind, stream=stream, directive=directive)


def report(
    args: argparse.Namespace,
    rows: list[Row],
    targets: list[bench.Target],
    results: dict[str, dict[str, list[Run]]],
) -> None:
    base, ours = targets
    print(
        f"\n{'Smoke run' if args.smoke else f'Median of {args.rounds} rounds'}, one worker each.\n"
    )
    print("| CPU | unit | passthru | claude-proxy | ratio | goal | errors |")
    print("|---|---|---|---|---|---|---|")
    for row in rows if results else []:
        print(table_line(row, results[row.scenario][base.name], results[row.scenario][ours.name]))
    print("\n| | passthru | claude-proxy | goal |\n|---|---|---|---|")
    print(f"| start to first served request, s | {num(base.startup)} | {num(ours.startup)} | 0.7 |")
    print(f"| `claude-proxy --version`, s | | {num(version_seconds())} | 0.25 |")
    print(f"| RSS idle, MB | {num(base.idle)} | {num(ours.idle)} | 60 |")
    if paced := results.get("pace500"):
        for what, path, scale, goal in PACED:
            cells = [num(bench.med(paced[t.name], *path), scale) for t in targets]
            print(f"| {what} | {' | '.join(cells)} | {goal} |")
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=1))


PACED = (
    ("RSS at 500 streams, MB", ("rss",), 1.0, "90"),
    ("delay added to a token at 500 streams, p50, ms", ("delay", "p50"), 1e-3, "1"),
    ("the same, p99, ms", ("delay", "p99"), 1e-3, "50"),
)


def table_line(row: Row, base: list[Run], ours: list[Run]) -> str:
    ratios = [
        mine[row.measure] / theirs[row.measure]
        for mine, theirs in zip(ours, base, strict=True)
        if mine.get(row.measure) and theirs.get(row.measure)
    ]
    errors = sum(each["errors"]["total"] for each in ours)
    cells = [
        f"{row.what} (`{row.scenario}`)",
        row.unit,
        num(bench.med(base, row.measure)),
        num(bench.med(ours, row.measure)),
        f"{statistics.median(ratios):.3f}" if ratios else "-",
        f"{row.goal:.2f}",
        str(errors),
    ]
    return f"| {' | '.join(cells)} |"


def num(value: float | None, scale: float = 1.0) -> str:
    return str(bench.num(value, scale))


def version_seconds() -> float:
    """Wall time of `claude-proxy --version`, the best of five."""
    command = [sys.executable, "-m", "claude_proxy", "--version"]
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ)
        times.append(time.perf_counter() - begun)
    return min(times)


def failed(targets: list[bench.Target], results: dict[str, dict[str, list[Run]]]) -> bool:
    """Whether a target did not start, or a request of ours failed or none came through."""
    ours = targets[-1].name
    runs = [run for by_target in results.values() for run in by_target[ours]]
    broken = any(run["errors"]["total"] or not run["ok"] for run in runs)
    return broken or any(target.dead for target in targets)


if __name__ == "__main__":
    main()
