"""The limits of each set: lengths, spread, closed lists of features.

    RULES["news"].length["en"] -> (30, 160)        dev holds the ids whose number is divisible by five

The features of a set are a closed list, so that a slice cannot be split by a misspelling. The simulator names its own.
To add a set, add an entry here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from finsight_eval.labels import RISK_LEVELS, SENTIMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

FEATURES: Final = (
    "negation", "rumour", "denial", "hedge", "mixed", "priced_in", "numbers", "consensus", "guidance",
    "opposite_fortunes", "routine", "distractor",
)  # fmt: skip
#: What the change between the two texts of a pair does to the answer; each item carries one of them.
PAIR_KINDS: Final = ("flip_sentiment", "flip_risk", "flip_both", "same")
ATTACKS: Final = (
    "injection", "json_inside", "tag_inside", "mixed_language", "mojibake", "long", "short", "ticker_only", "markup",
    "sarcasm", "fake_label",
)  # fmt: skip
COMBINATIONS: Final = tuple(f"{sentiment}/{risk}" for sentiment in SENTIMENTS for risk in RISK_LEVELS)


@dataclass(frozen=True)
class Rules:
    """The limits of one set.

    Attributes:
        prefix: split -> what its ids begin with, before "-LANG-NUMBER".
        length: language -> fewest and most words (English) or characters (Chinese).
        near: two texts whose shingles overlap this much (Jaccard) are near-duplicates.
        dev_every: dev holds the ids whose number is divisible by it; None where the prefix tells the split.
        features: the closed list, or None where any snake_case word is allowed.
        least: (group, key) of the counts table -> fewest rows.
        least_distinct: group of the counts table -> fewest different values.
        share: least and greatest share of each sentiment and each risk level, in each split.
        pairs: the items are minimal pairs, ids ending in -a and -b.
        hostile: texts may hold broken characters and any mixture of languages.
    """

    prefix: Mapping[str, str]
    length: Mapping[str, tuple[int, int]]
    near: float
    dev_every: int | None = None
    features: tuple[str, ...] | None = None
    least: Mapping[tuple[str, str], int] = field(default_factory=dict)
    least_distinct: Mapping[str, int] = field(default_factory=dict)
    share: tuple[float, float] = (0.0, 1.0)
    pairs: bool = False
    hostile: bool = False


RULES: Final[dict[str, Rules]] = {
    "news": Rules(
        prefix={"dev": "news", "test": "news"},
        length={"en": (30, 160), "zh": (60, 260)},
        near=0.35,
        dev_every=5,
        features=FEATURES,
        least={
            ("rows", "test/en"): 208,
            ("rows", "test/zh"): 112,
            ("rows", "dev/en"): 52,
            ("rows", "dev/zh"): 28,
            ("order", "2 or 3"): 120,
            **{("labels", combination): 15 for combination in COMBINATIONS},
            **{("features", feature): 15 for feature in FEATURES},
        },
        least_distinct={"sector": 14, "event": 30},
        share=(0.25, 0.42),
    ),
    "counterfactual": Rules(
        prefix={"dev": "cf", "test": "cf"},
        length={"en": (20, 110), "zh": (40, 200)},
        near=0.35,
        dev_every=5,
        least={
            ("rows", "test/en"): 112,
            ("rows", "test/zh"): 48,
            ("rows", "dev/en"): 28,
            ("rows", "dev/zh"): 12,
            **{("features", kind): least for kind, least in zip(PAIR_KINDS, (50, 40, 20, 50), strict=True)},
        },
        share=(0.1, 0.6),
        pairs=True,
    ),
    "adversarial": Rules(
        prefix={"dev": "adv", "test": "adv"},
        length={"en": (1, 4000), "zh": (1, 6000)},
        near=0.35,
        dev_every=5,
        features=ATTACKS,
        least={
            ("rows", "test/en"): 32,
            ("rows", "test/zh"): 16,
            ("rows", "dev/en"): 8,
            ("rows", "dev/zh"): 4,
            **{("features", attack): 5 for attack in ATTACKS},
            ("features", "injection"): 12,
        },
        share=(0.15, 0.6),
        hostile=True,
    ),
    "simulated": Rules(
        prefix={"dev": "sim-dev", "test": "sim-test"},
        length={"en": (5, 200), "zh": (10, 400)},
        near=0.9,
        least={("rows", "test"): 300},
    ),
}
