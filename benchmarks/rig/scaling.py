#!/usr/bin/env python3
"""How a proxy's CPU cost grows with body size, history length, stream length and event size.

    python scaling.py --targets targets.json --only a,b [--mock-port 18080] [--json out.json]

Each series grows one quantity by steps; the last column is the exponent of growth over the last
two steps (cost ~ n^exponent, after the cost of the smallest step is taken off): 1 is linear, 2 is
quadratic.  Steps stop for a target when one request costs more than --max-cpu seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import subprocess
import sys
import tempfile
import time

import bench
import bodies


# series: (what, steps, body builder, concurrency)
def _hist(n):
    return bodies.anthropic_body("cc", stream=False, directive="bytes=50", history=n)


def _system(n):
    return bodies.anthropic_body(
        "cc", stream=False, directive="bytes=50", history=4, tools=2, system_chars=n * 1000
    )


def _tools(n):
    return bodies.anthropic_body(
        "cc", stream=False, directive="bytes=50", history=4, system_chars=2000, tools=n
    )


def _text(n):
    return bodies.anthropic_body("small", stream=True, directive=f"chunks={n}")


def _args(n):
    return bodies.anthropic_body("small", stream=True, directive=f"chunks={n} tools=1")


def _event(n):
    return bodies.anthropic_body("small", stream=True, directive=f"chunks=1 pad={n * 1000}")


SERIES = {
    "history (messages)": ([10, 40, 160, 640], _hist),
    "system (kB)": ([50, 200, 800, 3200], _system),
    "tools": ([10, 40, 160, 640], _tools),
    "text stream (chunks)": ([100, 1000, 4000, 16000], _text),
    "tool argument stream (chunks)": ([100, 1000, 4000, 16000], _args),
    "one event (kB)": ([50, 200, 800, 3200], _event),
}


def main() -> None:
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ap.add_argument("--target", action="append", default=[])
    ap.add_argument("--targets")
    ap.add_argument("--only")
    ap.add_argument("--mock-port", type=int, default=18080)
    ap.add_argument("--seconds", type=float, default=1.0)
    ap.add_argument("--max-cpu", type=float, default=6.0)
    ap.add_argument("--json")
    a = ap.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    mock_bin, loadgen = bench.build()
    specs = [bench.parse_target(s) for s in a.target]
    if a.targets:
        listed = json.load(open(a.targets))
        specs += [s for s in listed if not a.only or s["name"] in a.only.split(",")]
    mock = subprocess.Popen([mock_bin, "--port", str(a.mock_port)], stderr=subprocess.DEVNULL)
    targets = [bench.Target(s) for s in specs]
    out: dict = {}
    try:
        time.sleep(0.2)
        with tempfile.TemporaryDirectory() as tmp:
            first = bodies.write(
                tmp, "first", bodies.anthropic_body("small", stream=False, directive="bytes=10")
            )
            for t in targets:
                t.start(first[t.format], subprocess.DEVNULL)
            targets = [t for t in targets if not t.dead]
            for series, (steps, make) in SERIES.items():
                print(
                    f"\n### {series}: CPU ms per request\n\n| target | "
                    + " | ".join(map(str, steps))
                    + " | exponent |\n"
                    + "|---" * (len(steps) + 2)
                    + "|"
                )
                made = {n: bodies.write(tmp, f"s{n}", make(n)) for n in steps}
                for t in targets:
                    costs, cells, spent = [], [], 0.0
                    for n in steps:
                        if spent > a.max_cpu:
                            cells.append("skipped")
                            continue
                        bench.load(loadgen, t, made[n][t.format], 1, None, 1, timeout=60)
                        t.refresh()
                        c0 = bench.cpu_seconds(t.pids)
                        r = bench.load(
                            loadgen, t, made[n][t.format], 1, a.seconds, None, timeout=60
                        )
                        cpu = bench.cpu_seconds(t.pids) - c0
                        if r["errors"]["total"] or not r["requests"]:
                            cells.append(
                                f"error {r['errors']['last_status'] or ''} "
                                f"{r['errors']['first'][:40]}".strip()
                            )
                            continue
                        spent = cpu / r["requests"]
                        costs.append((n, spent))
                        cells.append(bench.num(spent * 1e3))
                    e = "-"
                    if (
                        len(costs) >= 3
                        and costs[-1][1] > costs[0][1]
                        and costs[-2][1] > costs[0][1]
                    ):
                        (n1, x1), (n2, x2), base = costs[-2], costs[-1], costs[0][1]
                        growth = math.log((x2 - base) / (x1 - base))
                        e = f"{growth / math.log((n2 - costs[0][0]) / (n1 - costs[0][0])):.2f}"
                    out.setdefault(series, {})[t.name] = costs
                    print(f"| {t.name} | " + " | ".join(cells) + f" | {e} |", flush=True)
    finally:
        for t in targets:
            t.stop()
        mock.terminate()
        if a.json:
            json.dump(out, open(a.json, "w"))


if __name__ == "__main__":
    sys.exit(main())
