"""Metrics: equal to scikit-learn's, honest about missing answers, 1 for perfect replies and 0 for none."""

from __future__ import annotations

import math
import random
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sklearn import metrics as sk

from finsight_eval import lm_task, metrics
from finsight_eval.errors import InputError
from finsight_eval.figures import difference, figure
from finsight_eval.labels import RISK_LEVELS, SENTIMENTS
from finsight_eval.metrics import METRICS
from finsight_eval.verdicts import Labels, verdict_of
from tests.finsight_eval.synthetic_run import gold_reply, make_item, noisy_reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from finsight_eval.records import Item
    from finsight_eval.verdicts import Verdict


def drawn(seed: int, classes: tuple[str, ...], size: int) -> tuple[list[str], list[str | None]]:
    rng = random.Random(seed)
    gold = [rng.choice(classes) for _ in range(size)]
    return gold, [rng.choice([label, label, *classes, None]) for label in gold]


def filled(predicted: list[str | None]) -> list[str]:
    return [label or "none" for label in predicted]


@pytest.mark.parametrize("size", [1, 3, 10, 200])
@pytest.mark.parametrize("seed", range(5))
def test_f1_and_accuracy_are_those_of_scikit_learn(seed: int, size: int) -> None:
    """Unanswered items enter scikit-learn as a fourth label outside the mean; the figures are the same."""
    gold, predicted = drawn(seed, SENTIMENTS, size)
    said, labels = filled(predicted), list(SENTIMENTS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        macro = sk.f1_score(gold, said, labels=labels, average="macro", zero_division=math.nan)
        weighted = sk.f1_score(gold, said, labels=labels, average="weighted", zero_division=math.nan)
    assert metrics.macro_f1(gold, predicted) == pytest.approx(macro, abs=1e-12)
    assert metrics.weighted_f1(gold, predicted) == pytest.approx(weighted, abs=1e-12)
    assert metrics.accuracy(gold, predicted) == pytest.approx(sk.accuracy_score(gold, said))


@pytest.mark.parametrize("seed", range(5))
def test_kappas_are_those_of_scikit_learn_over_the_answered(seed: int) -> None:
    """Risk levels are ranked High, Medium, Low; items without an answer are left out."""
    gold, predicted = drawn(seed, RISK_LEVELS, 120)
    pairs = [(g, p) for g, p in zip(gold, predicted, strict=True) if p is not None]
    one, other = [RISK_LEVELS.index(g) for g, _ in pairs], [RISK_LEVELS.index(p) for _, p in pairs]
    quadratic, plain = sk.cohen_kappa_score(one, other, weights="quadratic"), sk.cohen_kappa_score(one, other)
    assert metrics.quadratic_kappa(gold, predicted) == pytest.approx(quadratic)
    assert metrics.cohen_kappa(gold, predicted) == pytest.approx(plain)


def test_an_empty_set_is_refused_and_not_scored_as_nought() -> None:
    """No items, no figure: InputError, never 0.0."""
    for function in (metrics.macro_f1, metrics.weighted_f1, metrics.accuracy, metrics.quadratic_kappa):
        with pytest.raises(InputError, match="empty set"):
            function([], [])
    with pytest.raises(InputError, match="empty set"):
        metrics.rate([])
    with pytest.raises(InputError, match="empty set"):
        figure("sentiment_f1", [])


def test_what_is_unknown_stays_missing() -> None:
    """A rate over unknown values and a kappa of one single label are None; a rate of known ones is a number."""
    assert metrics.rate([None, None]) is None
    assert metrics.rate([None, True, False]) == 0.5
    assert metrics.quadratic_kappa(["Low", "Low"], ["Low", "Low"]) is None
    assert metrics.quadratic_kappa(["Low", "High"], [None, None]) is None


def test_unaligned_lists_and_unknown_labels_are_refused() -> None:
    """One prediction too few, or a label outside the scale, is an input error."""
    with pytest.raises(InputError, match="aligned"):
        metrics.macro_f1(["Positive"], [])
    with pytest.raises(InputError, match="not one of"):
        metrics.quadratic_kappa(["Low"], ["Extreme"])


def verdicts(reply_of: Callable[[Item], str], size: int = 60) -> list[Verdict]:
    """Return verdicts on items that are members of pairs, so that every metric has something to say."""
    items = [make_item(number, id=f"cf-en-{number // 2:03}-{'ab'[number % 2]}") for number in range(size)]
    return [verdict_of(item, reply_of(item), Labels(item.sentiment, item.risk_level)) for item in items]


@pytest.mark.parametrize("name", METRICS)
def test_perfect_replies_score_one_on_every_metric(name: str) -> None:
    """The gold answer scores 1, whatever the metric."""
    found = figure(name, verdicts(gold_reply))
    assert found.value == pytest.approx(1.0)
    assert found.n > 0


@pytest.mark.parametrize("reply", ["", "The outlook is positive.", "<thinking>cut", "lm-eval's dummy says nothing"])
def test_unreadable_replies_score_nought_and_never_one(reply: str) -> None:
    """Nothing readable: parse rate and every score 0, statistics over the answered items missing."""
    found = {name: figure(name, verdicts(lambda _: reply)) for name in METRICS}
    missing = {"risk_kappa", "teacher_kappa_sentiment", "grounding"}
    zero = set(METRICS) - missing - {"fingpt_weighted_f1"}
    assert {name for name in METRICS if found[name].value == 0.0} == zero
    assert all(found[name].value is None and found[name].why for name in missing)


def test_fingpts_scoring_rewards_silence() -> None:
    """An unreadable answer counts as Neutral there: the figure of a model that says nothing is not 0."""
    silent = verdicts(lambda _: "")
    gold = [v.item.sentiment for v in silent]
    assert figure("fingpt_weighted_f1", silent).value == metrics.weighted_f1(gold, ["Neutral"] * len(gold)) > 0
    assert figure("sentiment_weighted_f1", silent).value == 0.0


def wrong_label(item: Item) -> str:
    return gold_reply(replace(item, sentiment="Neutral" if item.sentiment != "Neutral" else "Positive"))


@pytest.mark.parametrize(
    ("reply_of", "value", "n"),
    [
        (gold_reply, 1.0, 30),
        (lambda item: gold_reply(item) if item.id.endswith("a") else wrong_label(item), 0.0, 30),
        (lambda item: gold_reply(item) if item.id < "cf-en-010" else wrong_label(item), 1 / 3, 30),
        (lambda item: gold_reply(replace(item, entity="Someone Else")), 1.0, 30),
        (lambda item: gold_reply(item) if item.id < "cf-en-015" else "no answer", 0.5, 30),
    ],
)
def test_a_pair_counts_where_both_members_are_right(reply_of: Callable[[Item], str], value: float, n: int) -> None:
    """One right answer of two is none; n counts pairs, and the entity is not part of it."""
    found = figure("pair_consistency", verdicts(reply_of))
    assert found.value == pytest.approx(value)
    assert found.n == n


def test_half_a_pair_is_left_out() -> None:
    """A pair of which one member was not evaluated is in no figure, and no pair at all is a missing figure."""
    some = verdicts(gold_reply)[:7]
    assert figure("pair_consistency", some).n == 3
    assert figure("pair_consistency", some[:1]).value is None


def test_pairs_of_two_models_are_compared_pair_by_pair() -> None:
    """Ten pairs gained by the second model of thirty: a third, with McNemar's p over pairs."""
    first, second = verdicts(lambda item: gold_reply(item) if item.id < "cf-en-020" else ""), verdicts(gold_reply)
    found = difference("pair_consistency", first, second)
    assert found.value == pytest.approx(1 / 3)
    assert found.n == 30
    assert found.p == pytest.approx(2 * 0.5**10)


def test_agreement_leaves_out_items_that_the_teacher_did_not_answer() -> None:
    """Without a teacher the figure is missing; with a teacher on a part of the items n is that part."""
    items = [make_item(number) for number in range(10)]
    none = [verdict_of(item, gold_reply(item)) for item in items]
    some = [
        verdict_of(item, gold_reply(item), Labels(item.sentiment, item.risk_level) if number < 4 else None)
        for number, item in enumerate(items)
    ]
    assert figure("teacher_agreement", none).value is None
    assert (figure("teacher_agreement", some).value, figure("teacher_agreement", some).n) == (1.0, 4)


def test_agreement_takes_both_labels() -> None:
    """The teacher's sentiment with another risk level is no agreement."""
    item = make_item(0)
    other = next(level for level in RISK_LEVELS if level != item.risk_level)
    assert figure("teacher_agreement", [verdict_of(item, gold_reply(item), Labels(item.sentiment, other))]).value == 0.0


@pytest.mark.parametrize(
    ("reply", "thinks"),
    [
        ("<thinking>a -> b</thinking>", True),
        ("<thinking>a</thinking> and no JSON", True),
        ("<thinking> </thinking>{}", False),
        ("<thinking>a", False),
        ("a</thinking>", False),
        ("</thinking>a<thinking>", False),
        ("<thinking>a</thinking><thinking>b</thinking>", False),
        ("<thinking>a</thinking></thinking>", False),
        ("So: <thinking>a</thinking>", False),
        ("", False),
    ],
)
def test_thinking_is_one_closed_block_with_something_in_it(reply: str, thinks: bool) -> None:
    """One block opens the reply, is closed and is not empty; and the lm-eval task says the same."""
    assert metrics.has_thinking(reply) is thinks
    doc = {**make_item(0).row(), "teacher_sentiment": None, "teacher_risk_level": None}
    assert bool(lm_task.results(doc, [reply])["thinking_rate"]) is thinks


def test_the_live_table_of_lm_eval_and_score_are_equal_to_the_last_digit() -> None:
    """The task's aggregation on plain values and the metrics on verdicts give identical floats, not just close ones."""
    rng = random.Random(5)
    items = [make_item(number) for number in range(97)]
    replies = [noisy_reply(item, rng, 0.7, 0.9) for item in items]
    teachers = [Labels("Positive", "Low") if number % 3 else None for number in range(97)]
    ours = [verdict_of(item, reply, teacher) for item, reply, teacher in zip(items, replies, teachers, strict=True)]
    docs = [
        {**item.row(), "teacher_sentiment": t and t.sentiment, "teacher_risk_level": t and t.risk_level}
        for item, t in zip(items, teachers, strict=True)
    ]
    live = [lm_task.results(doc, [reply]) for doc, reply in zip(docs, replies, strict=True)]
    aggregate: dict[str, Callable[[Any], float]] = {
        "sentiment_f1": lm_task.macro_f1,
        "lenient_sentiment_f1": lm_task.macro_f1,
        "sentiment_weighted_f1": lm_task.weighted_f1,
        "teacher_agreement": lm_task.mean_where_known,
    }
    for name in live[0]:
        values = [row[name] for row in live]
        expected = aggregate[name](values) if name in aggregate else sum(values) / len(values)
        assert figure(name, ours).value == expected, name


def test_a_difference_needs_the_same_items_in_the_same_order() -> None:
    """Two models that answered different items are not compared; the same model differs from itself by exactly 0."""
    ours = verdicts(gold_reply, 30)
    assert difference("sentiment_f1", ours, ours).value == 0.0
    assert difference("risk_accuracy", ours, ours).p == 1.0
    with pytest.raises(InputError, match="same items"):
        difference("sentiment_f1", ours, list(reversed(ours)))


def test_the_same_verdicts_give_the_same_figures() -> None:
    """Intervals are drawn from a seed of their own: twice the same, whatever was computed before."""
    rng = random.Random(1)
    ours = verdicts(lambda item: noisy_reply(item, rng, 0.8, 0.9))
    once = figure("sentiment_f1", ours)
    figure("risk_kappa", ours)
    assert figure("sentiment_f1", ours) == once
