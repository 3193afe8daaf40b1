"""Ask the teacher about every news text of the corpus, and about every benchmark item (its text only).

    $ python -m distill.generate --recipe nano
    [generate] 1,200 answered (1,200 asked now, 0 stored before), 0 failed, 0.0000 USD -> runs/nano/generate (4.1 s)

    {"id": "sim-train-en-000001", "reply": "<thinking>...", "finish_reason": "stop", "model": "finsight-rules-1",
     "prompt_tokens": 210, "completion_tokens": 61}
    {"id": "sim-train-en-000002", "error": "HTTP 500 after 8 attempts"}

Every answer is journalled in runs/NAME/store the moment it arrives; the same command goes on from there after a kill,
Ctrl-C or an empty account, and asks again for rows that failed. The answers to benchmark items go to
runs/NAME/teacher, apart from all training data.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from distill import answers
from distill import recipe as recipes
from distill.recipe import EMBEDDED
from finsight_eval import benchmark, errors, jsonl, manifest, records, stage
from finsight_eval.errors import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from distill.client import Endpoint
    from distill.recipe import Recipe
    from distill.store import Store
    from finsight_eval.records import News

_SETTINGS: Final = (
    "name", "base_url", "model", "temperature", "max_tokens", "extra_body",
    "price_date", "prompt_price", "cached_price", "completion_price", "peak_hours", "peak_factor",
)  # fmt: skip
_NAMED_FAILURES: Final = 20


def _key(recipe: Recipe) -> str:
    if recipe.api_key_env is None:
        return ""
    key = os.environ.get(recipe.api_key_env, "").strip()
    if not key:
        raise InputError(
            f"recipe {recipe.name}: the environment variable {recipe.api_key_env} holds no key; "
            f"set it (export {recipe.api_key_env}=...) and run the same command again"
        )
    if not key.isascii() or not key.isprintable() or set(key) & set("\"'\\ "):
        raise InputError(
            f"the environment variable {recipe.api_key_env} holds characters that no key has; set it again"
        )
    return key


def _base_url(recipe: Recipe) -> contextlib.AbstractContextManager[str]:
    """Return the endpoint's URL; the embedded teacher's server runs for as long as it is entered."""
    if recipe.base_url != EMBEDDED:
        return contextlib.nullcontext(recipe.base_url)
    from distill.teacher.server import serving

    return serving()


def _endpoint(recipe: Recipe, base_url: str) -> Endpoint:
    from distill.client import Endpoint

    teacher = answers.teacher_of(recipe)
    return Endpoint(
        name=f"{teacher['host']}/{teacher['model']}",
        base_url=base_url,
        model=recipe.model,
        settings=answers.request_settings(recipe),
        concurrency=recipe.concurrency,
        timeout_seconds=recipe.timeout_seconds,
        max_attempts=recipe.max_attempts,
        key_env=recipe.api_key_env,
        key=_key(recipe),
    )


def ask_missing(label: str, news: Sequence[News], keys: Sequence[str], recipe: Recipe, store: Store) -> dict[str, str]:
    """Ask for what is not stored yet, equal texts once, and return key -> error of what failed."""
    from distill.progress import Progress
    from distill.window import Request, fill

    wanted = {key: Request(key, row.id, row.text) for key, row in zip(keys, news, strict=True) if key not in store}
    if not wanted:
        return {}
    with _base_url(recipe) as base_url:
        endpoint = _endpoint(recipe, base_url)
        return fill(store, list(wanted.values()), endpoint, random.Random(recipe.seed), Progress(label, len(wanted)))


def _written(
    folder: Path, files: Mapping[str, Sequence[News]], recipe: Recipe, store_folder: Path, source: str
) -> tuple[str, dict[str, Any]]:
    """Answer every text of `files` (name -> texts), write one file each below `folder`, and account for them."""
    from distill.pricing import account
    from distill.store import opened

    news = [row for rows in files.values() for row in rows]
    keys = answers.keys_of(news, recipe)
    distinct = dict.fromkeys(keys)
    with opened(store_folder) as store:
        stored_before = sum(key in store for key in distinct)
        failed = ask_missing(folder.name.removesuffix(".partial"), news, keys, recipe, store)
        rows = iter(answers.rows(news, keys, store, failed))
        for name, texts in files.items():
            jsonl.write_lines(folder / name, [next(rows) for _ in texts])
        usage = account((store[key] for key in distinct if key in store), recipe)
    lost = sum(key in failed for key in keys)
    counts = {"texts": len(news), "answered": len(news) - lost, "failed": lost}
    usage = {
        "source": source,
        "teacher": answers.teacher_of(recipe),
        **counts,
        **usage,
        "price_date": recipe.price_date,
    }
    jsonl.write(folder / "usage.json", usage)
    asked = len(distinct) - stored_before
    phrase = f"{len(news) - lost:,} answered ({asked:,} asked now, {stored_before:,} stored before), {lost:,} failed"
    return f"{phrase}, {usage['usd']:.4f} USD", {**usage, "asked_now": asked, "stored_before": stored_before}


def _run(plan: stage.Plan, files: Mapping[str, Sequence[News]], recipe: Recipe, source: str) -> list[str]:
    """Run one stage and return "file: id: error" for every row that failed; a stage with failures is never skipped."""

    def build(folder: Path) -> tuple[str, dict[str, Any]]:
        if plan.name == "generate":
            texts = [{"id": row.id, "lang": row.lang, "text": row.text} for row in files["answers.jsonl"]]
            jsonl.write_lines(folder / "corpus.jsonl", texts)
        return _written(folder, files, recipe, plan.folder.parent / "store", source)

    found = stage.finished(plan.folder, stage.identity(plan))
    if found and found["facts"]["failed"]:
        (plan.folder / manifest.NAME).unlink()
    if not stage.run(plan, build)["facts"]["failed"]:
        return []
    paths = [plan.folder / name for name in files]
    return [
        f"{path}: {row['id']}: {row['error']}" for path in paths for _, row in jsonl.read_lines(path) if "error" in row
    ]


def generate(recipe: Recipe, runs: Path, given: Path | None) -> list[str]:
    """Answer the corpus into runs/NAME/generate, which keeps a copy of the texts; returns the failures."""
    if recipe.corpus == "file" and given is None:
        raise InputError(
            f"recipe {recipe.name} takes your own news: give --corpus FILE.jsonl, one "
            '{"id": "...", "lang": "en", "text": "..."} per line'
        )
    path = given or runs / "simulate" / "corpus.jsonl"
    plan = stage.Plan(
        name="generate",
        folder=runs / "generate",
        module="distill.generate",
        inputs={} if given else {"corpus": path},
        sources={"corpus": path} if given else {},
        settings=recipes.part(recipe, _SETTINGS),
    )
    news = records.read_news(path)
    return _run(plan, {"answers.jsonl": news}, recipe, "file" if given else "simulated")


def teach(recipe: Recipe, runs: Path) -> list[str]:
    """Answer every benchmark item into runs/NAME/teacher/SET.jsonl; only the text goes out; returns the failures."""
    items = {name: [i for split in benchmark.SPLITS for i in benchmark.read(name, split)] for name in recipe.benchmarks}
    plan = stage.Plan(
        name="teacher",
        folder=runs / "teacher",
        module="distill.generate",
        sources=recipes.benchmark_files(recipe.benchmarks),
        settings=recipes.part(recipe, (*_SETTINGS, "benchmarks")),
    )
    files = {f"{name}.jsonl": [records.News(i.id, i.lang, i.text) for i in found] for name, found in items.items()}
    return _run(plan, files, recipe, "benchmarks")


@errors.command
def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 where every text was answered, 1 where some failed for good; bad input ends with 2."""
    parser = stage.arguments(__doc__ or "", recipes.FOLDER)
    parser.add_argument(
        "--corpus", type=Path, help='your own news, {"id", "lang", "text"} per line, in place of the simulated'
    )
    args = parser.parse_args(argv)
    recipe = recipes.load(args.recipe)
    runs = stage.run_folder(args.runs, args.recipe)
    failures = [*generate(recipe, runs, args.corpus), *teach(recipe, runs)]
    for failure in failures[:_NAMED_FAILURES]:
        print(f"failed: {printable(failure, 400)}", file=sys.stderr)
    if len(failures) > _NAMED_FAILURES:
        print(f'failed: and {len(failures) - _NAMED_FAILURES} more, see the rows with "error"', file=sys.stderr)
    if failures:
        print(f"{len(failures)} texts have no answer; the same command asks for them again", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
