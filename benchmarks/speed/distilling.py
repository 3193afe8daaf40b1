"""How fast, how small and how stubborn the distiller is, against a teacher on the same machine.

    python -m benchmarks.speed.distilling               # all cases; or: ... speed latency

    | case | measured | demanded |
    | 20,000 rows, no latency, 1,024 in flight, one core | 1,310 requests/s | 1,200 |

Each case is a process of its own on one core, the teacher's on another. `speed` stands beside a bare aiohttp loop with
the same requests in the same minute: machines differ, and one machine differs from hour to hour.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from benchmarks.speed.local_teacher import Weather, serving
from finsight_eval import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Line = tuple[str, str, str]
_MOST: Final = 1024
_KEY: Final = "sk-benchmark-0123456789"


def _texts(count: int) -> Iterator[jsonl.Row]:
    """Yield news of random letters: whatever else is alike would be sorted out as near duplicates."""
    letters = str.maketrans("0123456789", "rstlneaiou")
    for number in range(count):
        noise = hashlib.sha256(str(number).encode()).hexdigest().translate(letters)
        words = " ".join(noise[place : place + 8] for place in range(0, 64, 8))
        yield {"id": f"n-{number}", "lang": "en", "text": f"Acme Corp wins an order worth {number} million: {words}."}


def _recipe(folder: Path, base_url: str, concurrency: int) -> Path:
    """Write a recipe for the teacher at `base_url` and return its path."""
    settings = yaml.safe_load(Path("distill/recipes/finsight-7b.yaml").read_text(encoding="utf-8"))
    mine = {"name": "speed", "base_url": base_url, "concurrency": concurrency, "benchmarks": ["news"]}
    mine["cached_price"] = settings["prompt_price"]  # no warm-up: it costs three latencies, and nothing else
    path = folder / "speed.yaml"
    path.write_text(yaml.safe_dump({**settings, **mine}), encoding="utf-8")
    return path


def engine(folder: Path, base_url: str, rows: int, concurrency: int) -> jsonl.Row:
    """Ask `rows` questions in this process and return what it took."""
    from distill import answers
    from distill import recipe as recipes
    from distill.client import Endpoint
    from distill.fill import fill
    from distill.progress import Progress
    from distill.purse import Purse
    from distill.store import opened
    from finsight_eval.records import News

    recipe = recipes.load(str(_recipe(folder, base_url, concurrency)))
    asker = answers.asker(recipe)
    asks = (answers.reasoned(asker, News(**row)) for row in _texts(rows))
    endpoint = Endpoint("local", base_url, recipe.model, concurrency, 60.0, 8, 1, "KEY", _KEY)
    with opened(folder / "store") as store:
        wall, cpu = time.perf_counter(), time.process_time()
        failed = fill(store, asks, endpoint, Progress("speed", rows), Purse(recipe))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        answered, size = len(store), store.path.stat().st_size
    return {"wall": wall, "cpu": cpu, "answered": answered, "failed": len(failed), "bytes": size, "mb": _peak()}


def bare(_: Path, base_url: str, rows: int, concurrency: int) -> jsonl.Row:
    """Post `rows` bodies of the same size with aiohttp alone and return what it took."""
    import aiohttp

    body = jsonl.dumps({"model": "deepseek-flash", "messages": [{"role": "user", "content": "x" * 2600}]}).encode()
    numbers = iter(range(rows))

    async def slot(session: aiohttp.ClientSession) -> None:
        for _ in numbers:
            async with session.post(f"{base_url}/chat/completions", data=body) as response:
                await response.read()

    async def every() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:
            await asyncio.gather(*(slot(session) for _ in range(concurrency)))

    wall, cpu = time.perf_counter(), time.process_time()
    asyncio.run(every())
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "answered": rows, "mb": _peak()}


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


PARTS: Final[dict[str, Callable[[Path, str, int, int], jsonl.Row]]] = {"engine": engine, "bare": bare}


def _apart(part: str, weather: Weather, rows: int, concurrency: int) -> jsonl.Row:
    """Run one of `PARTS` in a process of its own on the first core, the teacher on the last, and return its figures."""
    cores = sorted(os.sched_getaffinity(0))
    with serving(weather, cores[-1]) as base_url:
        command = [sys.executable, "-m", __spec__.name, "--part", part, base_url, str(rows), str(concurrency)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
            os.sched_setaffinity(process.pid, {cores[0]})
            said, _ = process.communicate()
    return dict(jsonl.loads(said.splitlines()[-1]))


def speed() -> Iterator[Line]:
    """Yield requests a second and processor time of a request, beside aiohttp's alone."""
    for rows in (20_000,):
        floor, ours = _apart("bare", Weather(), rows, _MOST), _apart("engine", Weather(), rows, _MOST)
        case = f"{rows:,} rows, no latency, {_MOST:,} in flight, one core"
        rates = [f"{row['answered'] / row['wall']:,.0f} requests/s" for row in (ours, floor)]
        yield case, f"{rates[0]} (bare aiohttp {rates[1]})", "1,200"
        costs = [f"{1000 * row['cpu'] / rows:.2f} ms" for row in (ours, floor)]
        yield "processor time of a request", f"{costs[0]} (bare aiohttp {costs[1]})", "0.80"
        yield "disk an answer", f"{ours['bytes'] / rows / 1024:.1f} KB", "4"


