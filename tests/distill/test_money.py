"""Money: the estimate before the run, the budget that holds with requests in flight, the ledger that adds up."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill import answers, estimate
from distill import recipe as recipes
from distill.asking import Ask, Kind
from distill.pricing import account, adds_up, dollars, usage_of
from distill.purse import Purse, most_dollars, spent_in
from distill.tokens import ERROR, most_tokens, tokens_in
from finsight_eval import jsonl
from finsight_eval.records import News
from tests.distill.mock_teacher import completion

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("FINSIGHT_TEST_DATA", ROOT.parent / "shared" / "data"))
RECIPE = recipes.load(str(ROOT / "distill/recipes/finsight-7b.yaml"))
OFF_PEAK, PEAK = "2026-11-22T12:00:00+00:00", "2026-11-23T02:00:00+00:00"


def asked(number: int, text: str = "Halden cuts its outlook for the year.") -> Ask:
    return answers.reasoned(answers.asker(RECIPE), News(f"n-{number}", "en", f"{number}: {text}"))


def stored(ask: Ask, prompt: int = 420, completion_tokens: int = 300, at: str = OFF_PEAK, **usage: Any) -> jsonl.Row:
    """Return a journal row as the store keeps it."""
    used = {"prompt_tokens": prompt, "completion_tokens": completion_tokens, **usage}
    response = completion(usage=used)
    cost = dollars(usage_of(response), at, RECIPE) if usage_of(response) else None  # type: ignore[arg-type]
    return {"key": ask.key, "kind": ask.kind, "at": at, "attempts": 1, "usd": cost, "response": response}


@given(
    budget=st.floats(0.0, 0.05),
    seed=st.integers(0, 1000),
    width=st.integers(1, 40),
)
@settings(max_examples=80, deadline=None)
def test_the_budget_is_never_exceeded_with_requests_in_flight(budget: float, seed: int, width: int) -> None:
    """Whatever arrives in whatever order, at any tariff, failed or without usage: spent <= budget at all times."""
    rng = random.Random(seed)
    purse = Purse(RECIPE, budget)
    flying: list[Ask] = []
    for number in range(120):
        ask = asked(number)
        while len(flying) >= width or (flying and rng.random() < 0.3):
            one = flying.pop(rng.randrange(len(flying)))
            _end(purse, one, rng)
            assert purse.spent <= budget + 1e-12
        if purse.may_ask(ask):
            flying.append(ask)
    for one in flying:
        _end(purse, one, rng)
    assert purse.spent <= budget + 1e-12


def _end(purse: Purse, ask: Ask, rng: random.Random) -> None:
    """Let `ask` come back in one of the ways that there are; a charge is at most what the price table allows."""
    most = most_tokens(str(ask.messages[0]["content"]))
    way = rng.randrange(5)
    if way == 4:
        purse.lost(ask)
        if purse.may_ask(ask):
            _end(purse, ask, rng)
    elif way == 0:
        purse.settle(ask, None)
    elif way == 1:
        purse.settle(ask, {"usd": None})
    else:
        at = rng.choice((OFF_PEAK, PEAK))
        purse.settle(ask, stored(ask, rng.randint(1, most), rng.randint(0, RECIPE.max_tokens), at))


def test_what_was_set_aside_comes_back() -> None:
    """Two questions do not fit at once; when the first has cost less than feared the second one does."""
    first, second = asked(1), asked(2)
    purse = Purse(RECIPE, budget=most_dollars(first, RECIPE) * 1.5)
    assert purse.may_ask(first)
    assert not purse.may_ask(second)
    purse.settle(first, stored(first, 420, 10))
    assert purse.may_ask(second)
    assert purse.line().endswith(f"of {most_dollars(first, RECIPE) * 1.5:.2f} USD")


def test_a_lost_attempt_counts_as_charged() -> None:
    """An attempt past its deadline may have been charged: its share is gone, and another try needs as much again."""
    ask = asked(1)
    most = most_dollars(ask, RECIPE)
    purse = Purse(RECIPE, budget=most * 2.5)
    assert purse.may_ask(ask)
    purse.lost(ask)
    assert purse.spent == pytest.approx(most)
    assert purse.may_ask(ask)
    assert purse.may_ask(ask)
    assert not purse.may_ask(asked(2))
    purse.lost(ask)
    assert not purse.may_ask(ask)


def test_an_endpoint_that_charges_more_than_it_can_is_reckoned_with() -> None:
    """A hidden system prompt makes answers dearer than the bound: the next question sets aside as much more."""
    ask = asked(1)
    most = most_dollars(ask, RECIPE)
    purse = Purse(RECIPE, budget=most * 7.9)
    assert purse.may_ask(ask)
    purse.settle(ask, {"usd": most * 4})
    assert not purse.may_ask(asked(2))


def test_no_budget_no_limit_and_earlier_runs_count() -> None:
    """Without --budget all may be asked; with one, what the store has cost already is gone."""
    assert Purse(RECIPE).may_ask(asked(1))
    row = stored(asked(1))
    spent = spent_in([row], RECIPE)
    assert spent == pytest.approx(row["usd"])
    assert spent_in([{**row, "response": completion(usage=None)}], RECIPE) > 0
    assert not Purse(RECIPE, budget=spent, spent=spent).may_ask(asked(2))


@given(st.lists(st.tuples(st.integers(0, 9999), st.integers(0, 9999), st.integers(0, 3), st.booleans()), max_size=30))
@settings(max_examples=50, deadline=None)
def test_the_ledger_reconciles_with_the_usage_returned(given_: list[tuple[int, int, int, bool]]) -> None:
    """Its lines add up to its sums, the sums to the usage of every answer, and the dollars to what was booked."""
    rows = [
        stored(asked(n), prompt, tokens, (OFF_PEAK, PEAK)[peak], prompt_cache_hit_tokens=prompt // 2)
        for n, (prompt, tokens, _, peak) in enumerate(given_)
    ]
    found = account(rows, RECIPE)
    lines = found["ledger"]
    for name in ("prompt_tokens", "completion_tokens"):
        assert found[name] == sum(row["response"]["usage"][name] for row in rows) == sum(line[name] for line in lines)
    assert found["cached_tokens"] == sum(prompt // 2 for prompt, *_ in given_)
    assert sum(line["answers"] for line in lines) == len(rows) == found["attempts"]
    assert found["usd"] == pytest.approx(sum(row["usd"] for row in rows), abs=1e-6 * max(1, len(lines)))


def test_the_ledger_tells_days_tariffs_and_kinds_apart() -> None:
    """A line for each day, model, kind and tariff; an answer without usage is unmetered and costs nothing known."""
    direct = Ask("k", "n", Kind.DIRECT, 0, [], {})
    rows = [stored(asked(1)), stored(asked(2), at=PEAK), stored(direct), {**stored(asked(3)), "response": completion()}]
    rows[3]["response"]["usage"] = None
    found = account(rows, RECIPE)
    assert [(line["day"], line["kind"], line["peak"], line["answers"]) for line in found["ledger"]] == [
        ("2026-11-22", "direct", False, 1),
        ("2026-11-22", "reasoned", False, 2),
        ("2026-11-23", "reasoned", True, 1),
    ]
    assert found["unmetered"] == 1
    assert found["ledger"][2]["usd"] == pytest.approx(2 * rows[0]["usd"], abs=1e-6)


@pytest.mark.parametrize(
    ("usage", "good"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 2}, True),
        ({"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}, True),
        ({"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 12}, False),
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5}, True),
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 4}, False),
        (None, True),
    ],
)
def test_usage_that_contradicts_itself_is_counted(usage: Any, good: bool) -> None:
    """Parts that do not make up the total that the endpoint states are named, not repaired."""
    assert adds_up({"usage": usage}) is good


def test_the_estimate_counts_what_is_missing() -> None:
    """Stored questions cost nothing more; the rest is priced with and without a cached prefix, and at the most."""
    asks = [asked(number) for number in range(100)]
    nothing = estimate.experience([], RECIPE)
    found = estimate.estimate(asks, {ask.key for ask in asks[:40]}, RECIPE, nothing)
    assert (found.questions, found.stored) == (60, 40)
    assert found.completion_tokens == 60 * RECIPE.completion_tokens
    warm, cold = (estimate.dollars_of(found, RECIPE, cached=cached) for cached in (True, False))
    assert 0 < warm < cold < found.most_usd
    shown = estimate.said(found, RECIPE, datetime.fromisoformat(PEAK))
    assert "60 questions; 40 are stored already" in shown
    assert "(it is peak now)" in shown
    assert "within 9%" in shown


@pytest.mark.parametrize(("count", "measured"), [(29, False), (30, True)])
def test_stored_answers_replace_the_guess(count: int, measured: bool) -> None:
    """From 30 stored answers on their mean length and the teacher's own token count are used."""
    asks = [asked(number) for number in range(count)]
    rows = [
        (stored(ask, 2 * round(tokens_in(str(ask.messages[0]["content"]))), 77), str(ask.messages[0]["content"]))
        for ask in asks
    ]
    known = estimate.experience(rows, RECIPE)
    assert known.completion_tokens == (77 if measured else RECIPE.completion_tokens)
    assert known.ratio == pytest.approx(2.0 if measured else 1.0, rel=0.01)
    found = estimate.estimate([asked(99)], set(), RECIPE, known)
    assert found.completion_tokens == known.completion_tokens
    assert f"the mean of {count} stored answers" in estimate.said(found, RECIPE, datetime.now(UTC)) or not measured


