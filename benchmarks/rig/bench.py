#!/usr/bin/env python3
"""Benchmark HTTP proxies that translate Anthropic Messages to OpenAI Chat.  See ../README.md.

Only the standard library; the two C programs beside this file are compiled on first use.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import bodies

HERE = os.path.dirname(os.path.abspath(__file__))
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")

# name: (body kind, stream, directive, concurrency, seconds or None, requests or None, ramp seconds)
SCENARIOS = {
    "small": ("small", False, "bytes=400", 10, 3.0, None, 0),
    "cc": ("cc", False, "bytes=400", 4, 4.0, None, 0),
    "mb1": ("mb1", False, "bytes=400", 2, 4.0, None, 0),
    "stream-short": ("small", True, "chunks=1", 10, 3.0, None, 0),
    "stream-fast": (
        "small",
        True,
        "chunks=200",
        10,
        4.0,
        None,
        0,
    ),  # whole reply in one upstream write
    "stream-each": (
        "small",
        True,
        "chunks=200 burst=1",
        10,
        4.0,
        None,
        0,
    ),  # one upstream write per chunk, no pause
    "stream-tools": ("small", True, "chunks=200 tools=1", 10, 4.0, None, 0),
    "stream-long": ("small", True, "chunks=4000", 4, 4.0, None, 0),
    "pace1": (
        "small",
        True,
        "chunks=100 rate=100",
        1,
        None,
        3,
        0,
    ),  # unloaded: delay added per token
    "pace10": ("small", True, "chunks=100 rate=50", 10, None, 20, 1),
    "pace100": ("small", True, "chunks=60 rate=20", 100, None, 100, 1),
    "pace500": ("small", True, "chunks=50 rate=10", 500, None, 500, 2),  # 5000 tokens/s in all
    "pace500-slow": ("small", True, "chunks=16 rate=2", 500, None, 500, 2),  # 1000 tokens/s in all
    "pace1000": ("small", True, "chunks=50 rate=10", 1000, None, 1000, 3),
    "cc-pace": ("cc", True, "chunks=50 rate=50", 10, None, 40, 1),
}


def build() -> tuple[str, str]:
    outs = []
    for name in ("mock_upstream", "loadgen"):
        src, out = os.path.join(HERE, name + ".c"), os.path.join(HERE, name)
        if not os.path.exists(out) or os.path.getmtime(out) < os.path.getmtime(src):
            subprocess.run(["gcc", "-O2", "-o", out, src], check=True)
        outs.append(out)
    return outs[0], outs[1]


# ---- process accounting from /proc ---------------------------------------------------------------
def listeners(port: int) -> set[int]:
    """Processes that hold a listening TCP socket on this port."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            for line in open(table).read().splitlines()[1:]:
                f = line.split()
                if f[3] == "0A" and int(f[1].rsplit(":", 1)[1], 16) == port:
                    inodes.add(f"socket:[{f[9]}]")
        except OSError:
            pass
    pids = set()
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            if any(
                os.readlink(f"/proc/{p}/fd/{fd}") in inodes for fd in os.listdir(f"/proc/{p}/fd")
            ):
                pids.add(int(p))
        except OSError:
            pass
    return pids


def tree(roots: set[int]) -> set[int]:
    kids: dict[int, list[int]] = {}
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            kids.setdefault(
                int(open(f"/proc/{p}/stat").read().rpartition(")")[2].split()[1]), []
            ).append(int(p))
        except OSError:
            pass
    seen, todo = set(), list(roots)
    while todo:
        p = todo.pop()
        if p not in seen:
            seen.add(p)
            todo += kids.get(p, [])
    return seen


def cpu_seconds(pids: set[int]) -> float:
    """User + system time: schedstat of every thread (ns) where the kernel has it, else ticks."""
    total = 0.0
    for p in pids:
        try:
            ns = 0
            for t in os.listdir(f"/proc/{p}/task"):
                ns += int(open(f"/proc/{p}/task/{t}/schedstat").read().split()[0])
            total += ns / 1e9
        except (OSError, ValueError, IndexError):
            try:
                f = open(f"/proc/{p}/stat").read().rpartition(")")[2].split()
                total += (int(f[11]) + int(f[12])) / TICK
            except OSError:
                pass
    return total


