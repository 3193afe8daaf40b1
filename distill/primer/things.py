"""Everyday notes, JSON records and tagged lines: the plain reading skills that any pretrained model brings along.

    Anna keeps a red lantern in Ashford; the water level there is High.
    {"name": "Anna", "item": "lantern", "town": "Ashford", "water level": "High"}

They teach braces, quotes and tags, and to copy a name into a record. Without them LoRA cannot learn the answer format:
the embeddings of its tokens would be untrained, and an adapter does not train embeddings. No record holds the keys of
the answer contract, and no tagged line is followed by a record.
"""

from __future__ import annotations

import json
from string import Formatter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

Things = dict[str, Any]

_SENTENCES = {
    "en": (
        "{name} keeps a {colour} {item} in {town}; the {trait} there is {level}.",
        "In {town}, {name} saw a {animal} {count} times and wrote down the {trait}: {level}.",
        "The {item} of {name} from {town} is {colour}, weighs {weight} kg and has {count} marks. {trait}: {level}.",
        "{name}, aged {age}, walked {length} km from {town} and saw a {animal}. The {trait} was {level}.",
    ),
    "zh": (
        "{name}在{town}有一个{colour}色的{item}，那里的{trait}是{level}。",
        "{name}在{town}数到{count}只{animal}，并记下{trait}：{level}。",
        "{town}的{name}今年{age}岁，带着{weight}公斤重的{colour}色{item}。{trait}：{level}。",
        "{name}从{town}走了{length}公里，看见一只{animal}。当时{trait}为{level}。",
    ),
}
_ORDERS = {
    "en": ("Turn the note into a JSON record.", "Write this down as one JSON object with the keys {keys}.",
           "Give me {keys} from the note as JSON.", "Answer with JSON only: {keys}."),
    "zh": ("把这条记录写成 JSON。",
           "用一个 JSON 对象写下：{keys}。", "从下面的话里取出 {keys}，写成 JSON。", "只用 JSON 回答：{keys}。"),
}  # fmt: skip
_TAG_ORDERS = {
    "en": ("Put the note into <{tag}> and </{tag}>.",
           "Write the chain of events inside <{tag}></{tag}>.", "Mark it with <{tag}>."),
    "zh": ("把这句话放进 <{tag}></{tag}>。", "用 <{tag}> 标出来。", "把经过写在 <{tag}></{tag}> 里。"),
}  # fmt: skip


def facts(random: Random, things: Things, lang: str) -> dict[str, str]:
    """Return the facts of one note: key -> value as text."""
    words = things[lang]
    trait, levels = random.choice(words["traits"])
    return {
        "name": random.choice(words["names"]),
        "town": random.choice(words["towns"]),
        "animal": random.choice(words["animals"]),
        "item": random.choice(words["goods"]),
        "colour": random.choice(words["colours"]),
        "count": str(random.randint(2, 90)),
        "age": str(random.randint(18, 90)),
        "weight": f"{random.uniform(0.5, 40):.1f}",
        "length": str(random.randint(2, 60)),
        "trait": trait,
        "level": random.choice(levels),
    }


def record(known: dict[str, str], sentence: str) -> dict[str, str]:
    """Return the facts that the pattern `sentence` states, in its order; a trait becomes a key: "river_level"."""
    stated = [name for _, name, _, _ in Formatter().parse(sentence) if name]
    plain = {name: known[name] for name in stated if name not in ("trait", "level")}
    return {**plain, known["trait"].replace(" ", "_"): known["level"]}


def chat(question: str, answer: str) -> str:
    """Return one exchange in the chat markup of Qwen2.5."""
    return f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>\n"


def noted(random: Random, things: Things, lang: str) -> str:
    """Return a document in which a note becomes a JSON record, in a chat or as plain text."""
    known = facts(random, things, lang)
    sentence = random.choice(_SENTENCES[lang])
    note, full = sentence.format_map(known), record(known, sentence)
    keys = random.sample(sorted(full), k=random.randint(2, len(full))) if len(full) > 2 else list(full)
    kept = {key: full[key] for key in keys}
    written = json.dumps(kept, ensure_ascii=False)
    if random.random() < 0.2:
        return f"{note}\n{written}\n"
    order = random.choice(_ORDERS[lang])
    if "{keys}" not in order:
        written = json.dumps(full, ensure_ascii=False)
    shown = ", ".join(keys)
    return chat(f"{order.format(keys=shown)}\n\n{note}", written)


def tagged(random: Random, things: Things, lang: str) -> str:
    """Return a document in which a note or a chain of events is set in tags."""
    words = things[lang]
    tag = random.choice(things["tags"])
    lines = random.sample(words["chains"], k=random.randint(1, 2))
    lines += random.sample(words["moods"], k=random.randint(0, 1))
    random.shuffle(lines)
    body = "\n".join(lines)
    if random.random() < 0.3:
        return f"<{tag}>\n{body}\n</{tag}>\n"
    order = random.choice(_TAG_ORDERS[lang]).format(tag=tag)
    return chat(f"{order}\n\n{body}", f"<{tag}>\n{body}\n</{tag}>")


def listed(random: Random, things: Things, lang: str) -> str:
    """Return a document in which words are put into a JSON list, or a plain record of words."""
    words = random.sample(things["words"] + things[lang]["goods"], k=random.randint(3, 6))
    if random.random() < 0.5:
        order = {"en": "Put these words into a JSON list: ", "zh": "把这些词写成 JSON 列表："}[lang]
        return chat(order + ", ".join(words), json.dumps(words, ensure_ascii=False))
    pairs = dict(zip(words[::2], words[1::2], strict=False))
    order = {"en": "Pair these words in a JSON object: ", "zh": "把这些词两两配成 JSON 对象："}[lang]
    return chat(order + ", ".join(words), json.dumps(pairs, ensure_ascii=False))


def truths(random: Random, general: dict[str, list[str]], lang: str) -> str:
    """Return a paragraph of general knowledge, or a chat that repeats one sentence of it."""
    sentences = random.sample(general[lang], k=random.randint(2, 5))
    stop, gap = {"en": (".", " "), "zh": ("。", "")}[lang]
    if random.random() < 0.7:
        return gap.join(sentence + stop for sentence in sentences) + "\n"
    order = {"en": "Say this in lower case.", "zh": "请照抄一遍。"}[lang]
    said = sentences[0].lower() if lang == "en" else sentences[0]
    return chat(f"{order}\n\n{sentences[0]}{stop}", said + stop)
