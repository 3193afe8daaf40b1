"""benchmarks.speed.training: rows as announced, the operations of a token, a line from the project's own command."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.speed import training
from finsight_eval import jsonl

NANO = Path(__file__).parents[2] / "finsight_train" / "bases" / "finsight-nano"
SEVEN = {
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
}


def test_rows_are_as_long_as_announced() -> None:
    """250 to 470 tokens or nearly, two fifths of them labelled, and no beginning in common but the template's."""
    from transformers import AutoTokenizer

    from finsight_train import rows

    tokenizer = AutoTokenizer.from_pretrained(NANO)
    found = []
    for row in training.rows(tokenizer, 60):
        ids, start = rows.tokens_of(tokenizer, row["prompt"], row["completion"])
        found.append(rows.Row(row["id"], ids, [rows.IGNORED] * start + ids[start:]))
    lengths = [len(row.input_ids) for row in found]
    share = sum(label >= 0 for row in found for label in row.labels) / sum(lengths)
    assert 200 < min(lengths) < max(lengths) < 520
    assert share == pytest.approx(training.LABELLED, abs=0.05)
    assert len(rows.shared_prefix(found)) < 30


def test_the_operations_of_a_token_are_those_of_the_shape() -> None:
    """Qwen2.5-7B, rank 16: 26.1 GFLOP in layers, .9 in the head, .2 in the adapter, .15 in attention."""
    layers = 28 * 4 * (3584 * (3584 * 2 + 512 * 2) + 3 * 3584 * 18944)
    found = training.flops_per_token(SEVEN, 16)
    assert found == pytest.approx(layers + 0.4 * 4 * 3584 * 152064 + 6 * 40_370_176 + 28 * 4 * 3584 * 360, rel=1e-6)
    assert 989e12 / found == pytest.approx(36_100, rel=0.02)


@pytest.mark.loop
def test_a_preset_is_measured_by_the_projects_own_command(tmp_path: Path) -> None:
    """On the CPU with finsight-nano: one line with rate, memory and placement; utilisation is the GPU's only."""
    out = tmp_path / "training.jsonl"
    given = ["--model", str(NANO), "--work", str(tmp_path / "work"), "--recipe", "nano", "--device", "cpu"]
    assert training.main([*given, "--presets", "memory", "--steps", "2", "--out", str(out)]) == 0
    [(_, row)] = jsonl.read_lines(out)
    assert row["steady_tokens_per_second"] > 0
    assert row["placement"] == {"tokens": None, "kept": False, "recomputed": 8}
    assert row["flop_utilisation"] is None
