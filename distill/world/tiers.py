"""The tiers of difficulty: each function draws one plan of a story, in which the labels already stand.

    hedged(rng, World("train", "en")) -> Plan(tier="hedged", event="product_recall", outcome=Outcome(...), ...)

The tiers differ in what a reader must do: know the event, weigh a figure, see a denial, compare two numbers, follow a
supply link, keep two companies apart. `TIERS` names them with their default shares.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Final

from distill.world import consequences
from distill.world.names import sectors
from distill.world.plan import LARGE, SMALL, Line, Plan, World, figure, pool_of, select, told

if TYPE_CHECKING:
    import random
    from collections.abc import Callable


_PRICE_WORDS: Final = ("hares", "tock", "premium", "股", "溢价")


@cache
def _silent_on_price(name: str, lang: str, split: str) -> bool:
    """Tell whether an event's phrases leave the share price to a sentence of its own."""
    return not any(word in phrase for phrase in pool_of(name, lang, split, None) for word in _PRICE_WORDS)


def _plain(rng: random.Random, world: World, kind: str, tier: str) -> Plan:
    event, grade = rng.choice(select(kind))
    lines, features = told(rng, world, event, grade)
    outcome = consequences.direct(event, grade)
    silent = outcome.sentiment != "Neutral" and _silent_on_price(event.name, world.lang, world.split)
    if silent and rng.random() < 0.25:
        lines.append(world.line("reaction_up" if outcome.sentiment == "Positive" else "reaction_down"))
    return Plan(tier, event.name, rng.choice(event.sectors), outcome, lines, features=features)


def direct(rng: random.Random, world: World) -> Plan:
    """An event whose kind alone decides."""
    return _plain(rng, world, "ungraded", "direct")


def scale(rng: random.Random, world: World) -> Plan:
    """An event whose size decides: a figure, or a word for it."""
    return _plain(rng, world, "graded", "scale")


def distractor(rng: random.Random, world: World) -> Plan:
    """An event among companies that are merely mentioned."""
    plan = _plain(rng, world, rng.choice(("ungraded", "graded")), "distractor")
    return replace(plan, distractors=rng.randint(1, 2))


def hedged(rng: random.Random, world: World) -> Plan:
    """Rumour, hedge, denial or routine check: what is named did not happen, or nobody knows."""
    way = rng.choice(("rumour", "hedge", "denial", "backed", "negation"))
    event, _ = rng.choice(select("checked" if way == "negation" else "sided"))
    noun = world.noun(rng, event)
    lines = [world.line("denial" if way == "backed" else way, noun=noun)]
    if way == "backed":
        lines.append(world.line("backed"))
    outcome = consequences.cleared() if way in {"backed", "negation"} else consequences.rumour(event.worst)
    feature = "denial" if way == "backed" else way
    return Plan("hedged", event.name, rng.choice(event.sectors), outcome, lines, features=(feature,))


def stake(rng: random.Random, world: World) -> Plan:
    """A decision that can go either way, about little or about everything."""
    large = rng.random() < 0.6
    if rng.random() < 0.5:
        line, feature = world.line("stake_figure", pct=figure(rng, LARGE if large else SMALL)), "numbers"
    else:
        line, feature = world.line("stake_large" if large else "stake_small"), "scale"
    sector = rng.choice(tuple(sectors()))
    return Plan("stake", "open_ruling", sector, consequences.stake(large=large), [line], features=("pending", feature))


def modified(rng: random.Random, world: World) -> Plan:
    """An event with a rider that shifts the risk and not the sentiment."""
    way = rng.choice(("bold", "strings", "cushion"))
    event, grade = rng.choice(select("bounded" if way == "cushion" else "undertaking"))
    pool = pool_of(event.name, world.lang, world.split, figure=False if way == "cushion" else None)
    span = event.labels[grade].pct
    lines = [Line(pool, {"pct": figure(rng, span)} if span else {}), world.line(way)]
    outcome = {"bold": consequences.bold, "strings": consequences.strings, "cushion": consequences.cushion}[way]()
    return Plan("modified", event.name, rng.choice(event.sectors), outcome, lines, features=(way,))


def _money(lang: str, units: int) -> str:
    """Return a sum of `units`: a tenth of a million dollars each in English, a million yuan in Chinese."""
    return f"${units / 10:,.1f} million" if lang == "en" else f"{units / 100:.2f}亿元"


def _versus(rng: random.Random, world: World, sector: str) -> Plan:
    gap = rng.choice((0.0, rng.uniform(0.04, 0.3), -rng.uniform(0.04, 0.08), -rng.uniform(0.18, 0.4)))
    expected = rng.randint(300, 9900)
    line = world.line("versus", a=_money(world.lang, round(expected * (1 + gap))), b=_money(world.lang, expected))
    return Plan("mixed", "consensus", sector, consequences.versus(gap), [line], features=("consensus", "numbers"))


def _guidance(rng: random.Random, world: World, sector: str) -> Plan:
    past_good, lowered = rng.random() < 0.6, rng.random() < 0.6
    cut = rng.randint(3, 7) if rng.random() < 0.5 else rng.randint(15, 35)
    lines = [
        world.line("past_good" if past_good else "past_bad"),
        world.line("guide_down" if lowered else "guide_up", cut=str(cut)),
    ]
    if rng.random() < 0.35:
        lines.reverse()
    outcome = consequences.guidance(cut if lowered else -cut, past_good=past_good)
    return Plan("mixed", "guidance", sector, outcome, lines, features=("mixed", "numbers"))


