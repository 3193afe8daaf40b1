"""How well the two readers of a set agree, before any dispute was settled.

    $ python -m benchmarks.agreement news
    sentiment   n 400  same 0.945  kappa 0.917

It also checks that every item was read twice and every dispute settled, and writes AGREEMENT.md beside the set.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from benchmarks import sets
from benchmarks.readings import LABELS, READINGS, SETTLED, labels, problems, read
from finsight_eval import confusion, jsonl, metrics
from finsight_eval.entity import entity_matches
from finsight_eval.errors import InputError, command
from finsight_eval.escape import inline, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.readings import Readings
    from finsight_eval.records import Item

PAGE: Final = "AGREEMENT.md"


def third_line(items: Sequence[Item], readings: Readings) -> str:
    """Return how the third reader's sample agrees with the gold, or an empty text where there is none."""
    sample = [item for item in items if item.id in readings.third]
    if not sample:
        return ""
    said = [readings.third[item.id][-1] for item in sample]
    sentiment = metrics.cohen_kappa([item.sentiment for item in sample], [row["sentiment"] for row in said])
    risk = metrics.quadratic_kappa([item.risk_level for item in sample], [row["risk_level"] for row in said])
    shown = ["n/a" if kappa is None else f"{kappa:.3f}" for kappa in (sentiment, risk)]
    return (
        f"A third reader, {len(sample)} items drawn at random from the finished `test`, against the gold: "
        f"kappa {shown[0]} (sentiment), quadratic kappa {shown[1]} (risk)."
    )


def figures(items: Sequence[Item], readings: Readings) -> dict[str, dict[str, Any]]:
    """Return label -> n, raw agreement, kappa and confusion of the first readings: before anything was settled."""
    pairs = [(readings.first[item.id][0], readings.second[item.id][0]) for item in items]
    found: dict[str, dict[str, Any]] = {}
    for key, classes in LABELS.items():
        one, other = [a[key] for a, _ in pairs], [b[key] for _, b in pairs]
        kappa = metrics.quadratic_kappa if key == "risk_level" else metrics.cohen_kappa
        found[key] = {
            "n": len(pairs),
            "same": sum(a == b for a, b in zip(one, other, strict=True)) / len(pairs),
            "kappa": kappa(one, other),
            "counts": confusion.confusion(one, other, classes)[:, :-1].tolist(),
        }
    known = {item.id: item.aliases for item in items}
    same = sum(entity_matches(b["entity"], a["entity"], known[a["id"]]) for a, b in pairs)
    found["entity"] = {"n": len(pairs), "same": same / len(pairs)}
    return found


def page(name: str, items: Sequence[Item], readings: Readings) -> str:
    """Return AGREEMENT.md: figures by language, confusions, and every dispute with its outcome."""
    parts = [
        f"# Agreement on `{name}`",
        "Two readers, each with the text and GUIDELINES.md alone; figures before any dispute was settled. Kappa is "
        "Cohen's, quadratic for risk. `python -m benchmarks.agreement " + name + "` computes this page.",
        _figures_table(items, readings),
        *filter(None, [third_line(items, readings)]),
    ]
    found = figures(items, readings)
    for key, classes in LABELS.items():
        counts = found[key]["counts"]
        rows = [(label, *map(str, row)) for label, row in zip(classes, counts, strict=True)]
        parts.append(f"## {key}: first reader (rows) against second (columns)")
        parts.append(table(("", *classes), rows, numbers=len(classes)))
    outcomes = {kind: sum(row["settled"] == kind for row in readings.disputes.values()) for kind in SETTLED}
    said = ", ".join(f"{kind} {count}" for kind, count in outcomes.items())
    parts.append(f"## Disputes: {len(readings.disputes)} ({said})")
    rows = [_dispute_row(readings, key, dispute) for key, dispute in sorted(readings.disputes.items())]
    parts.append(table(("item", "first", "second", "settled", "reason"), rows, numbers=0))
    read_by = [row for part in (readings.first, readings.second) for rows in part.values() for row in rows]
    readers, dates = (sorted({row[key] for row in read_by}) for key in ("reader", "date"))
    parts.append(f"Readers: {len(readers)} ({', '.join(readers)}). Dates: {', '.join(dates)}.")
    return "\n\n".join(parts) + "\n"


def _figures_table(items: Sequence[Item], readings: Readings) -> str:
    rows = []
    for title, chosen in (
        ("all", items),
        ("English", [item for item in items if item.lang == "en"]),
        ("Chinese", [item for item in items if item.lang == "zh"]),
    ):
        if chosen:
            found = figures(chosen, readings)
            cells = [f"{found[key]['same']:.3f}" for key in ("sentiment", "risk_level", "entity")]
            kappas = ["n/a" if (k := found[key]["kappa"]) is None else f"{k:.3f}" for key in LABELS]
            rows.append((title, str(len(chosen)), cells[0], kappas[0], cells[1], kappas[1], cells[2]))
    head = ("items", "n", "sentiment: same", "kappa", "risk: same", "quadratic kappa", "entity: same")
    return table(head, rows, numbers=6)


def _dispute_row(readings: Readings, key: str, dispute: jsonl.Row) -> tuple[str, ...]:
    first, second = readings.first[key][0], readings.second[key][0]
    return key, "/".join(labels(first)), "/".join(labels(second)), dispute["settled"], inline(dispute["reason"])


@command
def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.agreement",
        description="Compute the agreement of a set's two readers and write AGREEMENT.md beside it.",
    )
    parser.add_argument("set", nargs="?", default="news", help="name or folder of a set (default: news)")
    (folder,) = sets.folders([parser.parse_args(argv).set])
    placed, wrong = sets.read_set(folder)
    items = [one.item for one in placed]
    readings = read(folder)
    if wrong := [*wrong, *problems(items, readings)]:
        raise InputError(f"{folder / READINGS}: {wrong[0]} ({len(wrong)} problems in all)")
    jsonl.write_text(folder / PAGE, page(folder.name, items, readings))
    for key, found in figures(items, readings).items():
        kappa = f"  kappa {found['kappa']:.3f}" if found.get("kappa") is not None else ""
        print(f"{key:10}  n {found['n']}  same {found['same']:.3f}{kappa}")
    print(f"[agreement] {len(readings.disputes)} disputes settled -> {folder / PAGE}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