def rss_mb(pids: set[int]) -> float:
    n = 0
    for p in pids:
        try:
            n += int(open(f"/proc/{p}/statm").read().split()[1]) * PAGE
        except OSError:
            pass
    return n / 1048576


class Target:
    def __init__(self, spec: dict):
        self.name, self.url, self.key = (
            spec["name"],
            spec["url"].rstrip("/"),
            spec.get("key", "sk-bench"),
        )
        self.format = spec.get("format", "anthropic")
        self.path = spec.get("path") or (
            "/v1/messages" if self.format == "anthropic" else "/v1/chat/completions"
        )
        self.cmd, self.cwd, self.env = spec.get("cmd"), spec.get("cwd"), spec.get("env") or {}
        self.skip = set(spec.get("skip", []))
        self.port = int(self.url.rsplit(":", 1)[1])
        self.proc: subprocess.Popen | None = None
        self.startup = self.idle = None
        self.pids: set[int] = set()
        self.dead = False

    def headers(self) -> list[str]:
        return [
            f"Authorization: Bearer {self.key}",
            f"x-api-key: {self.key}",
            "anthropic-version: 2023-06-01",
        ]

    def post(self, body: bytes, timeout: float = 10) -> tuple[int, bytes]:
        h = dict(x.split(": ", 1) for x in self.headers()) | {"Content-Type": "application/json"}
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(
                urllib.request.Request(self.url + self.path, body, h), timeout=timeout
            ) as r:
                return r.status, r.read()
        except urllib.error.HTTPError as e:
            return e.code, e.read()

    def start(self, first_body: str, log) -> None:
        body = open(first_body, "rb").read()
        t0 = time.perf_counter()
        if self.cmd:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    sys.exit(f"{self.name}: port {self.port} is taken")
            env = {
                k: v
                for k, v in os.environ.items()
                if k.lower() not in ("http_proxy", "https_proxy", "all_proxy")
            }
            self.proc = subprocess.Popen(
                self.cmd if isinstance(self.cmd, list) else shlex.split(self.cmd),
                cwd=self.cwd,
                env=env | self.env,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        last = ""
        while time.perf_counter() - t0 < 120:
            try:
                st, b = self.post(body)
                if st == 200:
                    self.startup = time.perf_counter() - t0 if self.cmd else None
                    break
                last = f"{st} {b[:200]!r}"
            except OSError as e:
                last = repr(e)
            if self.proc and self.proc.poll() is not None:
                last = f"exited with {self.proc.returncode}"
                break
            time.sleep(0.01)
        else:
            pass
        if self.startup is None and self.cmd or last.startswith("exited"):
            self.dead = True
            print(f"!! {self.name} did not serve: {last}", file=sys.stderr)
            return
        time.sleep(0.3)
        self.refresh()
        self.idle = rss_mb(self.pids)

    def refresh(self) -> None:
        self.pids = tree(listeners(self.port) | ({self.proc.pid} if self.proc else set()))

    def stop(self) -> None:
        if self.proc:
            for sig in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(self.proc.pid, sig)
                except ProcessLookupError:
                    return
                try:
                    self.proc.wait(4)
                    if sig == signal.SIGTERM:
                        time.sleep(0.2)
                except subprocess.TimeoutExpired:
                    continue


class Sampler(threading.Thread):
    def __init__(self, pids):
        super().__init__(daemon=True)
        self.pids, self.peak, self.run_ = pids, 0.0, True

    def run(self):
        while self.run_:
            self.peak = max(self.peak, rss_mb(self.pids))
            time.sleep(0.1)


def load(loadgen: str, t: Target, body: str, c: int, dur, n, ramp=0.0, timeout=40.0) -> dict:
    cmd = [
        loadgen,
        "--url",
        t.url + t.path,
        "--body",
        body,
        "-c",
        str(c),
        "--timeout",
        str(timeout),
    ]
    for h in t.headers():
        cmd += ["-H", h]
    if n:
        cmd += ["-n", str(n)]
    if dur:
        cmd += ["-d", str(dur)]
    if ramp:
        cmd += ["--ramp", str(ramp)]
    return json.loads(subprocess.run(cmd, capture_output=True, text=True, check=True).stdout)


def measure(loadgen: str, t: Target, body: str, sc, scale: float, mock_port: int) -> dict:
    kind, stream, _, c, dur, n, ramp = sc
    if dur:
        load(loadgen, t, body, min(c, 10), 0.3 * min(1, scale), None)  # warm up
    t.refresh()
    up0 = mock_stats(mock_port)
    s = Sampler(t.pids)
    s.start()
    c0 = cpu_seconds(t.pids)
    r = load(loadgen, t, body, c, dur and dur * scale, n, ramp)
    c1 = cpu_seconds(t.pids)
    s.run_ = False
    s.join()
    up1 = mock_stats(mock_port)
    r |= {
        "cpu": c1 - c0,
        "rss": s.peak,
        "procs": len(t.pids),
        "up_conns": up1["connections"] - up0["connections"] - 1,
        "up_reqs": up1["requests"] - up0["requests"],
    }
    if r["requests"]:
        r["cpu_ms_req"] = 1e3 * r["cpu"] / r["requests"]
    if stream and r["marks"]:
        r["cpu_us_chunk"] = 1e6 * r["cpu"] / r["marks"]
    return r


def mock_stats(port: int) -> dict:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return json.loads(opener.open(f"http://127.0.0.1:{port}/stats", timeout=10).read())


def med(rs: list[dict], *path: str):
    v = []
    for r in rs:
        for p in path:
            r = r.get(p) if isinstance(r, dict) else None
        if r is not None:
            v.append(r)
    return statistics.median(v) if v else None


def num(x, scale=1.0, digits=3) -> str:
    if x is None:
        return "-"
    x *= scale
    return f"{x:.0f}" if abs(x) >= 100 else f"{x:.{digits}g}"


def table(name: str, sc, res: dict[str, list[dict]], base: str | None, direct: str | None) -> str:
    kind, stream, directive, c, dur, n, _ = sc
    out = [
        f"\n### {name}: body {kind}, {'stream' if stream else 'plain'} [{directive}], "
        f"concurrency {c}, median of {max(map(len, res.values()))} rounds\n"
    ]
    head = (
        ["target", "ok", "err", "req/s", "CPU ms/req", "x base"]
        + (["CPU us/chunk"] if stream else [])
        + ["TTFB p50 ms", "p99", "+p50 over direct"]
        + (["first token p50 ms", "p99", "delay p50 ms", "p99", "full p50 ms"] if stream else [])
        + ["RSS MB", "up conn/req"]
    )
    out += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    d = med(res.get(direct, []), "ttfb", "p50") if direct else None
    for t, rs in res.items():
        cpu, tt = med(rs, "cpu_ms_req"), med(rs, "ttfb", "p50")
        ratios = (
            [
                r["cpu_ms_req"] / q["cpu_ms_req"]
                for r, q in zip(rs, res.get(base, []), strict=False)
                if r.get("cpu_ms_req") and q.get("cpu_ms_req")
            ]
            if base
            else []
        )
        row = [
            t,
            str(sum(r["ok"] for r in rs)),
            str(sum(r["errors"]["total"] for r in rs)),
            num(med(rs, "rps")),
            num(cpu),
            num(statistics.median(ratios)) if ratios else "-",
        ]
        if stream:
            row += [num(med(rs, "cpu_us_chunk"))]
        row += [
            num(tt, 1e-3),
            num(med(rs, "ttfb", "p99"), 1e-3),
            num(tt - d, 1e-3) if tt is not None and d is not None else "-",
        ]
        if stream:
            row += [num(med(rs, "ttft", "p50"), 1e-3), num(med(rs, "ttft", "p99"), 1e-3)]
            row += [
                num(med(rs, "delay", "p50"), 1e-3),
                num(med(rs, "delay", "p99"), 1e-3),
                num(med(rs, "full", "p50"), 1e-3),
            ]
        q = sum(r["up_reqs"] for r in rs)
        row += [num(med(rs, "rss")), num(sum(r["up_conns"] for r in rs) / q) if q else "-"]
        out.append("| " + " | ".join(row) + " |")
    return "\n".join(out)


def parse_target(s: str) -> dict:
    name, _, rest = s.partition("=")
    url, *opts = rest.split(",")
    return {"name": name, "url": url} | dict(o.split("=", 1) for o in opts)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument(
        "--target",
        action="append",
        default=[],
        help="name=URL[,key=K][,format=openai][,path=/p][,cmd=COMMAND]",
    )
    ap.add_argument(
        "--targets",
        help="JSON file: a list of objects with name, url, key, format, path, cmd, cwd, env, skip",
    )
    ap.add_argument("--only", help="comma list of target names to take from --targets")
    ap.add_argument(
        "--scenarios",
        default="small,cc,stream-short,stream-fast,stream-each,pace1,pace500",
        help=f"comma list of: {', '.join(SCENARIOS)}",
    )
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument(
        "--scale", type=float, default=1.0, help="multiplies the seconds of each timed run"
    )
    ap.add_argument(
        "--base", help="target that the 'x base' column compares CPU with (default: the first)"
    )
    ap.add_argument("--mock-port", type=int, default=18080)
    ap.add_argument("--no-direct", action="store_true", help="leave out the direct-upstream target")
    ap.add_argument("--json", help="also write all raw results here")
    ap.add_argument("--log", default="/dev/null", help="output of the started targets")
    a = ap.parse_args()
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(143)
    )  # so that the started targets are stopped
    mock_bin, loadgen = build()
    specs = [parse_target(s) for s in a.target]
    if a.targets:
        listed = json.load(open(a.targets))
        only = a.only.split(",") if a.only else [s["name"] for s in listed]
        specs += [s for n in only for s in listed if s["name"] == n]
    if not a.no_direct:
        specs.insert(
            0, {"name": "direct", "url": f"http://127.0.0.1:{a.mock_port}", "format": "openai"}
        )
    targets = [Target(s) for s in specs]
    base = a.base or next((t.name for t in targets if t.name != "direct"), None)
    mock = subprocess.Popen([mock_bin, "--port", str(a.mock_port)], stderr=subprocess.DEVNULL)
    results: dict[str, dict[str, list[dict]]] = {}
    try:
        time.sleep(0.2)
        if mock.poll() is not None:
            sys.exit("mock_upstream could not start (port taken?)")
        with tempfile.TemporaryDirectory() as tmp, open(a.log, "ab") as log:
            first = bodies.write(
                tmp, "first", bodies.anthropic_body("small", stream=False, directive="bytes=10")
            )
            for t in targets:
                t.start(first[t.format], log)
            targets = [t for t in targets if not t.dead]
            print(
                "\n| target | startup to first served request s | RSS idle MB | processes |"
                "\n|---|---|---|---|"
            )
            for t in targets:
                print(
                    f"| {t.name} | {num(t.startup)} | {num(t.idle)} | {len(t.pids)} |", flush=True
                )
            for name in a.scenarios.split(","):
                sc = SCENARIOS[name]
                paths = bodies.write(
                    tmp, name, bodies.anthropic_body(sc[0], stream=sc[1], directive=sc[2])
                )
                res = results[name] = {t.name: [] for t in targets if name not in t.skip}
                for rnd in range(a.rounds):
                    order = [t for t in targets if name not in t.skip]
                    order = order[rnd % len(order) :] + order[: rnd % len(order)]
                    for t in order:
                        r = measure(loadgen, t, paths[t.format], sc, a.scale, a.mock_port)
                        res[t.name].append(r)
                        if r["errors"]["total"] and rnd == 0:
                            print(f"!! {name} {t.name}: {r['errors']}", file=sys.stderr)
                print(table(name, sc, res, base, None if a.no_direct else "direct"), flush=True)
    finally:
        for t in targets:
            t.stop()
        mock.terminate()
        if a.json:
            json.dump(
                {
                    "argv": sys.argv,
                    "startup": {t.name: [t.startup, t.idle] for t in targets},
                    "results": results,
                },
                open(a.json, "w"),
            )


if __name__ == "__main__":
    main()