def mixed(rng: random.Random, world: World) -> Plan:
    """Two figures or two messages to weigh: result and consensus, past and outlook, gain and charge."""
    sector = rng.choice(tuple(sectors()))
    way = rng.random()
    if way < 0.45:
        return _versus(rng, world, sector)
    if way < 0.85:
        return _guidance(rng, world, sector)
    (gain, _), (loss, _) = rng.choice(select("income")), rng.choice(select("expense"))
    line = world.line("offset", gain=world.noun(rng, gain), loss=world.noun(rng, loss))
    return Plan("mixed", "offset", sector, consequences.offset(), [line], features=("mixed", "numbers"))


def second_order(rng: random.Random, world: World) -> Plan:
    """The event hits another company; the story is about one that depends on it, rivals it, or has no part in it."""
    event, role = rng.choice(select("spread"))
    hit = rng.choice(event.sectors)
    partners = {"supplier": sectors()[hit].buys, "customer": sectors()[hit].sells_to, "competitor": (hit,)}[role]
    sector = rng.choice(partners or (hit,))
    lines, _ = told(rng, world, event, "large" if event.graded else "any", other=True)
    item = rng.choice(sectors()[sector if role == "supplier" else hit].products[world.lang])
    exposure = rng.choice(("big", "big", "none") if role == "competitor" else ("big", "big", "modest", "none"))
    big = world.drawn(rng, "big", pct=str(rng.randint(35, 70)))
    little = world.drawn(rng, "little", pct=str(rng.randint(1, 4)))
    slot = {"big": f"link_{role}", "modest": f"modest_{role}", "none": "link_none"}[exposure]
    link = world.line(slot, item=item, big=big, little=little)
    if exposure == "none":
        sector = rng.choice([key for key in sectors() if key != hit])
    ahead = exposure == "none" or rng.random() < 0.5
    lines = [world.line("headline"), *lines, link] if ahead else [*lines, link, world.line("link_focus")]
    outcome = consequences.no_exposure() if exposure == "none" else consequences.spread(event, role, exposure)
    features = ("no_exposure",) if exposure == "none" else (role, f"{exposure}_exposure")
    product = None if role == "supplier" or exposure == "none" else item
    return Plan("second_order", event.name, sector, outcome, lines, 2, features, other_sector=hit, product=product)


def opposite(rng: random.Random, world: World) -> Plan:
    """Two companies with opposite fortunes; the one that the story is about is the focus."""
    sides = ["good", "bad"]
    rng.shuffle(sides)
    (event, grade), (contrast, contrast_grade) = (rng.choice(select(side)) for side in sides)
    own, features = told(rng, world, event, grade)
    foreign, _ = told(rng, world, contrast, contrast_grade, other=True)
    ahead = rng.random() < 0.5
    lines = [world.line("headline"), *own, *foreign] if ahead else [*foreign, world.line("turn"), *own]
    return Plan(
        "opposite", event.name, rng.choice(event.sectors), consequences.direct(event, grade), lines,
        features=("opposite_fortunes", *features), other_sector=rng.choice(contrast.sectors),
    )  # fmt: skip


def settled(rng: random.Random, world: World) -> Plan:
    """Old news: already in the price, or a problem that is now over."""
    if rng.random() < 0.5:
        # A threat to the whole company would weigh on its owners even where it was announced before.
        event, grade = rng.choice([pair for pair in select("sided") if pair[0].labels[pair[1]].risk_level != "High"])
        lines, _ = told(rng, world, event, grade)
        lines.append(world.line("priced_in"))
        outcome, feature = consequences.priced_in(), "priced_in"
    else:
        event, _ = rng.choice(select("incident"))
        conditions = rng.random() < 0.5
        lines = [world.line("resolved", noun=world.noun(rng, event))]
        lines += [world.line("resolved_strings")] if conditions else []
        outcome, feature = consequences.resolved(conditions=conditions), "resolved"
    return Plan("settled", event.name, rng.choice(event.sectors), outcome, lines, features=(feature,))


def routine(rng: random.Random, world: World) -> Plan:
    """A notice without news."""
    sector, lines = rng.choice(tuple(sectors())), [world.line("routine")]
    return Plan("routine", "routine_notice", sector, consequences.routine(), lines, features=("routine",))


TIERS: Final[dict[str, Callable[[random.Random, World], Plan]]] = {
    "direct": direct, "scale": scale, "hedged": hedged, "stake": stake, "modified": modified, "mixed": mixed,
    "second_order": second_order, "opposite": opposite, "settled": settled, "distractor": distractor,
    "routine": routine,
}  # fmt: skip
#: Shares of the tiers where a recipe does not say otherwise.
WEIGHTS: Final[dict[str, float]] = {
    "direct": 20, "scale": 14, "hedged": 14, "stake": 6, "modified": 10, "mixed": 12,
    "second_order": 13, "opposite": 6, "settled": 6, "distractor": 8, "routine": 2,
}  # fmt: skip
