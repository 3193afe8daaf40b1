"""The estimate of memory against what was measured, and the placement that follows from it."""

from __future__ import annotations

import random
from dataclasses import replace
from types import SimpleNamespace

import pytest

from finsight_eval.errors import InputError
from finsight_train.memory import GIB, Load, Shape, effort, in_words, lengths_of, needed, on_cpu, placed, shape_of
from finsight_train.network import Placement
from finsight_train.packing import epoch_steps, passes_of, shares_of, widest_share

QWEN_7B = SimpleNamespace(
    num_hidden_layers=28, hidden_size=3584, intermediate_size=18944, num_attention_heads=28, num_key_value_heads=4,
    vocab_size=152064, tie_word_embeddings=False,
)  # fmt: skip
SHAPE = shape_of(QWEN_7B, rank=16, number_size=2)
#: Steps of 16,384 tokens, rows of 470 at most, nothing shared.
LOAD = Load(16_384, 470, 0)


@pytest.mark.parametrize(
    ("tokens", "kept", "recomputed", "measured"),
    [
        (16384, True, 0, 90.17),
        (8192, True, 0, 54.41),
        (8192, False, 28, 9.61),
        (6144, False, 28, 8.78),
        (4096, False, 28, 7.95),
        (4096, False, 0, 24.16),
        (3072, False, 4, 17.78),
    ],
)
def test_the_estimate_is_what_was_measured(tokens: int, kept: bool, recomputed: int, measured: float) -> None:
    """GiB at the peak for Qwen2.5-7B's shape, rank 16, bfloat16, on one H200 with torch 2.11: within 5 %."""
    assert needed(SHAPE, Placement(tokens, kept, recomputed)) / GIB == pytest.approx(measured, rel=0.05)


@pytest.mark.parametrize(
    ("preset", "gigabytes", "placement"),
    [
        ("auto", 141, Placement(16384, kept=True, recomputed=0)),
        ("speed", 141, Placement(16384, kept=True, recomputed=0)),
        ("memory", 141, Placement(5632, kept=False, recomputed=28)),
        ("auto", 80, Placement(8448, kept=True, recomputed=0)),
        ("speed", 80, Placement(8448, kept=True, recomputed=0)),
        ("memory", 80, Placement(5632, kept=False, recomputed=28)),
        ("auto", 40, Placement(3456, kept=True, recomputed=0)),
        ("speed", 40, Placement(3456, kept=True, recomputed=0)),
        ("auto", 24, Placement(2816, kept=False, recomputed=0)),
        ("memory", 24, Placement(5632, kept=False, recomputed=28)),
        ("auto", 16, Placement(1792, kept=False, recomputed=2)),
        ("memory", 16, Placement(5632, kept=False, recomputed=28)),
        ("auto", 11, Placement(5632, kept=False, recomputed=27)),
        ("memory", 11, Placement(5632, kept=False, recomputed=28)),
    ],
)
def test_what_each_card_gets(preset: str, gigabytes: int, placement: Placement) -> None:
    """The longest passes of what computes least; `memory` takes no more than it needs, however much there is."""
    assert placed(preset, SHAPE, LOAD, int(gigabytes * 1e9)) == placement


@pytest.mark.parametrize("gigabytes", [8, 11, 16, 24, 40, 80, 141])
@pytest.mark.parametrize("preset", ["speed", "memory"])
def test_auto_is_no_slower_than_what_could_be_asked_for(preset: str, gigabytes: int) -> None:
    """And leaves six percent of what is free to others, as they do."""
    free = gigabytes * 10**9
    found = placed("auto", SHAPE, LOAD, free)
    assert needed(SHAPE, found) <= 0.94 * free
    if preset == "memory" or gigabytes > 24:
        assert effort(SHAPE, found) <= effort(SHAPE, placed(preset, SHAPE, LOAD, free))


@pytest.mark.parametrize("preset", ["auto", "speed", "memory"])
def test_more_memory_is_never_slower(preset: str) -> None:
    """From one gigabyte to the next; and what fits into less fits into more."""
    efforts: list[float] = []
    for gigabytes in range(6, 150, 2):
        try:
            found = placed(preset, SHAPE, LOAD, gigabytes * 10**9)
        except InputError:
            assert not efforts
            continue
        assert found.tokens is not None
        assert LOAD.row <= found.tokens <= LOAD.step
        efforts.append(effort(SHAPE, found))
    assert efforts == sorted(efforts, reverse=True)
    assert len(efforts) > 50


