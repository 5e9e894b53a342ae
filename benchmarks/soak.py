"""Mixed load for minutes: memory and descriptors must stay flat, and every answer must be right.

    python benchmarks/soak.py               ten minutes
    python benchmarks/soak.py --minutes 1   a short one

The server is started as users start it, in front of the rig's upstream. After a warm-up and a
pause comes the first measurement, after the load and another pause the last: in a pause nothing
is in flight and idle connections have closed. Exits 1 when the resident memory grew by 10 % or
more, when the descriptors differ by more than 16, when a request did not end as it must, or when
the log tells of a crash. Latencies are printed, and judged by nobody.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

RIG = Path(__file__).parent / "rig"
sys.path.insert(0, str(RIG))

import bench  # noqa: E402
import bodies  # noqa: E402
import mix  # noqa: E402
from run import free_port, raise_file_limit  # noqa: E402

GROWTH = 0.10
DESCRIPTORS = 16
WORKERS = 24
SAMPLES = 20
SETTLE = 22.0  # seconds: idle connections to the upstream close after 15
STARTS = 60
CRASHES = ("request_crashed", "Traceback", "never retrieved", "was destroyed but it is pending")


@dataclass
class Tally:
    """What the load did so far. Mutable."""

    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Sample:
    """The server at one moment; `rss` in MB."""

    at: float
    rss: float
    descriptors: int
    in_flight: int
    requests: int


def main() -> None:
    parser = argparse.ArgumentParser(description="Mixed load for minutes.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=WORKERS, help="requests at a time")
    parser.add_argument(
        "--server-timeout",
        type=float,
        default=mix.SILENCE,
        help="for the server's CLAUDE_PROXY_REQUEST_TIMEOUT; answers are judged by the default",
    )
    args = parser.parse_args()
    # So that what we started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    raise_file_limit()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        with (
            upstream() as upstream_port,
            server(upstream_port, log, args.server_timeout) as started,
        ):
            problems = asyncio.run(soak(*started, args.minutes * 60, args.workers))
        problems += crashes(log)
    for problem in problems:
        print(f"FAILED: {problem}")
    sys.exit(1 if problems else 0)


@contextmanager
def upstream() -> Iterator[int]:
    binary, _ = bench.build()
    port = free_port()
    with subprocess.Popen([binary, "--port", str(port)], stderr=subprocess.DEVNULL) as process:
        try:
            yield port
        finally:
            process.kill()


@contextmanager
def server(upstream_port: int, log: Path, silence: float) -> Iterator[tuple[int, int]]:
    """The proxy's process id and port, once it serves."""
    port = free_port()
    environ = {
        **os.environ,
        "OPENAI_BASE_URL": f"http://127.0.0.1:{upstream_port}/v1",
        "OPENAI_API_KEY": "sk-upstream",
        "CLAUDE_PROXY_AUTH_KEY": mix.KEY,
        "CLAUDE_PROXY_HOST": "127.0.0.1",
        "CLAUDE_PROXY_REQUEST_TIMEOUT": str(silence),
        "CLAUDE_PROXY_PING_SECONDS": "0.5",
    }
    command = [sys.executable, "-m", "claude_proxy", "--port", str(port)]
    with log.open("wb") as out:
        with subprocess.Popen(
            command, env=environ, cwd=log.parent, stdout=out, stderr=out
        ) as process:
            try:
                wait_for(port, process)
                yield process.pid, port
            finally:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(20)
                process.kill()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    target = bench.Target({"name": "soak", "url": f"http://127.0.0.1:{port}", "key": mix.KEY})
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError):
            if target.post(json.dumps(mix.body("bytes=10")).encode())[0] == 200:
                return
        time.sleep(0.05)
    sys.exit("the server did not start")


