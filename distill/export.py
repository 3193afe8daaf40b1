"""The training set: accepted answers, without duplicates and without anything that a benchmark asks.

    $ python -m distill.export --recipe nano
    [export] 1,098 training rows (4 duplicates, 2 benchmark overlaps removed) -> runs/nano/export (1.2 s)

    sft.jsonl     {"id": "sim-train-en-000001", "prompt": [{"role": "user", "content": "You are ..."}],
                   "completion": [{"role": "assistant", "content": "<thinking>...{json}"}]}
    overlap.json  what was compared with which sets, and every pair that was removed
    card.md       the data card        llamafactory/  the same rows for LLaMA-Factory, with a training YAML

The prompt is the student's, the very one that evaluation asks; the completion is rendered anew from the parsed answer,
so every target keeps the contract to the letter. The same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from distill import card, llamafactory, overlap
from distill import recipe as recipes
from distill.mentions import plain, stands_in
from finsight_eval import benchmark, errors, jsonl, manifest, parse, prompt, stage
from finsight_eval.errors import InputError
from finsight_eval.exposing.similar import normal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from distill.recipe import Recipe
    from finsight_eval.records import Item

_SETTINGS: Final = ("name", "seed", "overlap_threshold", "balance")


def sft_row(row: jsonl.Row) -> jsonl.Row:
    """Return the training row of an accepted one."""
    answer = parse.parse(row["reply"])
    assert isinstance(answer, parse.Answer)  # noqa: S101 - verify accepted it
    return {
        "id": row["id"],
        "prompt": prompt.messages(prompt.student_prompt(row["text"])),
        "completion": [{"role": "assistant", "content": parse.render(answer)}],
    }


def distinct(rows: Sequence[jsonl.Row]) -> tuple[list[jsonl.Row], list[dict[str, str]]]:
    """Return (rows whose normal text comes for the first time, {"id", "same_as"} of the others)."""
    first: dict[str, str] = {}
    kept, repeated = [], []
    for row in rows:
        before = first.setdefault(normal(row["text"]), row["id"])
        if before == row["id"]:
            kept.append(row)
        else:
            repeated.append({"id": row["id"], "same_as": before})
    return kept, repeated


def apart(
    rows: Sequence[jsonl.Row], sets: Mapping[str, Sequence[Item]], threshold: float
) -> tuple[list[jsonl.Row], list[jsonl.Row], float]:
    """Return (rows that are no benchmark item, the removed pairs, the highest share among the kept)."""
    references = [overlap.Reference(name, item.id, item.text) for name, items in sets.items() for item in items]
    index = overlap.Index(references)
    kept, removed, highest = [], [], 0.0
    for row in rows:
        match = index.closest(row["text"])
        if match.share >= threshold:
            pair = {"set": match.reference.set, "item": match.reference.item, "kind": match.kind, "share": match.share}
            removed.append({"id": row["id"], **pair})
        else:
            kept.append(row)
            highest = max(highest, match.share)
    return kept, removed, highest


def balanced(rows: Sequence[jsonl.Row], seed: int) -> list[jsonl.Row]:
    """Return as many rows of every sentiment as the rarest one has, chosen by a hash of the id, in the old order."""
    by_label: dict[str, list[str]] = {}
    for row in rows:
        by_label.setdefault(row["sentiment"], []).append(row["id"])
    least = min(map(len, by_label.values()), default=0)
    chosen = {name for names_ in by_label.values() for name in sorted(names_, key=lambda n: _rank(n, seed))[:least]}
    return [row for row in rows if row["id"] in chosen]


def _rank(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}\0{name}".encode()).hexdigest()


def shared_entities(rows: Sequence[jsonl.Row], items: Sequence[Item]) -> dict[str, Any]:
    """Return how far a benchmark set and the training rows speak of the same companies: names, and rows naming one."""
    forms = {normal(form) for item in items for form in (item.entity, *item.aliases)}
    answered = {normal(row["entity"]) for row in rows} & forms
    named = {item.entity for item in items}
    every_text = " | ".join(plain(row["text"]) for row in rows)
    mentioned = sorted(entity for entity in named if stands_in(plain(entity), every_text))
    return {"entities": len(named), "answered_in_training": sorted(answered), "mentioned_in_training": mentioned}


def _overlap_record(
    sets: Mapping[str, Sequence[Item]], rows: Sequence[jsonl.Row], threshold: float, found: dict[str, Any]
) -> jsonl.Row:
    """Return overlap.json: what was compared, by which rule, and what came of it."""
    compared = {}
    for name, items in sets.items():
        folder = benchmark.folder(name)
        hashes = {split: manifest.sha256(folder / f"{split}.jsonl") for split in benchmark.SPLITS}
        version = jsonl.read(folder / manifest.NAME).get("version")
        compared[name] = {"version": version, "items": len(items), "sha256": hashes, **shared_entities(rows, items)}
    return {"method": overlap.METHOD, "threshold": threshold, "sets": compared, **found}


def exported(
    accepted: Sequence[jsonl.Row], sets: Mapping[str, Sequence[Item]], recipe: Recipe
) -> tuple[list[jsonl.Row], jsonl.Row]:
    """Return (the accepted rows that go into the training set, the overlap record)."""
    once, repeated = distinct(accepted)
    kept, removed, highest = apart(once, sets, recipe.overlap_threshold)
    chosen = balanced(kept, recipe.seed) if recipe.balance else kept
    found = {
        "checked": len(once),
        "removed": removed,
        "removed_by_set": dict(sorted(Counter(pair["set"] for pair in removed).items())),
        "highest_share_kept": highest,
        "duplicates": repeated,
        "left_out_for_balance": len(kept) - len(chosen),
        "rows": len(chosen),
    }
    return chosen, _overlap_record(sets, chosen, recipe.overlap_threshold, found)


@errors.command
def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 where the training set was written; bad input, or nothing left to learn from, ends with 2."""
    args = stage.arguments(__doc__ or "", recipes.FOLDER).parse_args(argv)
    recipe = recipes.load(args.recipe)
    runs = stage.run_folder(args.runs, args.recipe)
    inputs = {"accepted": runs / "verify" / "accepted.jsonl", "accounts": runs / "verify" / "accounts.json"}
    inputs["usage"] = runs / "generate" / "usage.json"
    known = sorted(benchmark.sets())
    if not known:
        raise InputError("no benchmark set is there to keep the training data apart from; restore benchmarks/")
    sets = {name: [item for split in benchmark.SPLITS for item in benchmark.read(name, split)] for name in known}
    settings = recipes.part(recipe, _SETTINGS)
    plan = stage.Plan("export", runs / "export", "distill.export", inputs, recipes.benchmark_files(known), settings)

    def build(folder: Path) -> tuple[str, dict[str, Any]]:
        accepted = [row for _, row in jsonl.read_lines(inputs["accepted"])]
        chosen, record = exported(accepted, sets, recipe)
        if not chosen:
            raise InputError(f"{inputs['accepted']}: no row is left to learn from ({len(accepted)} were accepted)")
        rows = [sft_row(row) for row in chosen]
        jsonl.write_lines(folder / "sft.jsonl", rows)
        jsonl.write(folder / "overlap.json", record)
        llamafactory.write(folder / llamafactory.NAME, rows, recipe, plan.folder / llamafactory.NAME)
        accounts, usage = jsonl.read(inputs["accounts"]), jsonl.read(inputs["usage"])
        jsonl.write_text(folder / "card.md", card.text(recipe, chosen, record, accounts, usage))
        gone = f"{len(record['duplicates'])} duplicates, {len(record['removed'])} benchmark overlaps removed"
        facts = {"rows": len(rows), "duplicates": len(record["duplicates"]), "overlaps": len(record["removed"])}
        return f"{len(rows)} training rows ({gone})", facts

    stage.run(plan, build)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
