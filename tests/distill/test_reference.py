"""The reference answers that the benchmark sets carry are the embedded teacher's own, of today."""

from __future__ import annotations

import pytest

from distill.teacher.analyst import reply
from finsight_eval import benchmark, jsonl


@pytest.mark.parametrize("name", ["news", "simulated"])
def test_the_reference_is_what_the_embedded_teacher_says_today(name: str) -> None:
    """A lexicon that changed without its reference would make teacher_agreement measure an unknown teacher."""
    rows = {row["id"]: row["reply"] for _, row in jsonl.read_lines(benchmark.folder(name) / "teacher.jsonl")}
    items = [item for split in benchmark.SPLITS for item in benchmark.read(name, split)]
    assert rows.keys() == {item.id for item in items}
    stale = [item.id for item in items if rows[item.id] != reply(item.text)]
    assert not stale, (
        f"run distill.generate, copy runs/nano/teacher/{name}.jsonl to teacher.jsonl and seal the set again"
    )