def test_three_prompts_are_shown_as_they_would_be_sent() -> None:
    """First, middle and last; control characters in a news text do not reach the terminal."""
    asks = [asked(number, "Halden \x1b[31m cuts\u202e") for number in range(9)]
    shown = estimate.rendered(lambda: iter(asks), 9)
    assert [line for line in shown.splitlines() if line.startswith("---")] == [
        f"--- {n} of 9: n-{n - 1}, reasoned" for n in (1, 5, 9)
    ]
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "You are a financial risk expert" in shown
    assert estimate.rendered(lambda: iter(()), 0) == ""


@pytest.mark.parametrize(
    "name",
    ["en/fpb_50agree", "en/sentfin", "en/tfns_valid", "en/nwgi_test4047", "zh/finfe_zh_eval", "zh/finese_zh_eval"],
)
def test_the_token_estimate_keeps_its_stated_error(name: str) -> None:
    """The sum over each public set is within the stated error of a real tokenizer's."""
    tokenizers = pytest.importorskip("tokenizers")
    path, rules = DATA / f"{name}.jsonl", DATA / "qwen2.5" / "tokenizer.json"
    if not path.is_file() or not rules.is_file():
        pytest.skip(f"{path} or {rules} is absent: neither may be in the repository")
    tokenizer = tokenizers.Tokenizer.from_file(str(rules))
    texts = [row["text"] for _, row in jsonl.read_lines(path)][:2000]
    counts = [len(tokenizer.encode(text).ids) for text in texts]
    assert sum(map(tokens_in, texts)) == pytest.approx(sum(counts), rel=ERROR)
    assert all(count <= most_tokens(text) for count, text in zip(counts, texts, strict=True))
