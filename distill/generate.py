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

import dataclasses
import functools
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from distill import answers, connecting, corpus, prepare, rehearsal
from distill import recipe as recipes
from distill.follow_up import every
from distill.places import Places
from finsight_eval import benchmark, errors, jsonl, manifest, prompt, stage
from finsight_eval.errors import printable
from finsight_eval.records import News

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from distill.asking import Ask
    from distill.reading import Said
    from distill.recipe import Recipe
    from distill.store import Store
    from finsight_eval.records import Item

    Texts = Callable[[], Iterator[News]]

_SETTINGS: Final = (
    "name", "base_url", "model", "temperature", "max_tokens", "extra_body",
    "price_date", "prompt_price", "cached_price", "completion_price", "peak_hours", "peak_factor",
)  # fmt: skip
_NAMED_FAILURES: Final = 20
OVER_BUDGET: Final = "not asked: the budget is used up"


class Job(NamedTuple):
    """What is asked for: by which recipe, for which run, about news of which source, within which budget in USD."""

    recipe: Recipe
    run: Path
    source: str
    budget: float | None


def ask_missing(label: str, asks: Iterator[Ask], missing: int, job: Job, store: Store) -> dict[str, str]:
    """Ask for what is not stored yet, `missing` questions, and return key -> error of what failed."""
    from distill.fill import fill
    from distill.progress import Progress
    from distill.purse import Purse, spent_in

    recipe = job.recipe
    purse = Purse(recipe, job.budget, spent_in(store.rows(), recipe) if job.budget is not None else 0.0)
    with connecting.base_url(recipe) as base_url:
        return fill(store, asks, connecting.endpoint(recipe, base_url), Progress(label, missing), purse)


def _written(folder: Path, files: Mapping[str, Texts], job: Job) -> tuple[str, dict[str, Any]]:
    """Answer every text of `files` (name -> texts), write one file each below `folder`, and account for them."""
    from distill.store import opened

    recipe, asker = job.recipe, answers.asker(job.recipe)

    def said(ask: Ask) -> Said | None:
        return answers.said(ask, store[ask.key]) if ask.key in store else None

    def asks() -> Iterator[Ask]:
        return (ask for texts in files.values() for news in texts() for ask in every(asker, news, recipe, said))

    with opened(job.run / "store") as store:
        _speak_of_other_prompts(store)
        before = len(store)
        failed = _asked(folder.name.removesuffix(".partial"), asks, job, store)
        asked = len(store) - before
        counts = Counter[str]()
        for name, texts in files.items():
            rows = (answers.row(news, list(every(asker, news, recipe, said)), store, failed) for news in texts())
            jsonl.write_lines(folder / name, answers.counted(rows, counts))
        distinct, usage = _accounts(asks, store, recipe)
    usage = {
        "source": job.source,
        "prompt": prompt.fingerprint(),
        "teacher": answers.teacher_of(recipe),
        **counts,
        "distinct": distinct,
        **usage,
    }
    jsonl.write(folder / "usage.json", {**usage, "price_date": recipe.price_date})
    stored = distinct - asked
    phrase = f"{counts['answered']:,} answered ({asked:,} asked now, {stored:,} stored before)"
    facts = {**usage, "asked_now": asked, "stored_before": stored}
    lost = f", {counts['failed_questions']:,} further questions unanswered" if counts["failed_questions"] else ""
    return f"{phrase}, {counts['failed']:,} failed{lost}, {usage['usd']:.4f} USD", facts


def _asked(label: str, asks: Callable[[], Iterator[Ask]], job: Job, store: Store) -> dict[str, str]:
    """Ask in rounds, each after what the one before has brought, and return key -> error of what has no answer."""
    failed: dict[str, str] = {}
    for number in range(1 + job.recipe.follow_ups):
        missing = sum(ask.key not in store and ask.key not in failed for ask in asks())
        if not missing:
            break
        wanted = (ask for ask in asks() if ask.key not in failed)
        failed |= ask_missing(f"{label}, round {number + 1}" if number else label, wanted, missing, job, store)
    short = {ask.key: OVER_BUDGET for ask in asks() if ask.key not in store and ask.key not in failed}
    if short:
        print(f"{len(short):,} questions were not asked: the budget is used up", file=sys.stderr)
    return failed | short


