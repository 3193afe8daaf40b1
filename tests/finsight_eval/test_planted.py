"""From replies to the page: planted models, scored, gated and reported as any other, are named on the report."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from finsight_eval import gate, jsonl, manifest, score
from finsight_eval.parse import Answer, render
from finsight_eval.prompt import messages, student_prompt
from finsight_eval.reporting.data import read_run
from finsight_eval.reporting.sections import page
from tests.finsight_eval import planted, synthetic_run
from tests.finsight_eval.planted import honest, items_of
from tests.finsight_eval.synthetic_run import STAMP, make_run, sample_row, seal, write_samples

if TYPE_CHECKING:
    from pathlib import Path

    from finsight_eval.records import Item
    from tests.finsight_eval.planted import Model, Taught

SIZE = 320


def lay_out(root: Path, patch: pytest.MonkeyPatch, model: Model, trained: Taught) -> Path:
    """Lay out a run on the real hand-written news whose adapter gave the replies of `model`; None: no training rows."""
    invented = synthetic_run.make_item

    def item_at(number: int, set_name: str = "news", **changes: object) -> Item:
        return items_of("finsight")[number] if set_name == "news" else invented(number, set_name, **changes)

    patch.setattr(synthetic_run, "make_item", item_at)
    run = make_run(root, patch, sizes=(SIZE, 12))
    rng = random.Random(5)
    rows = [
        sample_row(number, item, render(model(item, rng)), ("Neutral", "Medium"))
        for number, item in enumerate(items_of("finsight"))
    ]
    write_samples(run / "eval" / "adapter" / "model__name" / f"samples_finsight_{STAMP}.jsonl", rows)
    (run / "eval" / "adapter" / manifest.NAME).unlink()
    seal(run / "eval" / "adapter", 12.5)
    if trained is not None:
        lines = [
            {
                "id": str(number),
                "prompt": messages(student_prompt(row.text)),
                "completion": [
                    {
                        "role": "assistant",
                        "content": render(Answer(row.thinking, row.entity, row.sentiment, row.risk_level)),
                    }
                ],
            }
            for number, row in enumerate(trained)
        ]
        jsonl.write_lines(run / "export" / "sft.jsonl", lines)
        (run / "export" / manifest.NAME).unlink()
        seal(run / "export", 0.7, rows=len(lines))
    return run


def reported(run: Path) -> str:
    """Return the report, without its pictures, of a run that `score` and `gate` went over."""
    assert score.main(["--recipe", "nano"]) == 0
    assert gate.main(["--recipe", "nano", "--exit-zero"]) == 0
    return page(read_run(run), [])


@pytest.mark.parametrize(
    ("model", "trained", "name"),
    [
        (planted.neutral_when_unsure, planted.taught(), "Answers Neutral when unsure."),
        (planted.copies_one_label, planted.taught(), "Copies the majority class."),
        (planted.random_labels, planted.taught(), "Labels at random."),
        (planted.knows_leaks_only, planted.leaked(), "Memorised its training texts."),
    ],
)
def test_the_report_opens_with_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Model, trained: Taught, name: str
) -> None:
    """A bad model's name stands in the report's first lines, before any section and any gain."""
    text = reported(lay_out(tmp_path, monkeypatch, model, trained))
    head = text.split("\n## ")[0]
    assert f"- **{name}** On Hand-written news" in head
    assert head.index(name) < head.index("\n- Hand-written news (320 items)")


def test_an_honest_model_gets_no_such_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest negative: right in two thirds of the items, and said to lack training rows rather than cleared."""
    text = reported(lay_out(tmp_path, monkeypatch, honest(0.66, 0.66), None))
    assert not any(f"**{name}" in text for name in ("Answers ", "Copies ", "Labels at random", "Memorised ", "Gives "))
    assert "could not be looked for: memorised its training texts: the run holds no training rows" in text
