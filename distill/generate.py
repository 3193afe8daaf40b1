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
import functools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from distill import answers, corpus
from distill import recipe as recipes
from distill.places import Places
from distill.recipe import EMBEDDED
from finsight_eval import benchmark, errors, jsonl, manifest, prompt, stage
from finsight_eval.errors import InputError, printable
from finsight_eval.records import News

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from distill.asking import Ask
    from distill.client import Endpoint
    from distill.recipe import Recipe
    from distill.store import Store
    from finsight_eval.records import Item

    Texts = Callable[[], Iterator[News]]

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
        concurrency=recipe.concurrency,
        timeout_seconds=recipe.timeout_seconds,
        max_attempts=recipe.max_attempts,
        seed=recipe.seed,
        key_env=recipe.api_key_env,
        key=_key(recipe),
    )


def ask_missing(label: str, asks: Callable[[], Iterator[Ask]], recipe: Recipe, store: Store) -> dict[str, str]:
    """Ask for what is not stored yet, equal questions once, and return key -> error of what failed.

    `asks()` is drawn twice: to see how many are missing, and to ask them.
    """
    from distill.fill import fill
    from distill.progress import Progress
    from distill.purse import Purse

    missing = sum(ask.key not in store for ask in asks())
    if not missing:
        return {}
    with _base_url(recipe) as base_url:
        return fill(store, asks(), _endpoint(recipe, base_url), Progress(label, missing), Purse(recipe))


def _written(
    folder: Path, files: Mapping[str, Texts], recipe: Recipe, store_folder: Path, source: str
) -> tuple[str, dict[str, Any]]:
    """Answer every text of `files` (name -> texts), write one file each below `folder`, and account for them."""
    from distill.store import opened

    asker = answers.asker(recipe)

    def asks() -> Iterator[Ask]:
        return (answers.reasoned(asker, news) for texts in files.values() for news in texts())

    with opened(store_folder) as store:
        _speak_of_other_prompts(store)
        before = len(store)
        failed = ask_missing(folder.name.removesuffix(".partial"), asks, recipe, store)
        asked = len(store) - before
        for name, texts in files.items():
            pairs = ((news, answers.reasoned(asker, news).key) for news in texts())
            jsonl.write_lines(folder / name, answers.rows(pairs, store, failed))
        counts, usage = _accounts(asks, store, failed, recipe)
    counts["answered"] = counts["texts"] - counts["failed"]
    usage = {"source": source, "teacher": answers.teacher_of(recipe), **counts, **usage}
    jsonl.write(folder / "usage.json", {**usage, "price_date": recipe.price_date})
    stored = counts.pop("distinct") - asked
    phrase = f"{counts['answered']:,} answered ({asked:,} asked now, {stored:,} stored before)"
    facts = {**usage, "asked_now": asked, "stored_before": stored}
    return f"{phrase}, {counts['failed']:,} failed, {usage['usd']:.4f} USD", facts


def _accounts(
    asks: Callable[[], Iterator[Ask]], store: Store, failed: Mapping[str, str], recipe: Recipe
) -> tuple[dict[str, int], dict[str, Any]]:
    """Return (texts, failed ones and distinct answers; the sums over these answers)."""
    from distill.pricing import account

    counts = {"texts": 0, "failed": 0, "distinct": 0}
    seen = Places()

    def distinct() -> Iterator[jsonl.Row]:
        for ask in asks():
            counts["texts"] += 1
            counts["failed"] += ask.key in failed
            if ask.key not in failed and not any(seen.candidates(ask.key)):
                seen.add(ask.key, 1)
                counts["distinct"] += 1
                yield store[ask.key]

    return counts, account(distinct(), recipe)


def _speak_of_other_prompts(store: Store) -> None:
    """Say of which answers in the store no use is made: those to another version of the prompt."""
    if others := sum(count for version, count in store.prompts.items() if version != prompt.fingerprint()):
        print(
            f"{store.path.parent}: {others:,} answers to other prompt versions are kept and not used", file=sys.stderr
        )


def _run(plan: stage.Plan, files: Mapping[str, Texts], recipe: Recipe, source: str) -> list[str]:
    """Run one stage and return "file: id: error" for every row that failed; a stage with failures is never skipped."""

    def build(folder: Path) -> tuple[str, dict[str, Any]]:
        if plan.name == "generate":
            texts = ({"id": row.id, "lang": row.lang, "text": row.text} for row in files["answers.jsonl"]())
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
    texts = functools.partial(corpus.read, path)
    return _run(plan, {"answers.jsonl": texts}, recipe, "file" if given else "simulated")


def _texts_of(items: Iterable[Item]) -> Iterator[News]:
    return (News(item.id, item.lang, item.text) for item in items)


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
    files = {f"{name}.jsonl": functools.partial(_texts_of, found) for name, found in items.items()}
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
