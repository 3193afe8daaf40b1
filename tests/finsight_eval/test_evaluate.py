"""The way into lm-eval: which model class a suite names, and what decides that an evaluation must run again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from finsight_eval import evaluate, suite
from finsight_eval.errors import InputError

SUITES = Path(__file__).parents[2] / "benchmarks" / "suites"


@pytest.mark.parametrize(
    ("name", "found"), [("hf", "HFLM"), ("dummy", "DummyLM"), ("finsight_train.fast_lm:FastLM", "FastLM")]
)
def test_a_suite_names_a_model_class(name: str, found: str) -> None:
    """lm-eval's own by their names, one's own as package.module:Class."""
    assert evaluate.backend(name).__name__ == found


@pytest.mark.parametrize("name", ["no_such_package.lm:Model", "finsight_train.fast_lm:NoSuchClass"])
def test_a_class_that_is_not_there_is_one_line(name: str) -> None:
    """The suite's value and what can be used instead."""
    with pytest.raises(InputError, match=f"model '{name}' of the suite cannot be had .*; `hf` always can"):
        evaluate.backend(name)


def test_the_code_of_ones_own_model_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed decoder makes the evaluation run again; lm-eval's own classes are counted by their version."""
    nano = suite.load(SUITES / "nano.yaml")
    settings = [
        evaluate.plan(replace(nano, model=name, tasks=("finsight",)), "base", Path("nowhere")).settings
        for name in ("hf", "finsight_train.fast_lm:FastLM", "finsight_train.dequantised:Nothing")
    ]
    codes = [one["model_code"] for one in settings]
    assert codes[0] is None
    assert len({*codes}) == 3
    with pytest.raises(InputError, match="cannot be had"):
        evaluate.plan(replace(nano, model="no.such:Model"), "base", Path("nowhere"))


def test_only_the_sets_of_the_suite_count() -> None:
    """A new version of a set that the suite does not use does not make its evaluation stale."""
    nano = replace(suite.load(SUITES / "nano.yaml"), tasks=("finsight_zh", "finsight_adversarial"))
    named = {key for key in evaluate.plan(nano, "base", Path("nowhere")).sources if key.startswith("benchmark_")}
    assert named == {"benchmark_news", "benchmark_adversarial"}
