r"""Write pretraining text for finsight-nano: shards of JSON lines.

    python -m distill.primer --out runs/nano/primer --documents 1000000

    {"text": "<|im_start|>user\nWho is this about?\n\nKelbridge Semiconductor ...<|im_end|>\n..."}

Each shard is made from its own seed, so the corpus does not depend on the number of processes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from distill.primer import commentary, things
from distill.world.story import stories
from finsight_eval import jsonl, stage
from finsight_eval.errors import InputError, command
from finsight_eval.recipe import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HERE: Final = Path(__file__).parent
_SHARD: Final = 25_000
_ZH_SHARE: Final = 0.4
#: Shares of the kinds of document: about three in ten have nothing to do with a news story.
_SHARES: Final = {
    "alone": 0.08,
    "explained": 0.22,
    "told": 0.16,
    "asked": 0.18,
    "recorded": 0.10,
    "noted": 0.10,
    "tagged": 0.05,
    "listed": 0.05,
    "truths": 0.06,
}
#: What the base may hear of the phrases of dev and test: the news itself and the cause and effect behind it, as any
#: pretrained model has. What news means to the owners and how dangerous it is, it hears of train phrases only.
_RAW: Final = {"alone": commentary.alone, "explained": commentary.explained}
_JUDGED: Final = {"told": commentary.told, "asked": commentary.asked, "recorded": commentary.recorded}
_THINGS: Final = {"noted": things.noted, "tagged": things.tagged, "listed": things.listed}


def documents(seed: int, count: int) -> Iterator[str]:
    """Yield `count` documents; equal arguments give equal documents."""
    random = Random(seed)
    words: dict[str, Any] = read_yaml(_HERE / "plain_words.yaml")
    everyday: dict[str, Any] = read_yaml(_HERE / "things.yaml")
    general: dict[str, Any] = read_yaml(_HERE / "truths.yaml")
    raw = stories(seed, "pretrain", count, _ZH_SHARE)
    judged = stories(seed, "commented", count, _ZH_SHARE)
    kinds, weights = list(_SHARES), list(accumulate(_SHARES.values()))
    for _ in range(count):
        kind = random.choices(kinds, cum_weights=weights)[0]
        lang = "zh" if random.random() < _ZH_SHARE else "en"
        if kind in _RAW:
            yield _RAW[kind](random, words, next(raw))
        elif kind in _JUDGED:
            yield _JUDGED[kind](random, words, next(judged))
        elif kind in _THINGS:
            yield _THINGS[kind](random, everyday, lang)
        else:
            yield things.truths(random, general, lang)


def _write_shard(task: tuple[Path, int, int]) -> int:
    path, seed, count = task
    jsonl.write_lines(path, ({"text": text} for text in documents(seed, count)))
    return count


def write(folder: Path, count: int, seed: int, processes: int) -> tuple[str, dict[str, Any]]:
    """Write `count` documents into shards below `folder`; returns the product in words and its figures."""
    tasks = [
        (folder / f"shard-{number:04d}.jsonl", seed + number, min(_SHARD, count - start))
        for number, start in enumerate(range(0, count, _SHARD))
    ]
    written = 0
    with multiprocessing.Pool(processes) as pool:
        for done in pool.imap_unordered(_write_shard, tasks):
            written += done
            print(f"  {written:,} of {count:,} documents", file=sys.stderr, flush=True)
    return f"{written:,} documents in {len(tasks)} shards", {"documents": written, "shards": len(tasks)}


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Write the shards; returns the exit code."""
    parser = argparse.ArgumentParser(description="Write pretraining text for finsight-nano as JSON lines.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the shards (created)")
    parser.add_argument("--documents", type=int, default=1_000_000, help="how many (default: 1,000,000)")
    parser.add_argument("--seed", type=int, default=20, help="the first shard's seed (default: 20)")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count(), help="default: all cores")
    options = parser.parse_args(argv)
    if options.documents < 1 or options.processes < 1:
        raise InputError("--documents and --processes must be at least 1")
    settings = {"documents": options.documents, "seed": options.seed}
    plan = stage.Plan("primer", options.out, "distill.primer.__main__", settings=settings)
    stage.run(plan, lambda folder: write(folder, options.documents, options.seed, options.processes))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
