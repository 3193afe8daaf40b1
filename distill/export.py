"""The training set: accepted answers, without duplicates and without anything that a benchmark asks.

    $ python -m distill.export --recipe nano
    [export] 1,098 training rows, 0 held out (4 duplicates, 2 benchmark overlaps removed) -> ... (1.2 s)

    sft.jsonl     {"id": "sim-train-en-000001", "prompt": [{"role": "user", "content": "You are ..."}],
                   "completion": [{"role": "assistant", "content": "<thinking>...{json}"}]}
    held_out.jsonl  the same, of the rows that a hash of their id sets aside, where the recipe wants some
    overlap.json  what was compared with which sets, and every pair that was removed, before asking or here
    card.md       the data card        llamafactory/  the same rows for LLaMA-Factory, with a training YAML

The prompt is the student's, the very one that evaluation asks; the completion is rendered anew from the parsed answer,
so every target keeps the contract to the letter. The same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from distill import card, keeping_apart, llamafactory
from distill import recipe as recipes
from distill.mentions import plain, stands_in
from finsight_eval import errors, jsonl, parse, prompt, stage
from finsight_eval.errors import InputError
from finsight_eval.exposing.similar import normal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from distill.keeping_apart import Apart
    from distill.overlap import Index
    from distill.recipe import Recipe
    from finsight_eval.records import Item

_SETTINGS: Final = ("name", "seed", "overlap_threshold", "held_out", "balance")
_SPLIT_BITS: Final = 32


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


def apart(rows: Sequence[jsonl.Row], index: Index, threshold: float) -> tuple[list[jsonl.Row], list[jsonl.Row], float]:
    """Return (rows that are no benchmark item, the removed pairs, the highest share among the kept)."""
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


def is_held_out(name: str, share: float) -> bool:
    """Tell whether the row of that id is set aside: the same for ever, whatever other rows there are."""
    place: int = int(hashlib.sha256(f"held out\0{name}".encode()).hexdigest()[: _SPLIT_BITS // 4], 16)
    return place < share * (1 << _SPLIT_BITS)


def shared_entities(rows: Sequence[jsonl.Row], items: Sequence[Item]) -> dict[str, Any]:
    """Return how far a benchmark set and the training rows speak of the same companies: names, and rows naming one."""
    forms = {normal(form) for item in items for form in (item.entity, *item.aliases)}
    answered = {normal(row["entity"]) for row in rows} & forms
    named = {item.entity for item in items}
    every_text = " | ".join(plain(row["text"]) for row in rows)
    mentioned = sorted(entity for entity in named if stands_in(plain(entity), every_text))
    return {"entities": len(named), "answered_in_training": sorted(answered), "mentioned_in_training": mentioned}


def exported(
    accepted: Sequence[jsonl.Row], sets: Apart, prepared: jsonl.Row, recipe: Recipe
) -> tuple[list[jsonl.Row], jsonl.Row]:
    """Return (the accepted rows that go into the training set, the overlap record).

    What was left out before asking (`prepared`) stands in the record with what is left out here: a benchmark may have
    grown since.
    """
    once, repeated = distinct(accepted)
    kept, here, highest = apart(once, sets.index, recipe.overlap_threshold)
    chosen = balanced(kept, recipe.seed) if recipe.balance else kept
    removed = [*prepared["removed"], *here]
    record = sets.record(removed, highest, len(once) + len(prepared["removed"]))
    for name, items in sets.sets.items():
        record["sets"][name] |= shared_entities(chosen, items)
    return chosen, {
        **record,
        "threshold": recipe.overlap_threshold,
        "removed_by_set": dict(sorted(Counter(pair["set"] for pair in removed).items())),
        "duplicates": repeated,
        "left_out_for_balance": len(kept) - len(chosen),
        "rows": len(chosen),
    }


def written(folder: Path, chosen: Sequence[jsonl.Row], recipe: Recipe, home: Path) -> tuple[int, int]:
    """Write the training rows in all their forms; returns how many are trained on and how many are held out."""
    aside = [sft_row(row) for row in chosen if is_held_out(row["id"], recipe.held_out)]
    rows = [sft_row(row) for row in chosen if not is_held_out(row["id"], recipe.held_out)]
    if not rows:
        raise InputError(f"all {len(aside)} rows are held out; gather more news, or lower held_out in the recipe")
    jsonl.write_lines(folder / "sft.jsonl", rows)
    if aside:
        jsonl.write_lines(folder / "held_out.jsonl", aside)
    llamafactory.write(folder / llamafactory.NAME, (rows, aside), recipe, home / llamafactory.NAME)
    return len(rows), len(aside)


@errors.command
def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 where the training set was written; bad input, or nothing left to learn from, ends with 2."""
    args = stage.arguments(__doc__ or "", recipes.FOLDER).parse_args(argv)
    recipe = recipes.load(args.recipe)
    runs = stage.run_folder(args.runs, args.recipe)
    stages = {"accepted": "verify/accepted.jsonl", "accounts": "verify/accounts.json", "usage": "generate/usage.json"}
    stages |= {"prepared": "prepare/accounts.json", "overlap": "prepare/overlap.json"}
    inputs = {name: runs / place for name, place in stages.items()}
    sets = keeping_apart.apart()
    settings = recipes.part(recipe, _SETTINGS)
    plan = stage.Plan("export", runs / "export", "distill.export", inputs, sets.files, settings)

    def build(folder: Path) -> tuple[str, dict[str, Any]]:
        accepted = [row for _, row in jsonl.read_lines(inputs["accepted"])]
        chosen, record = exported(accepted, sets, jsonl.read(inputs["overlap"]), recipe)
        if not chosen:
            raise InputError(f"{inputs['accepted']}: no row is left to learn from ({len(accepted)} were accepted)")
        rows, aside = written(folder, chosen, recipe, plan.folder)
        jsonl.write(folder / "overlap.json", record)
        about = {name: jsonl.read(inputs[name]) for name in ("prepared", "accounts", "usage")}
        jsonl.write_text(folder / "card.md", card.text(recipe, chosen, {**about, "overlap": record, "held_out": aside}))
        gone = f"{len(record['duplicates'])} duplicates, {len(record['removed'])} benchmark overlaps removed"
        facts = {"rows": rows, "duplicates": len(record["duplicates"]), "overlaps": len(record["removed"])}
        return f"{rows} training rows, {aside} held out ({gone})", {**facts, "held_out": aside}

    stage.run(plan, build)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