async def soak(pid: int, port: int, seconds: float, workers: int) -> list[str]:
    """Loads, measures, prints; gives what is wrong."""
    tally = Tally()
    print(f"warming up for {max(10.0, seconds / 10):.0f} s, {workers} requests at a time")
    await load(pid, port, max(10.0, seconds / 10), workers, tally, samples=1)
    first = await settled(pid, port, tally)
    with probing(port) as latencies:
        under_load = await load(pid, port, seconds, workers, tally, SAMPLES)
    last = await settled(pid, port, tally)
    print_samples([first, *under_load, last])
    print_counts(tally)
    print_latencies("`/livez` under load", latencies)
    await large_bodies(port, tally)
    await beside_stuck_ones(port, tally)
    return judge(first, under_load, last, tally)


async def load(
    pid: int, port: int, seconds: float, workers: int, tally: Tally, samples: int
) -> list[Sample]:
    """The mix from so many workers, each with a short pause between two requests."""
    until = time.monotonic() + seconds
    async with session() as opened:
        client = mix.Client(opened, port)
        running = [asyncio.create_task(worker(client, until, tally)) for _ in range(workers)]
        taken = []
        for _ in range(samples):
            await asyncio.sleep(seconds / samples)
            taken.append(await sample(pid, client, tally))
        await asyncio.gather(*running)
    return taken


def session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


async def worker(client: mix.Client, until: float, tally: Tally) -> None:
    kinds, weights = list(mix.WEIGHTS), list(mix.WEIGHTS.values())
    while time.monotonic() < until:
        kind = random.choices(kinds, weights)[0]
        wrong = await mix.attempt(kind, client)
        tally.done[kind.__name__] += 1
        if wrong:
            tally.wrong.append(wrong)
        await asyncio.sleep(random.expovariate(1 / 0.1))


async def sample(pid: int, client: mix.Client, tally: Tally) -> Sample:
    async with client.session.get(f"{client.url}/health") as answer:
        in_flight = (await answer.json())["in_flight"]
    # The measured process is the server's only one.
    descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    return Sample(time.monotonic(), bench.rss_mb({pid}), descriptors, in_flight, tally.done.total())


async def settled(pid: int, port: int, tally: Tally) -> Sample:
    """The server when all is quiet: its idle connections are closed, its own timers ran."""
    await asyncio.sleep(SETTLE)
    async with session() as opened:
        return await sample(pid, mix.Client(opened, port), tally)


# A process of its own, so that neither this one's load nor its lock stands in the way.
PROBE = """
import http.client, sys, time
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
while True:
    begun = time.perf_counter()
    connection.request("GET", "/livez")
    connection.getresponse().read()
    print(round((time.perf_counter() - begun) * 1000, 2), flush=True)
    time.sleep(0.05)
"""


@contextmanager
def probing(port: int) -> Iterator[list[float]]:
    """Asks `/livez` twenty times a second; the list holds the milliseconds once it is over."""
    latencies: list[float] = []
    with tempfile.TemporaryFile("w+") as out:
        with subprocess.Popen([sys.executable, "-c", PROBE, str(port)], stdout=out) as process:
            try:
                yield latencies
            finally:
                process.kill()
        out.seek(0)
        latencies += [float(line) for line in out if line.endswith("\n")]


async def large_bodies(port: int, tally: Tally) -> None:
    """Three requests of 8 MB and 3,600 messages at once, and what others see of them."""
    sent = bodies.anthropic_body("cc", stream=False, directive="bytes=10", history=3600)
    raw = json.dumps(sent, ensure_ascii=False).encode()
    with probing(port) as latencies:
        await asyncio.sleep(0.5)
        async with session() as opened:
            client = mix.Client(opened, port)
            answers = await asyncio.gather(*(mix.post(client, raw) for _ in range(3)))
    tally.wrong += [f"8 MB: {status} {text[:100]!r}" for status, text in answers if status != 200]
    print_latencies(f"`/livez` during 3 x {len(raw) / 1e6:.1f} MB", latencies)