def _accounts(asks: Callable[[], Iterator[Ask]], store: Store, recipe: Recipe) -> tuple[int, dict[str, Any]]:
    """Return (distinct answers, the sums over them)."""
    from distill.pricing import Ledger

    ledger, seen, distinct = Ledger(recipe), Places(), 0
    for ask in asks():
        if ask.key in store and not any(seen.candidates(ask.key)):
            seen.add(ask.key, 1)
            distinct += 1
            ledger.book(store[ask.key])
    return distinct, ledger.sums()


def _speak_of_other_prompts(store: Store) -> None:
    """Say of which answers in the store no use is made: those to another version of the prompt."""
    if others := sum(count for version, count in store.prompts.items() if version != prompt.fingerprint()):
        print(
            f"{store.path.parent}: {others:,} answers to other prompt versions are kept and not used", file=sys.stderr
        )


def _run(plan: stage.Plan, files: Mapping[str, Texts], job: Job) -> list[str]:
    """Run one stage and return "file: id: error" for every row that failed; a stage with failures is never skipped."""

    def build(folder: Path) -> tuple[str, dict[str, Any]]:
        if plan.name == "generate":
            texts = ({"id": row.id, "lang": row.lang, "text": row.text} for row in files["answers.jsonl"]())
            jsonl.write_lines(folder / "corpus.jsonl", texts)
        return _written(folder, files, job)

    found = stage.finished(plan.folder, stage.identity(plan))
    if found and found["facts"]["failed"] + found["facts"]["failed_questions"]:
        (plan.folder / manifest.NAME).unlink()
    if not stage.run(plan, build)["facts"]["failed"]:
        return []
    paths = [plan.folder / name for name in files]
    return [
        f"{path}: {row['id']}: {row['error']}" for path in paths for _, row in jsonl.read_lines(path) if "error" in row
    ]


def generate(job: Job) -> list[str]:
    """Answer the prepared corpus into runs/NAME/generate, which keeps a copy of the texts; returns the failures."""
    path = job.run / "prepare" / "corpus.jsonl"
    plan = stage.Plan(
        name="generate",
        folder=job.run / "generate",
        module="distill.generate",
        inputs={"corpus": path},
        settings=recipes.part(job.recipe, (*_SETTINGS, "samples", "direct", "follow_ups")),
    )
    texts = functools.partial(corpus.read, path)
    return _run(plan, {"answers.jsonl": texts}, job)


def _texts_of(items: Iterable[Item]) -> Iterator[News]:
    return (News(item.id, item.lang, item.text) for item in items)


def teach(job: Job) -> list[str]:
    """Answer every benchmark item into runs/NAME/teacher/SET.jsonl; only the text goes out; returns the failures."""
    recipe = dataclasses.replace(job.recipe, samples=1, direct=False, follow_ups=0)
    items = {name: [i for split in benchmark.SPLITS for i in benchmark.read(name, split)] for name in recipe.benchmarks}
    plan = stage.Plan(
        name="teacher",
        folder=job.run / "teacher",
        module="distill.generate",
        sources=recipes.benchmark_files(recipe.benchmarks),
        settings=recipes.part(recipe, (*_SETTINGS, "benchmarks")),
    )
    files = {f"{name}.jsonl": functools.partial(_texts_of, found) for name, found in items.items()}
    return _run(plan, files, job._replace(recipe=recipe, source="benchmarks"))


@errors.command
def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 where every text was answered, 1 where some failed for good; bad input ends with 2."""
    parser = stage.arguments(__doc__ or "", recipes.FOLDER)
    prepare.add_arguments(parser)
    parser.add_argument(
        "--budget", type=prepare.dollars, metavar="USD", help="never spend more on this store's answers"
    )
    parser.add_argument("--dry-run", action="store_true", help="print an estimate and three prompts; ask nothing")
    args = parser.parse_args(argv)
    recipe = recipes.load(args.recipe)
    runs = stage.run_folder(args.runs, args.recipe)
    news = prepare.corpus_of(args, recipe, runs)
    prepare.prepare(recipe, runs, news)
    if args.dry_run:
        rehearsal.rehearse(recipe, runs)
        return 0
    job = Job(recipe, runs, "file" if args.corpus else "simulated", args.budget)
    failures = [*generate(job), *teach(job)]
    for failure in failures[:_NAMED_FAILURES]:
        print(f"failed: {printable(failure, 400)}", file=sys.stderr)
    if len(failures) > _NAMED_FAILURES:
        print(f'failed: and {len(failures) - _NAMED_FAILURES} more, see the rows with "error"', file=sys.stderr)
    if failures:
        print(f"{len(failures)} texts have no answer; the same command asks for them again", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
