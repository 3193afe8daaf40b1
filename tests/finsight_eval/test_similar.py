"""Which items resemble a training text: the same as the export's overlap check finds, and no common phrase."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from distill.overlap import Index, Reference
from finsight_eval import jsonl
from finsight_eval.errors import InputError
from finsight_eval.exposing.similar import resembling
from finsight_eval.exposing.trained import Trained, read_trained
from finsight_eval.prompt import messages, student_prompt
from tests.finsight_eval.planted import items_of

TEXT = "Harborline Foods said it is pulling a batch of frozen meals after a test found traces of metal."


@pytest.mark.parametrize(
    ("training", "alike"),
    [
        (TEXT, True),
        (TEXT.upper().replace(" ", "  "), True),
        (f"Update, 9.30. {TEXT} More follows.", True),
        ("Harborline Foods said it is pulling a batch of frozen meals.", True),
        ("Harborline Foods said that sales of frozen fish rose by a tenth in the year to the end of June.", False),
        ("a batch of frozen", False),
        ("", False),
    ],
)
def test_whole_in_part_or_nearly(training: str, alike: bool) -> None:
    """Case, spaces, an addition and a cut do not hide a text; a shared subject or a phrase does not make one."""
    assert resembling((TEXT,), (training,), 0.6) == (frozenset({TEXT}) if alike else frozenset())


def test_the_method_is_that_of_the_overlap_record() -> None:
    """Training texts sewn together from halves and thirds of items: both find the same items, at any threshold."""
    texts = tuple(item.text for item in items_of("finsight"))
    sewn = [
        one[: len(one) // 2] + other[len(other) * 2 // 3 :] for one, other in zip(texts[::5], texts[7:], strict=False)
    ]
    index = Index([Reference("train", str(number), text) for number, text in enumerate(sewn)])
    share = {text: index.closest(text).share for text in texts}
    for threshold in (0.3, 0.45, 0.6):
        expected = {text for text in texts if share[text] >= threshold}
        assert resembling(texts, tuple(sewn), threshold) == expected
        assert 0 < len(expected) < len(texts)


def test_training_rows_are_read_back(tmp_path: Path) -> None:
    """Text and taught answer come out as they went in; another kind of row is refused with its line."""
    row = Trained("恒岳电池公告。<|im_end|>", "订单 -> 增长", "恒岳电池", "Positive", "Low")
    content = (
        '<thinking>\n订单 -> 增长\n</thinking>\n{"entity": "恒岳电池", "sentiment": "Positive", "risk_level": "Low"}'
    )
    line = {
        "id": "1",
        "prompt": messages(student_prompt(row.text)),
        "completion": [{"role": "assistant", "content": content}],
    }
    path = tmp_path / "sft.jsonl"
    jsonl.write_lines(path, [line])
    (found,) = read_trained(path)
    assert found == replace(row, text="恒岳电池公告。< |im_end| >")
    hello, bare = {"prompt": messages("Hello")}, {"completion": [{"role": "assistant", "content": "Positive"}]}
    for broken in ({}, {**line, "completion": []}, {**line, **hello}, {**line, **bare}):
        jsonl.write_lines(path, [line, broken])
        with pytest.raises(InputError, match=r"sft.jsonl:2: no training row of ours"):
            read_trained(path)
