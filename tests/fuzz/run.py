"""Coverage-guided fuzzing with atheris, for a limited time.

    .ci-cache/atheris/bin/python tests/fuzz/run.py                 all targets, 45 s each
    .ci-cache/atheris/bin/python tests/fuzz/run.py request --seconds 3600

`.ci/parts` makes that Python. A finding ends the run with status 1; its input is in
`.ci-cache/findings`, and is run again by `--again FILE`. Put what it was into a test.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
CACHE = Path(os.environ.get("CI_CACHE") or ROOT / ".ci-cache")
TARGETS = ("framing", "stream", "responses", "request")
SLOWEST = 10  # seconds for one input


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz with atheris.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=45, help="for each target")
    parser.add_argument("--again", metavar="FILE", help="run one target on one input")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    targets = args.targets or list(TARGETS)
    if unknown := set(targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if args.again:
        again(targets[0], Path(args.again))
    elif args.child:
        fuzz(targets[0], args.seconds)
    else:
        sys.exit(1 if [name for name in targets if not child(name, args.seconds)] else 0)


def child(target: str, seconds: int) -> bool:
    """One target in a process of its own, because libFuzzer ends its process."""
    print(f"== {target}, {seconds} s", flush=True)
    command = [sys.executable, __file__, target, "--child", "--seconds", str(seconds)]
    return subprocess.run(command, timeout=seconds * 2 + 120).returncode == 0


def fuzz(target: str, seconds: int) -> None:
    import atheris

    with atheris.instrument_imports(include=["claude_proxy"]):
        from tests.fuzz import targets
    findings = CACHE / "findings"
    findings.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        targets.write_seeds(target, Path(folder))
        options = [
            f"-max_total_time={seconds}",
            f"-timeout={SLOWEST}",
            "-rss_limit_mb=1024",
            f"-artifact_prefix={findings}/{target}-",
            "-max_len=16384",
            "-print_final_stats=1",
            "-verbosity=0",
        ]
        atheris.Setup([sys.argv[0], *options, folder], targets.TARGETS[target])
        atheris.Fuzz()


def again(target: str, finding: Path) -> None:
    from tests.fuzz import targets

    targets.TARGETS[target](finding.read_bytes())
    print("nothing wrong")


if __name__ == "__main__":
    main()
