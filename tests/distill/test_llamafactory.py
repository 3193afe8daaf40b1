"""The files for LLaMA-Factory: no row is cut, the adapter lands outside the export. Its own loader: tests/interop."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from distill import llamafactory
from distill import recipe as recipes
from finsight_eval import jsonl, prompt

HOME = Path("some runs/nano/export/llamafactory")


def row(news: str) -> jsonl.Row:
    return {
        "id": "row",
        "prompt": prompt.messages(prompt.student_prompt(news)),
        "completion": [{"role": "assistant", "content": "<thinking>\nx\n</thinking>\n{}"}],
    }


ROOM = 2048 - llamafactory.most_tokens(row(""))


@pytest.mark.parametrize(
    ("news", "length"),
    [
        (["a" * ROOM], 2048),
        (["a" * (ROOM + 1)], 4096),
        (["a" * (ROOM + 1), "a"], 4096),
        (["云" * (ROOM // 3)], 2048),  # three bytes each
        (["云" * (ROOM // 3 + 1)], 4096),
        (["\u0958" * (ROOM // 3)], 4096),  # three bytes as written, six in normal form
    ],
)
def test_the_cutoff_holds_every_row(news: list[str], length: int) -> None:
    """The predecessor's 1,024 doubled until the longest row's bytes fit: more tokens than bytes there cannot be."""
    assert llamafactory.cutoff([row(text) for text in news]) == length


def test_the_predecessors_cutoff_stays_where_it_suffices() -> None:
    """Rows without our long instruction keep to 1,024."""
    short = {"prompt": [{"content": "a" * 900}], "completion": [{"content": "b" * 60}]}
    assert llamafactory.cutoff([short]) == 1024


def test_the_yaml_reads_and_writes_where_the_run_is() -> None:
    """It reads the export's folder and writes beside it: an adapter inside would go when the export is made anew."""
    text = llamafactory.training_yaml([row("news")], recipes.load("distill/recipes/nano.yaml"), HOME)
    train = yaml.safe_load(text)
    assert train["dataset_dir"] == HOME.as_posix()
    assert train["output_dir"] == "some runs/nano/llamafactory"
    assert not Path(train["output_dir"]).is_relative_to(HOME.parent)
    assert "llamafactory-cli train 'some runs/nano/export/llamafactory/train.yaml'" in text
