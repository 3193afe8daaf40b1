"""Grounding: what the reasoning claims must stand in the news."""

from __future__ import annotations

import pytest

from finsight_eval.grounding import grounding

NEWS = "OpenAI announced GPT-5, and NVIDIA's stock jumped 8% to $1,200.50 in New York."


@pytest.mark.parametrize(
    ("reasoning", "share"),
    [
        ("GPT-5 lifts demand -> NVIDIA gains 8%", 1.0),
        ("GPT-5 lifts demand -> AMD gains 8%", 2 / 3),
        ("GPT-5 lifts demand -> NVIDIA gains 9%", 2 / 3),
        ("a price of 1200.5 dollars", 1.0),
        ("Demand rises. Orders follow.\nMargins grow -> Good for all", None),
        ("the shares trade in New York and in Tokyo", 2 / 3),
        ("英伟达上涨8%，OpenAI发布新模型", 1.0),
        ("英伟达上涨９%", 0.0),
        ("", None),
    ],
)
def test_grounding_is_the_share_of_claims_that_the_news_contains(reasoning: str, share: float | None) -> None:
    """Invented figures and names lower the share; opening words are no names; without claims there is no figure."""
    assert grounding(reasoning, NEWS) == (share if share is None else pytest.approx(share))
