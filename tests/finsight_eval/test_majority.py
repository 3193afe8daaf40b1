"""The majority label: one rule behind the report's floor, the comparison's and the README's."""

from __future__ import annotations

import pytest

from benchmarks.simple_systems import Majority
from finsight_eval import benchmark
from finsight_eval.figures import figure
from finsight_eval.majority import majority, majority_floors, majority_labels
from finsight_eval.records import PublicItem
from finsight_eval.verdicts import verdict_of

PUBLIC = [PublicItem(str(n), "en", "text", None, label) for n, label in enumerate(["Neutral", "Neutral", "Positive"])]


@pytest.mark.parametrize("name", ["news", "counterfactual", "adversarial", "simulated"])
def test_the_floor_is_what_the_system_scores(name: str) -> None:
    """Computed from labels alone, it is the figure of the system's own verdicts, metric by metric."""
    verdicts = majority(benchmark.test_items(name))
    floors = majority_floors(verdicts)
    assert set(floors) == {"sentiment_f1", "sentiment_accuracy", "sentiment_weighted_f1", "risk_accuracy"}
    for metric, value in floors.items():
        assert figure(metric, verdicts).value == pytest.approx(value), metric


def test_the_floor_does_not_depend_on_what_was_said() -> None:
    """Two models on the same items have one floor."""
    items = benchmark.test_items("news")
    silent = [verdict_of(item, "") for item in items]
    assert majority_floors(silent) == majority_floors(majority(items))
    assert majority_floors([]) == {}


def test_a_set_without_risk_levels_has_no_floor_for_them() -> None:
    """The system still answers in the form, and only what is labelled is scored."""
    assert majority_labels(PUBLIC) == ("Neutral", None)
    verdicts = majority(PUBLIC)
    assert "risk_accuracy" not in majority_floors(verdicts)
    assert figure("json_parse_rate", verdicts).value == 1.0
    assert figure("risk_accuracy", verdicts).n == 0


def test_the_benchmarks_system_is_the_same() -> None:
    """What `benchmarks.baselines` measures is what reports and comparisons hold models against."""
    items = benchmark.test_items("news")
    assert [v.reply for v in Majority().verdicts(items)] == [v.reply for v in majority(items)]
