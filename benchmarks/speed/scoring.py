"""How many replies a second `finsight-score` reads: a command that writes its own samples and times the stages.

    python -m benchmarks.speed.scoring --replies 100000

    {"doc_id": 0, "doc": {"id": "news-en-001-r0", ...}, "arguments": {...}, "resps": [["<thinking>..."]], ...}

The documents are the benchmark's own test items, beyond the first turn under further ids; four replies in five keep the
contract, the fifth breaks it in one of the ways of `BROKEN`. `--broken 1` times the model that never obeys. The folder
is that of many models asked the same 320 documents of the task `finsight`, each with replies of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import benchmark, lm_task
from finsight_eval.errors import command
from finsight_eval.labels import RISK_LEVELS, SENTIMENTS
from finsight_eval.parse import CLOSE, OPEN, Answer, render
from finsight_eval.prompt import student_prompt
from finsight_eval.rescore import rescored
from finsight_eval.samples import read_samples
from finsight_eval.scorecard import scorecard
from finsight_eval.verdicts import Labels, verdict_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from finsight_eval.records import Item

STAMP: Final = "2026-11-23T00-00-00.000000"
#: The items of the task `finsight`, with which `items` begins.
PER_FILE: Final = 320
SETS: Final = ("news", "simulated", "counterfactual", "adversarial")
#: Ways of breaking the contract, from a reply that keeps it.
BROKEN: Final[tuple[Callable[[str], str], ...]] = (
    lambda _: "",
    lambda reply: reply[: len(reply) // 2],
    lambda reply: reply[:-9],
    lambda reply: reply.partition(CLOSE)[2],
    lambda reply: f"Sure!\n{reply}",
    lambda reply: reply.replace("thinking>", "think>"),
    lambda reply: reply.replace("{", "```json\n{") + "\n```",
    lambda reply: reply.replace("}", ",}"),
    lambda reply: reply.replace('"', "'"),
    lambda reply: reply.replace("}", ', "confidence": 0.9}'),
    lambda reply: reply.replace("Positive", "bullish").replace("Negative", "利空").replace("Neutral", "mixed"),
    lambda reply: reply + reply[reply.find("{") :],
    lambda reply: f"{reply}\nI hope that this helps.",
    lambda reply: reply.partition(CLOSE)[0].replace(OPEN, "").strip(),
)


def items(count: int) -> Iterator[Item]:
    """Yield `count` items: the benchmark's test items, then the same under ids and with texts of their own."""
    rows = [item for name in SETS for item in benchmark.read(name, "test")]
    for number in range(count):
        item, turn = rows[number % len(rows)], number // len(rows)
        yield replace(item, id=f"{item.id}-r{turn}", text=f"{item.text} ({turn})") if turn else item