def memory() -> Iterator[Line]:
    """Yield the peak memory at 20,000 and at 200,000 rows."""
    small, large = (_apart("engine", Weather(), rows, _MOST)["mb"] for rows in (20_000, 200_000))
    yield "peak memory at 20,000 rows", f"{small} MB", "120"
    yield "peak memory at 200,000 rows", f"{large} MB ({large / small:.2f} times)", "1.2 times"


def latency() -> Iterator[Line]:
    """Yield what jittered latency and random refusals cost, 64 in flight."""
    ours = _apart("engine", Weather(delay=1.0, jitter=3.0), 1280, 64)
    yield "1 to 4 s of latency, 64 in flight, 1,280 rows", f"{1280 / ours['wall']:.1f} rows/s of 25.6", "24.5"
    for share, status, rows, most in ((0.05, 429, 1000, 10), (0.3, 500, 600, 30)):
        ours = _apart("engine", Weather(delay=0.5, share=share, status=status), rows, 64)
        ideal = rows / (1 - share) / 64 * 0.5
        case = f"{share:.0%} of HTTP {status} over {rows:,} rows, 0.5 s of latency, 64 in flight"
        yield case, f"{ours['wall']:.1f} s of {ideal:.1f} ideal, {ours['failed']} failed", str(most)


def _command(folder: Path, recipe: Path) -> list[str]:
    given = ["--recipe", str(recipe), "--runs", str(folder / "runs"), "--corpus", str(folder / "corpus.jsonl")]
    return [sys.executable, "-m", "distill.generate", *given]


def _started(folder: Path, recipe: Path) -> subprocess.Popen[str]:
    keyed = {**os.environ, "DEEPSEEK_API_KEY": _KEY}
    pipe = subprocess.PIPE
    return subprocess.Popen(_command(folder, recipe), env=keyed, stdout=pipe, stderr=pipe, text=True)  # noqa: S603


def refusals() -> Iterator[Line]:
    """Yield what the whole command makes of two rows in a hundred that are refused."""
    with tempfile.TemporaryDirectory() as name, serving(Weather(share=0.02, status=400)) as base_url:
        folder = Path(name)
        jsonl.write_lines(folder / "corpus.jsonl", _texts(4000))
        process = _started(folder, _recipe(folder, base_url, 64))
        process.communicate()
        rows = [row for _, row in jsonl.read_lines(folder / "runs/speed/generate/answers.jsonl")]
    named = [row for row in rows if row.get("error") == "HTTP 400: not now"]
    usable = sum("reply" in row for row in rows)
    found = f"{usable:,} usable, {len(named)} named with their error, exit code {process.returncode}"
    yield "2 % of HTTP 400 over 4,000 rows", found, "all others usable, each named, exit code 1"


def kills() -> Iterator[Line]:
    """Yield what 20 times kill -9 cost, each at a random moment once answers arrive again."""
    rng, lost, before = random.Random(1), 0, list[str]()
    with tempfile.TemporaryDirectory() as name, serving(Weather(delay=0.05, jitter=0.1)) as base_url:
        folder = Path(name)
        jsonl.write_lines(folder / "corpus.jsonl", _texts(20_000))
        recipe = _recipe(folder, base_url, 64)
        for _ in range(20):
            process = _started(folder, recipe)
            while len(_journalled(folder)) <= len(before) and process.poll() is None:
                time.sleep(0.01)
            time.sleep(rng.random())
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kept = _journalled(folder)
            lost += len(before) - sum(a == b for a, b in zip(before, kept, strict=False))
            before = kept
    found = f"{lost} lost, {len(before) - len(set(before))} stored twice"
    yield f"kill -9, 20 times, {len(before):,} answers", found, "0 lost"


def _journalled(folder: Path) -> list[str]:
    """Return the keys of the whole lines of the journal."""
    journal = folder / "runs/speed/store/journal.jsonl"
    lines = journal.read_text(encoding="utf-8").split("\n")[:-1] if journal.exists() else []
    return [line[9:41] for line in lines]


CASES: Final = {"speed": speed, "memory": memory, "latency": latency, "refusals": refusals, "kills": kills}


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table of the chosen cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help=f"{', '.join(CASES)} (default: all)")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.part:
        base_url, rows, concurrency = args.cases
        with tempfile.TemporaryDirectory() as name:
            figures: Any = PARTS[args.part](Path(name), base_url, int(rows), int(concurrency))
        print(jsonl.dumps(figures))
        return 0
    print("| case | measured | demanded |\n|---|---|---|")
    for case in args.cases or CASES:
        for line in CASES[case]():
            print(f"| {' | '.join(line)} |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
