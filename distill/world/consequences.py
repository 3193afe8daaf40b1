"""What news means for the focus company: every rule by which a label follows from the world, in one place.

    rumour(Label("Negative", "High")) -> Outcome("Neutral", "Medium", {"en": "an unconfirmed story ...", "zh": "..."})

Sentiment: are the owners better or worse off through what is new? Risk: which downside does the news reveal? What
decides a label always stands in the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from distill.world.catalogue import Event, Label


#: Families whose events are figures in the accounts and stop nothing.
ACCOUNTS: Final = ("results", "guidance")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A label pair and its reason in plain words, per language."""

    sentiment: str
    risk_level: str
    why: dict[str, str]


def direct(event: Event, grade: str) -> Outcome:
    """The catalogue's label; for a graded event the figure or word in the text says which grade it is."""
    label = event.labels[grade]
    return Outcome(label.sentiment, label.risk_level, event.because)


def spread(event: Event, role: str, exposure: str) -> Outcome:
    """Second order: what the event means for a supplier, customer or competitor of the company that it hits.

    Where little depends on the link ("modest"), bad news is bounded. Where much does ("big") and the event threatens
    the other company itself, a main customer or the only source is at stake; a mere shortfall in its accounts stops
    nothing.
    """
    label = event.spread[role]
    risk = label.risk_level
    if label.sentiment == "Negative" and role != "competitor":
        stops = event.worst.risk_level == "High" and event.family not in ACCOUNTS
        risk = "Low" if exposure == "modest" else "High" if stops else risk
    why = {
        "supplier": ("it depends on a customer that changes its orders", "依赖的客户订单发生变化"),
        "customer": ("it depends on a source whose deliveries change", "依赖的供应方供货发生变化"),
        "competitor": ("buyers turn from one rival to the other", "客户在竞争对手之间转移"),
    }[role]
    return Outcome(label.sentiment, risk, {"en": why[0], "zh": why[1]})


def no_exposure() -> Outcome:
    """An event elsewhere, and the text says that the focus does no business with the company hit: nothing changes."""
    return Outcome(
        "Neutral", "Low", {"en": "it has no ties to the company that was hit", "zh": "与出事的公司没有业务往来"}
    )


def rumour(base: Label) -> Outcome:
    """Unconfirmed, possible, or denied by the company alone: owners cannot tell; a serious story leaves a doubt."""
    risk = "Low" if base.risk_level == "Low" else "Medium"
    return Outcome(
        "Neutral", risk, {"en": "nothing is confirmed, so nothing changes yet", "zh": "消息未经证实，暂时没有变化"}
    )


def cleared() -> Outcome:
    """Denied and borne out by a third party, or a routine check without findings: neither news nor doubt remains."""
    return Outcome("Neutral", "Low", {"en": "there turned out to be nothing in it", "zh": "查明并无此事"})


def stake(*, large: bool) -> Outcome:
    """An open decision can go either way; the risk is the size of what hangs on it."""
    why = {"en": "the outcome is open, and what matters is how much hangs on it", "zh": "结果未定，关键看牵涉多大业务"}
    return Outcome("Neutral", "High" if large else "Low", why)


def versus(gap: float) -> Outcome:
    """Result against consensus, `gap` = reported / expected - 1: the surprise counts, not the growth on the year.

    A shortfall below a tenth is moderate, one above 15 % large; the simulator tells none in between.
    """
    if gap == 0:
        return Outcome("Neutral", "Low", {"en": "it earned what had been expected", "zh": "业绩与预期一致"})
    if gap > 0:
        return Outcome("Positive", "Low", {"en": "it earned more than had been expected", "zh": "赚得比预期多"})
    why = {"en": "it earned less than had been expected", "zh": "赚得比预期少"}
    return Outcome("Negative", "Medium" if gap > -0.1 else "High", why)


def guidance(cut: int, *, past_good: bool) -> Outcome:
    """Past result and outlook, `cut` in percent of yearly revenue (negative: raised): the outlook outweighs the past.

    A cut of a tenth or more is a large loss. A weak quarter behind a raised outlook remains a moderate shortfall.
    """
    if cut < 0:
        why = {"en": "the year will bring more than planned", "zh": "全年将好于计划"}
        return Outcome("Positive", "Low" if past_good else "Medium", why)
    why = {
        "en": "the year will bring less than planned, and that outweighs the past",
        "zh": "全年将不及计划，比过去的业绩更重要",
    }
    return Outcome("Negative", "High" if cut >= 10 else "Medium", why)


def offset() -> Outcome:
    """A gain and a one-off charge of the same size: owners are where they were, the one-off cost was real."""
    return Outcome("Neutral", "Medium", {"en": "a gain and a charge cancel each other out", "zh": "收益与支出相互抵消"})


def bold() -> Outcome:
    """Good news that the market cheers, financed so that a failure would end the company."""
    return Outcome(
        "Positive", "High", {"en": "owners gain, but a failure would ruin it", "zh": "股东受益，但失败会拖垮公司"}
    )


def strings() -> Outcome:
    """Good news with a bounded condition: a permit, one buyer, dilution, execution."""
    return Outcome("Positive", "Medium", {"en": "owners gain if a condition is met", "zh": "满足条件后股东受益"})


def cushion() -> Outcome:
    """Bad news whose cost is said to be tiny, final and without recurrence."""
    return Outcome(
        "Negative", "Low", {"en": "it costs money, but very little and only once", "zh": "要花钱，但很少且只有一次"}
    )


def priced_in() -> Outcome:
    """A fact that was announced before and is in the price and the estimates: nothing new."""
    return Outcome("Neutral", "Low", {"en": "it was known before, so nothing changes", "zh": "早已知晓，没有变化"})


def resolved(*, conditions: bool) -> Outcome:
    """An earlier problem ends: a burden is lifted; conditions that remain leave a bounded downside."""
    why = {"en": "an old burden is lifted", "zh": "旧包袱卸下了"}
    return Outcome("Positive", "Medium" if conditions else "Low", why)


def routine() -> Outcome:
    """A notice that every listed company sends: no news."""
    return Outcome("Neutral", "Low", {"en": "it is a routine notice", "zh": "例行公告"})
