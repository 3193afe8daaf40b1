r"""Simulate news and its labels: the corpus of a recipe, or benchmark rows.

    $ python -m distill.simulate --recipe nano
    $ python -m distill.simulate --split test --rows 320 --out benchmarks/simulated/test.jsonl

    corpus.jsonl  {"id": "sim-train-en-000001", "lang": "en", "text": "Kelby Motors recalled ..."}
    gold.jsonl    {"id": "sim-train-en-000001", "lang": "en", "entity": "Kelby Motors", "sentiment": "Negative", ...}

The corpus that a teacher sees holds no label; the gold file stands beside it for measuring teachers. Benchmark rows
hold both. No name, phrase or frame of one split occurs in another.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from distill import recipe as recipes
from distill.world.story import stories
from finsight_eval import errors, jsonl, stage
from finsight_eval.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from distill.world.story import Story

_SETTINGS: Final = ("name", "seed", "corpus_rows", "zh_share")
_BENCHMARK_SPLITS: Final = ("dev", "test")


def numbered(told: Iterator[Story], split: str, digits: int) -> Iterator[tuple[str, Story]]:
    """Yield (id, story): sim-train-en-000001 and so on, counted per language."""
    counts: Counter[str] = Counter()
    for story in told:
        counts[story.lang] += 1
        yield f"sim-{split}-{story.lang}-{counts[story.lang]:0{digits}d}", story


def benchmark_row(name: str, story: Story) -> dict[str, Any]:
    """Return text and gold in one row, keys in the order of the file format."""
    gold = story.gold(name)
    return {"id": gold.pop("id"), "lang": gold.pop("lang"), "text": story.text, **gold}


def shares(told: Sequence[Story]) -> dict[str, dict[str, float]]:
    """Return how often each language, label and tier occurs, as shares of all stories."""
    counts = {
        key: Counter(getattr(story, key) for story in told) for key in ("lang", "sentiment", "risk_level", "tier")
    }
    return {key: {name: round(n / len(told), 3) for name, n in sorted(found.items())} for key, found in counts.items()}


def write_corpus(folder: Path, recipe: recipes.Recipe) -> tuple[str, dict[str, Any]]:
    """Write corpus.jsonl and gold.jsonl below `folder`; returns the product in words and the shares of each label."""
    rows = list(numbered(stories(recipe.seed, "train", recipe.corpus_rows, recipe.zh_share), "train", 6))
    jsonl.write_lines(folder / "corpus.jsonl", ({"id": name, "lang": s.lang, "text": s.text} for name, s in rows))
    jsonl.write_lines(folder / "gold.jsonl", (story.gold(name) for name, story in rows))
    return f"{len(rows):,} news texts", {"texts": len(rows), **shares([story for _, story in rows])}


def write_benchmark(path: Path, recipe: recipes.Recipe, split: str, rows: int) -> None:
    """Write `rows` benchmark rows of `split` to `path`, grouped by language."""
    told = numbered(stories(recipe.seed, split, rows, recipe.zh_share), split, 4)
    jsonl.write_lines(path, sorted((benchmark_row(*pair) for pair in told), key=lambda row: str(row["id"])))
    print(f"[simulate] {rows:,} {split} rows -> {path}", flush=True)


@errors.command
def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 where the corpus or the rows were written; bad input ends with 2."""
    parser = stage.arguments(__doc__ or "", recipes.FOLDER)
    parser.add_argument("--split", choices=_BENCHMARK_SPLITS, help="write benchmark rows of this split, not a corpus")
    parser.add_argument("--rows", type=int, help="how many benchmark rows (with --split)")
    parser.add_argument("--out", type=Path, help="where the benchmark rows go (with --split)")
    args = parser.parse_args(argv)
    recipe = recipes.load(args.recipe)
    if recipe.corpus_rows < 1:
        raise InputError(f"recipe {recipe.name}: corpus_rows is {recipe.corpus_rows}, at least 1 is expected")
    given = [args.split, args.rows, args.out]
    if any(value is not None for value in given):
        if args.split is None or args.out is None or args.rows is None or args.rows < 1:
            raise InputError("benchmark rows need all of --split, --rows (at least 1) and --out")
        write_benchmark(args.out, recipe, args.split, args.rows)
        return 0
    plan = stage.Plan(
        name="simulate",
        folder=stage.run_folder(args.runs, args.recipe) / "simulate",
        module="distill.simulate",
        settings=recipes.part(recipe, _SETTINGS),
    )
    stage.run(plan, lambda folder: write_corpus(folder, recipe))
    return 0


if __name__ == "__main__":
    sys.exit(main())