async def beside_stuck_ones(port: int, tally: Tally) -> None:
    """A client that does not read and an upstream that says nothing; sixty others start."""
    async with session() as opened:
        client = mix.Client(opened, port)
        unread, writer = await mix.connected(client, limit=1024)
        writer.write(mix.on_the_wire(mix.body("chunks=200000 pad=600 burst=50", stream=True)))
        silent, waiting = await mix.connected(client)
        waiting.write(mix.on_the_wire(mix.body("delay=3000", stream=True)))
        await asyncio.sleep(0.5)
        starts = await asyncio.gather(*(first_byte(client) for _ in range(STARTS)))
        writer.transport.abort()
        waiting.transport.abort()
    print(f"\n{STARTS} streams beside two stuck ones: the last started after {max(starts):.2f} s")
    if max(starts) > 2:  # the goal is one second
        tally.wrong.append(f"a stream started after {max(starts):.2f} s beside stuck ones")


async def first_byte(client: mix.Client) -> float:
    """Seconds until a stream's first byte; infinite when it is none."""
    begun = time.monotonic()
    reader, writer = await mix.connected(client)
    writer.write(mix.on_the_wire(mix.body("chunks=10 rate=20", stream=True)))
    started = (await reader.read(100)).startswith(b"HTTP/1.1 200")
    passed = time.monotonic() - begun
    writer.transport.abort()
    return passed if started else float("inf")


def judge(first: Sample, under_load: Sequence[Sample], last: Sample, tally: Tally) -> list[str]:
    """What must not be."""
    quarter = max(1, len(under_load) // 4)
    early, late = (
        statistics.median(each.rss for each in part)
        for part in (under_load[:quarter], under_load[-quarter:])
    )
    problems = [f"wrong answer: {wrong}" for wrong in tally.wrong[:10]]
    if len(tally.wrong) > 10:
        problems.append(f"{len(tally.wrong)} wrong answers in all")
    for what, before, after in (("at rest", first.rss, last.rss), ("under load", early, late)):
        growth = after / before - 1
        print(f"memory {what}: {before:.1f} -> {after:.1f} MB ({growth:+.1%})")
        if growth >= GROWTH:
            problems.append(f"memory {what} grew by {growth:.1%}")
    print(f"descriptors at rest: {first.descriptors} -> {last.descriptors}")
    if abs(last.descriptors - first.descriptors) > DESCRIPTORS:
        problems.append(f"descriptors: {first.descriptors} -> {last.descriptors}")
    problems += [f"{s.in_flight} requests in flight at rest" for s in (first, last) if s.in_flight]
    return problems


def crashes(log: Path) -> list[str]:
    text = log.read_text("utf-8", "replace")
    return [
        f"the log says {word!r}: {text[max(0, at - 200) : at + 2000]}"
        for word in CRASHES
        if (at := text.find(word)) >= 0
    ]


def print_samples(samples: Sequence[Sample]) -> None:
    print("\n| s | RSS, MB | descriptors | in flight | requests |\n|---|---|---|---|---|")
    for each in samples:
        cells = (round(each.at - samples[0].at), f"{each.rss:.1f}", *rest(each))
        print(f"| {' | '.join(map(str, cells))} |")


def rest(sample: Sample) -> tuple[int, int, int]:
    return sample.descriptors, sample.in_flight, sample.requests


def print_counts(tally: Tally) -> None:
    counts = ", ".join(f"{name} {count}" for name, count in tally.done.most_common())
    print(f"\n{tally.done.total()} requests, {len(tally.wrong)} wrong: {counts}\n")


def print_latencies(what: str, latencies: Sequence[float]) -> None:
    if len(latencies) < 5:
        print(f"{what}: only {len(latencies)} answers")
        return
    ranked = sorted(latencies)
    late = sum(each > 100 for each in ranked)
    p50, p99, top = statistics.median(ranked), ranked[len(ranked) * 99 // 100], ranked[-1]
    print(
        f"{what}, ms: p50 {p50:.1f}, p99 {p99:.1f}, max {top:.1f}; {late} of {len(ranked)} over 100"
    )


if __name__ == "__main__":
    main()