def reply_to(item: Item, rng: random.Random, broken: float) -> str:
    """Return a reply with reasoning out of the news; its labels are right three times in four."""
    words = item.text.split() if item.lang == "en" else list(item.text)
    begin = rng.randrange(max(1, len(words) // 2))
    thinking = (" " if item.lang == "en" else "").join(words[begin : begin + 50]) + " -> owners lose\nrisk high"
    sentiment = item.sentiment if rng.random() < 0.75 else rng.choice(SENTIMENTS)
    risk_level = item.risk_level if rng.random() < 0.75 else rng.choice(RISK_LEVELS)
    reply = render(Answer(thinking.replace("<", "("), item.entity, sentiment, risk_level))
    return rng.choice(BROKEN)(reply) if rng.random() < broken else reply


def sample(number: int, item: Item, reply: str) -> dict[str, Any]:
    """Return a row in the shape and with the keys of lm-eval 0.4.13, its metrics included."""
    doc = {**item.row(), "teacher_sentiment": item.sentiment, "teacher_risk_level": "Low"}
    prompt = f"<|im_start|>user\n{student_prompt(item.text)}<|im_end|>\n<|im_start|>assistant\n"
    digest = hashlib.sha256(prompt.encode()).hexdigest()
    return {
        "doc_id": number,
        "doc": doc,
        "target": f"{item.entity} | {item.sentiment} | {item.risk_level}",
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": {"until": [], "max_gen_toks": 512, "do_sample": False}}},
        "resps": [[reply]],
        "filtered_resps": [reply],
        "filter": "none",
        "metrics": list(lm_task.LIVE),
        "doc_hash": digest,
        "prompt_hash": digest,
        "target_hash": digest,
        **lm_task.results(doc, [reply]),
    }


def write(path: Path, count: int, broken: float, model: int = 0) -> list[tuple[Item, str]]:
    """Write the `count` samples of a model to `path` and return what they hold."""
    rng = random.Random(20_261_123 + model)
    answered = [(item, reply_to(item, rng, broken)) for item in items(count)]
    with path.open("w", encoding="utf-8") as stream:
        for number, (item, reply) in enumerate(answered):
            stream.write(json.dumps(sample(number, item, reply), ensure_ascii=False) + "\n")
    return answered


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Time reading, scoring and the whole command; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replies", type=int, default=100_000, help="how many samples to score (default: 100,000)")
    parser.add_argument("--broken", type=float, default=0.2, help="share of replies that break the contract")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"samples_speed_{STAMP}.jsonl"
        answered = write(path, options.replies, options.broken)
        print(f"{len(answered):,} samples, {path.stat().st_size / 1e6:.0f} MB, {options.broken:.0%} broken")
        _time_stages(path, answered)
        _time_many(Path(folder) / "many", options.replies // PER_FILE, options.broken)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"peak memory of finsight-score {peak / 1024:.0f} MB")
    return 0


def _time_stages(path: Path, answered: Sequence[tuple[Item, str]]) -> None:
    count, labels = len(answered), Labels("Neutral", "Low")
    _report("verdict_of", count, lambda: [verdict_of(item, reply, labels) for item, reply in answered])
    _report("read_samples", count, lambda: read_samples(path))
    samples = read_samples(path)
    _report("rescored (old figure against new)", count, lambda: rescored(samples))
    _report("scorecard (intervals, slices)", count, lambda: scorecard(samples.verdicts, None))
    _report("scorecard of 100: its constant part", 100, lambda: scorecard(samples.verdicts[:100], None))
    _report_command("finsight-score FILE, the whole command", count, path, rounds=1)


def _time_many(folder: Path, files: int, broken: float) -> None:
    """Time the replies of many models to one set, a file each."""
    for number in range(files):
        path = folder / f"{number:04}" / f"samples_finsight_{STAMP}.jsonl"
        path.parent.mkdir(parents=True)
        write(path, PER_FILE, broken, number)
    _report_command(f"finsight-score FOLDER, {files:,} files of {PER_FILE}", files * PER_FILE, folder, rounds=5)


def _report_command(name: str, count: int, path: Path, rounds: int) -> None:
    """Print the processor time of `finsight-score path`, best of `rounds` processes of its own, and of their start.

    In this process every reply has been read once, when it was written, and some of that is remembered.
    """
    command_line = [sys.executable, "-c", _TIMED, str(path)]
    best = math.inf
    for _ in range(rounds):
        done = subprocess.run(command_line, check=True, capture_output=True, text=True)  # noqa: S603 - our own command
        start, took = map(float, done.stdout.splitlines()[-1].split())
        best = min(best, took)
    print(f"{name:42} {best:8.2f} s {count / best:12,.0f} replies/s, after {start:.2f} s of start", flush=True)


#: Says on its last line what start and work took.
_TIMED: Final = """
import sys, time
from finsight_eval import score, score_files
start = time.process_time()
score.main(sys.argv[1:])
print(start, time.process_time() - start)
"""


def _report(name: str, count: int, work: Callable[[], Any]) -> None:
    """Print the processor time that `work` on `count` replies takes."""
    started = time.process_time()
    work()
    took = time.process_time() - started
    print(f"{name:42} {took:8.2f} s {count / took:12,.0f} replies/s", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
