"""Stories: a plan gets its companies and its words, and becomes a news text with its labels.

    Story(lang="en", text="Talk of a safety recall at Kelby Motors went round trading desks, but ...",
          entity="Kelby Motors", aliases=("Kelby",), sentiment="Neutral", risk_level="Medium", sector="automobiles",
          event="product_recall", order=1, features=("rumour",), tier="hedged", why="nothing is confirmed, ...")

Four plans are drawn for each story and the one whose label pair is the rarest so far is told.
"""

from __future__ import annotations

import hashlib
import itertools
import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from distill.world.names import SPLITS
from distill.world.plan import Line, Plan, World
from distill.world.teller import Teller
from distill.world.tiers import TIERS, WEIGHTS
from finsight_eval.errors import InputError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Least and most length of a text: words in English, characters in Chinese.
LENGTHS: Final = {"en": (25, 90), "zh": (40, 140)}
#: Share of stories in which a bystander is mentioned, whatever the tier.
_BYSTANDERS: Final = 0.12
#: Plans drawn per story: keeps all nine label pairs in the corpus.
_CANDIDATES: Final = 4


@dataclass(frozen=True, slots=True)
class Story:
    """One news text and everything that the world knows about it."""

    lang: str
    text: str
    entity: str
    aliases: tuple[str, ...]
    sentiment: str
    risk_level: str
    sector: str
    event: str
    order: int
    features: tuple[str, ...]
    tier: str
    why: str

    def gold(self, name: str) -> dict[str, Any]:
        """Return the benchmark row `name` without its text."""
        return {
            "id": name, "lang": self.lang, "entity": self.entity, "aliases": list(self.aliases),
            "sentiment": self.sentiment, "risk_level": self.risk_level, "sector": self.sector, "event": self.event,
            "order": self.order, "features": list(self.features),
        }  # fmt: skip


def _length(lang: str, sentences: list[str]) -> int:
    return sum(len(s.split()) if lang == "en" else len(s) for s in sentences)


def _padding(rng: random.Random, world: World, plan: Plan) -> tuple[list[Line], list[Line]]:
    """Return the lines that say nothing new: before and behind the story; as many as its length may ask for."""
    before: list[Line] = []
    behind: list[Line] = []
    for _ in range(plan.distractors):
        (before if not before and rng.random() < 0.6 else behind).append(world.line("distractor"))
    opens_with_headline = plan.lines[0].pool is world.line("headline").pool
    if not before and not opens_with_headline and rng.random() < 0.25:
        before.append(world.line("background"))
    behind += [world.line("background"), world.line("background")]
    if rng.random() < 0.4:
        behind.insert(rng.randint(0, len(behind)), world.line("closing"))
    return before, behind


def compose(rng: random.Random, world: World, plan: Plan) -> Story | None:
    """Return the story of `plan`, or None where it came out too long for news of this kind."""
    teller = Teller(rng, world, plan)
    least, most = LENGTHS[world.lang]
    aim = rng.randint(least, (least + most) // 2)
    before, behind = _padding(rng, world, plan)
    bystanders = [teller.company(plan.sector) for _ in range(plan.distractors)]
    if bystanders:
        teller.alone = False
    neutral = world.line("distractor").pool
    sentences: list[str] = []
    for line in [*before, *plan.lines]:
        sentences.append(teller.tell(line, bystanders.pop() if line.pool is neutral else None))
    for line in behind:
        if line.pool is neutral:
            sentences.append(teller.tell(line, bystanders.pop()))
        elif _length(world.lang, sentences) < aim:
            sentences.append(teller.tell(line))
    if not least <= _length(world.lang, sentences) <= most:
        return None
    text = (" " if world.lang == "en" else "").join(sentences)
    aliases = tuple(name for name in (teller.focus.full, teller.focus.short) if name != teller.entity)
    return Story(
        lang=world.lang, text=text, entity=teller.entity, aliases=aliases,
        sentiment=plan.outcome.sentiment, risk_level=plan.outcome.risk_level, sector=plan.sector, event=plan.event,
        order=plan.order, features=(*plan.features, *(("distractor",) if plan.distractors else ())), tier=plan.tier,
        why=plan.outcome.why[world.lang],
    )  # fmt: skip


def _mark(text: str) -> int:
    """Return 64 bits that stand for `text`: a million texts need not be kept to see that one comes back."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def _rarest(plans: list[Plan], told: Counter[tuple[str, str]]) -> Plan:
    return min(plans, key=lambda plan: told[plan.outcome.sentiment, plan.outcome.risk_level])


def stories(
    seed: int, split: str, n: int, zh_share: float = 0.4, weights: Mapping[str, float] | None = None
) -> Iterator[Story]:
    """Yield `n` stories with distinct texts, the same ones for the same arguments.

    Args:
        seed: of everything random.
        split: train, dev or test, each with names, phrases and frames of its own; or a base model's text, with further
            names: `pretrain` with all phrases, `commented` with those of train (for text that explains news).
        n: how many.
        zh_share: the share of Chinese ones, 0 to 1.
        weights: shares of the tiers, by name; TIERS' defaults where absent.

    Raises:
        InputError: an unknown split or tier, no tier at all, or a share out of range.
    """
    shares = dict(WEIGHTS if weights is None else weights)
    for tier in shares:
        if tier not in TIERS:
            raise InputError(f"tier {tier!r} is not one of {', '.join(TIERS)}{nearest(tier, TIERS)}")
    if not shares or min(shares.values()) < 0 or not sum(shares.values()):
        raise InputError("the weights of the tiers are empty or below 0; at least one tier needs a share above 0")
    if split not in SPLITS:
        raise InputError(f"split {split!r} is not one of {', '.join(SPLITS)}{nearest(split, SPLITS)}")
    if not 0 <= zh_share <= 1:
        raise InputError(f"zh_share is {zh_share}, a share from 0 to 1 is expected")
    rng = random.Random(f"{seed}/{split}")
    worlds = {lang: World(split, lang) for lang in ("en", "zh")}
    told: Counter[tuple[str, str]] = Counter()
    seen: set[int] = set()
    names, cumulative = list(shares), list(itertools.accumulate(shares.values()))
    while len(seen) < n:
        world = worlds["zh" if rng.random() < zh_share else "en"]
        draw = TIERS[rng.choices(names, cum_weights=cumulative)[0]]
        plan = _rarest([draw(rng, world) for _ in range(_CANDIDATES)], told)
        if rng.random() < _BYSTANDERS:
            plan.distractors = max(plan.distractors, 1)
        story = compose(rng, world, plan)
        if story is None or (mark := _mark(story.text)) in seen:
            continue
        seen.add(mark)
        told[story.sentiment, story.risk_level] += 1
        yield story
