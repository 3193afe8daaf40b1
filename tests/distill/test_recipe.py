"""The distil recipes as shipped, the values that they may hold, and what answers cost under them."""

from __future__ import annotations

from pathlib import Path

import pytest

from distill import recipe as recipes
from distill.pricing import Usage, dollars, usage_of
from tests.distill.conftest import replaced

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["nano", "finsight-7b"])
def test_shipped_recipes_load(name: str) -> None:
    """Every shipped recipe loads, names every key, and in the order of the dataclass."""
    path = ROOT / recipes.FOLDER / f"{name}.yaml"
    recipe = recipes.load(str(path))
    assert recipe.name == name
    keys = [line.split(":")[0] for line in path.read_text().splitlines() if line[:1].isalpha()]
    assert keys == list(recipes.Recipe.__dataclass_fields__)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("base_url", "api.example"),
        ("base_url", "https://user:secret@api.example/v1"),
        ("temperature", 3.0),
        ("concurrency", 0),
        ("peak_hours", (24,)),
        ("benchmarks", ()),
        ("overlap_threshold", 0.0),
        ("corpus", "simulate"),
        ("direct", True),  # of the embedded teacher
        ("held_out", 0.6),
        ("follow_ups", 3),
        ("agreement", 0.0),
        ("near_duplicate_threshold", 1.1),
        ("most_chars", 3),
        ("samples", 0),
    ],
)
def test_recipe_values_out_of_range_are_refused(key: str, value: object) -> None:
    """A value outside its range is named with what is allowed."""
    with pytest.raises(ValueError, match=f"^{key} is "):
        replaced(recipes.load("nano"), **{key: value})


def test_peak_prices_count_in_the_peak_hours_only() -> None:
    """The stated factor applies to the hours of the recipe, Monday to Friday, UTC."""
    recipe = recipes.load("finsight-7b")
    million = Usage(1_000_000, 0, 0)
    assert dollars(million, "2026-11-23T02:00:00+00:00", recipe) == pytest.approx(0.30)
    assert dollars(million, "2026-11-23T04:00:00+00:00", recipe) == pytest.approx(0.15)
    assert dollars(million, "2026-11-22T02:00:00+00:00", recipe) == pytest.approx(0.15)
    assert dollars(Usage(1_000_000, 1_000_000, 0), "2026-11-22T02:00:00+00:00", recipe) == pytest.approx(0.003)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 2}, Usage(9, 0, 2)),
        ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 4}, Usage(9, 4, 2)),
        ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 5}}, Usage(9, 5, 2)),
        ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": None}, Usage(9, 0, 2)),
        ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 99}, Usage(9, 9, 2)),
        ({"prompt_tokens": 9}, None),
        ({"prompt_tokens": "9", "completion_tokens": 2}, None),
        (None, None),
    ],
)
def test_usage_is_read_in_both_dialects(usage: object, expected: Usage | None) -> None:
    """Cached tokens are found where DeepSeek and where OpenAI put them; what is not reported stays unknown."""
    assert usage_of({"usage": usage}) == expected