@pytest.mark.parametrize(
    ("preset", "gigabytes", "says"),
    [
        ("speed", 16, "preset speed needs 23.0 GiB of GPU memory, 14.9 GiB are free: 8.1 GiB are missing; preset auto"),
        ("speed", 4, "no preset fits: take a smaller base or max_length, or another GPU"),
        ("memory", 4, "3.7 GiB are free: "),
        ("auto", 4, "no preset fits"),
    ],
)
def test_too_little_memory_is_said_with_what_is_missing(preset: str, gigabytes: int, says: str) -> None:
    """And with the preset that fits, where one does."""
    with pytest.raises(InputError, match=says):
        placed(preset, SHAPE, LOAD, gigabytes * 10**9)


@pytest.mark.parametrize(
    ("load", "lengths"),
    [
        (Load(16_384, 470, 0), [16384, 8448, 5632]),  # a step, a half and a third of one, with some room
        (Load(9968, 320, 150), [10240, 5376, 3584]),  # each with what all rows share
        (Load(16_384, 5000, 100), [16512, 8576, 5760, 5120]),  # none below the longest row
        (Load(1280, 640, 100), [1408, 768]),
        (Load(400, 400, 0), [512]),
    ],
)
def test_passes_are_parts_of_a_step(load: Load, lengths: list[int]) -> None:
    """In tokens, a multiple of 128, the longest first; each holds the longest row and what all share."""
    found = lengths_of(load)
    assert found[: len(lengths)] == lengths
    assert all(length % 128 == 0 and length >= load.row + load.shared for length in found)
    assert found == sorted(set(found), reverse=True)


@pytest.mark.parametrize("shared", [0, 150])
@pytest.mark.parametrize("processes", [1, 2])
def test_little_of_a_pass_is_padding(shared: int, processes: int) -> None:
    """Steps of news of 250 to 470 tokens, cut in up to three, fill nine tenths of their passes or nearly so."""
    rng = random.Random(1)
    lengths = [rng.randint(250, 470) for _ in range(1000)]
    sizes = {row: length - shared for row, length in enumerate(lengths)}
    steps = epoch_steps(lengths, 16_384, 7)[:-1]
    load = Load(widest_share(steps, sizes, processes), max(sizes.values()), shared)
    shares = [share for step in steps for share in shares_of(step, sizes, processes)]
    for tokens in lengths_of(load)[:3]:
        passes = [part for share in shares for part in passes_of(share, sizes, tokens - shared)]
        used = sum(sizes[row] for part in passes for row in part) + len(passes) * shared
        assert used >= 0.88 * len(passes) * tokens, tokens


def test_effort_follows_what_is_computed_twice() -> None:
    """Recomputing, dequantising at each use, and short passes that share it among few tokens each cost something."""
    best = effort(SHAPE, Placement(8192, kept=True, recomputed=0))
    again = effort(SHAPE, Placement(8192, kept=True, recomputed=28))
    rebuilt = effort(SHAPE, Placement(8192, kept=False, recomputed=0))
    short = effort(SHAPE, Placement(4096, kept=False, recomputed=0))
    assert best < rebuilt < short < again
    assert again - best == pytest.approx(1)  # one more forward pass
    assert effort(SHAPE, Placement(16384, kept=True, recomputed=0)) < best


def test_the_shape_of_a_configuration() -> None:
    """Heads of a width of their own, tied embeddings; without key heads every head has its own."""
    assert (SHAPE.queries, SHAPE.keys, SHAPE.tied) == (3584, 512, False)
    assert SHAPE.adapter == 40_370_176  # what PEFT counts for Qwen2.5-7B at rank 16
    other = SimpleNamespace(**{**vars(QWEN_7B), "head_dim": 256, "tie_word_embeddings": True})
    del other.num_key_value_heads
    shape = shape_of(other, 16, 4)
    assert (shape.queries, shape.keys, shape.tied) == (28 * 256, 28 * 256, True)
    untied = Placement(1024, kept=True, recomputed=0)
    assert needed(replace(shape, tied=False), untied) - needed(shape, untied) == 152064 * 3584 * 4


def test_without_a_gpu_a_step_is_one_pass() -> None:
    """Everything is kept, unless `memory` is asked for."""
    assert on_cpu("auto", QWEN_7B) == on_cpu("speed", QWEN_7B) == Placement(None, kept=True, recomputed=0)
    assert on_cpu("memory", QWEN_7B) == Placement(None, kept=False, recomputed=28)


def test_a_placement_in_words() -> None:
    """As it is printed before a training."""
    assert in_words(Placement(8192, kept=True, recomputed=3), SHAPE).startswith(
        "passes of 8,192 tokens, base kept dequantised, 3 of 28 layers compute their activations twice; some "
    )
    small = Shape(2, 64, 128, 64, 32, 600, tied=True, rank=4, number_size=2)
    assert in_words(Placement(512, kept=False, recomputed=0), small).endswith(
        "0 of 2 layers compute their activations twice; some 0.6 GiB"
    )
