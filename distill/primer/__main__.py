r"""Write pretraining text for finsight-nano: shards of JSON lines.

    python -m distill.primer --out corpus --documents 1000000 --processes 16

    {"text": "<|im_start|>user\nWho is this about?\n\nKelbridge Semiconductor ...<|im_end|>\n..."}

Each shard is made from its own seed, so the corpus does not depend on the number of processes.
"""

from __future__ import annotations

import argparse
import multiprocessing
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from distill.primer import commentary, things
from distill.world.story import stories
from finsight_eval import jsonl
from finsight_eval.errors import InputError, command
from finsight_eval.recipe import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HERE: Final = Path(__file__).parent
_SHARD: Final = 25_000
_ZH_SHARE: Final = 0.4
#: Shares of the kinds of document. About three in ten have nothing to do with news.
_STORY_ALONE, _STORY_TOLD, _STORY_ASKED, _NOTED = 0.10, 0.32, 0.30, 0.20


def documents(seed: int, count: int) -> Iterator[str]:
    """Yield `count` documents; equal arguments give equal documents."""
    random = Random(seed)
    words: dict[str, Any] = read_yaml(_HERE / "plain_words.yaml")
    everyday: dict[str, Any] = read_yaml(_HERE / "things.yaml")
    news = stories(seed, "pretrain", count, _ZH_SHARE)
    for _ in range(count):
        draw = random.random()
        if draw < _STORY_ALONE:
            yield f"{next(news).text}\n"
        elif draw < _STORY_ALONE + _STORY_TOLD:
            yield commentary.told(random, words, next(news))
        elif draw < _STORY_ALONE + _STORY_TOLD + _STORY_ASKED:
            yield commentary.asked(random, words, next(news))
        else:
            lang = "zh" if random.random() < _ZH_SHARE else "en"
            noted = draw < _STORY_ALONE + _STORY_TOLD + _STORY_ASKED + _NOTED
            yield (things.noted if noted else things.tagged)(random, everyday, lang)


def _write_shard(task: tuple[Path, int, int]) -> int:
    path, seed, count = task
    jsonl.write_lines(path, ({"text": text} for text in documents(seed, count)))
    return count


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
    starts = range(0, options.documents, _SHARD)
    tasks = [
        (options.out / f"shard-{number:04d}.jsonl", options.seed + number, min(_SHARD, options.documents - start))
        for number, start in enumerate(starts)
    ]
    written = 0
    with multiprocessing.Pool(options.processes) as pool:
        for count in pool.imap_unordered(_write_shard, tasks):
            written += count
            print(f"[primer] {written:,} of {options.documents:,} documents", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
