"""Plain words about a story: what it means to the owners and how dangerous it is, told as prose or in a chat.

    Aldmere Steel is recalling 18,000 steel rods ...
    That is bad for the owners of Aldmere, because repairs cost money and buyers turn away. The danger is real, though
    it can be borne.

This is how the base model learns what events mean. The label words and the answer format stay out: a pretrained model
knows the world and not our contract.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from distill.primer.things import chat

if TYPE_CHECKING:
    from random import Random

    from distill.world.story import Story

Words = dict[str, Any]

_STOP = {"en": ".", "zh": "。"}
_GAP = {"en": " ", "zh": ""}


def owners(random: Random, words: Words, story: Story) -> str:
    """Return what the story means to the owners of its entity, mostly with the reason."""
    said: str = random.choice(words["owners"][story.lang][story.sentiment]).format(co=story.entity)
    if story.why and random.random() < 0.6:
        reason = random.choice(words["because"][story.lang]).format(because=story.why)
        return f"{said}{', ' if story.lang == 'en' else '，'}{reason}{_STOP[story.lang]}"
    return said + _STOP[story.lang]


def danger(random: Random, words: Words, story: Story) -> str:
    """Return how much could still go wrong."""
    return str(random.choice(words["danger"][story.lang][story.risk_level])) + _STOP[story.lang]


def who(random: Random, story: Story) -> str:
    """Return the entity, bare or in a short sentence."""
    patterns = {
        "en": ("{co}", "{co}.", "It is about {co}.", "{co} is the firm that matters here."),
        "zh": ("{co}", "{co}。", "讲的是{co}。", "最要紧的是{co}。"),
    }
    return random.choice(patterns[story.lang]).format(co=story.entity)


def why(random: Random, words: Words, story: Story) -> str:
    """Return the reason alone, or what it means where the world gives none."""
    if not story.why:
        return owners(random, words, story)
    text = story.why
    return text[:1].upper() + text[1:] + _STOP[story.lang]


def alone(_random: Random, _words: Words, story: Story) -> str:
    """Return the story and nothing else."""
    return f"{story.text}\n"


def explained(random: Random, words: Words, story: Story) -> str:
    """Return the story and the cause and effect behind it, without a word on what it means to anybody."""
    lang = story.lang
    answer = story.why[:1].upper() + story.why[1:] + _STOP[lang]
    if random.random() < 0.5:
        return f"{story.text}{random.choice((chr(10), _GAP[lang]))}{answer}\n"
    if random.random() < 0.5:
        return _exchange(random, words, random.choice(words["arrows"][lang]), story.text, arrows(story))
    return _exchange(random, words, random.choice(words["questions"][lang]["why"]), story.text, answer)


def told(random: Random, words: Words, story: Story) -> str:
    """Return the story followed by plain words about it."""
    lang = story.lang
    remarks = [owners(random, words, story), danger(random, words, story)]
    if random.random() < 0.3:
        remarks.reverse()
    if random.random() < 0.4:
        remarks.insert(0, who(random, story).rstrip(".。") + _STOP[lang])
    break_ = random.choice(("\n", "\n\n", _GAP[lang]))
    return f"{story.text}{break_}{_GAP[lang].join(remarks)}\n"


def asked(random: Random, words: Words, story: Story) -> str:
    """Return a chat in which one question about the story is answered."""
    lang = story.lang
    kind = random.choice(("who", "owners", "danger", "why", "all", "all"))
    question = random.choice(words["questions"][lang][kind])
    answer = {
        "who": lambda: who(random, story),
        "owners": lambda: owners(random, words, story),
        "danger": lambda: danger(random, words, story),
        "why": lambda: why(random, words, story),
        "all": lambda: _GAP[lang].join((owners(random, words, story), danger(random, words, story))),
    }[kind]()
    return _exchange(random, words, question, story.text, answer)


def arrows(story: Story) -> str:
    """Return the reason as a chain: its clauses joined by arrows."""
    joint = {"en": ", and |, so |, but |, as |, ", "zh": "，"}[story.lang]
    return " -> ".join(part for part in re.split(joint, story.why) if part)


def recorded(random: Random, words: Words, story: Story) -> str:
    """Return a chat in which the story becomes a JSON record in plain words."""
    notes = words["notes"][story.lang]
    values = {
        "who": story.entity,
        "owners": random.choice(notes["owners"][story.sentiment]),
        "danger": random.choice(notes["danger"][story.risk_level]),
        "why": arrows(story) if random.random() < 0.5 else story.why,
    }
    asked = random.sample(list(values), k=random.randint(2, 4))
    keys = [notes["keys"][name] for name in asked]
    record = {notes["keys"][name]: values[name] for name in asked}
    question = random.choice(notes["asks"]).format(keys=", ".join(keys))
    return _exchange(random, words, question, story.text, json.dumps(record, ensure_ascii=False))


def _exchange(random: Random, words: Words, question: str, text: str, answer: str) -> str:
    """Return a chat with the question before or behind the text, at times after some general instructions."""
    if random.random() < 0.4:
        preamble = " ".join(random.sample(words["preambles"], k=random.randint(1, 4)))
        question = f"{preamble}{random.choice((' ', chr(10)))}{question}"
    parts = (question, text) if random.random() < 0.7 else (text, question)
    return chat("\n\n".join(parts), answer)
