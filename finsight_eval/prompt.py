r"""The prompt: one text, in one place, for distillation, training, evaluation and the demo.

    student_prompt("NVIDIA jumped 8%.") -> "You are a financial risk expert. ... News:\nNVIDIA jumped 8%.\n\nReply ..."

Teacher and student share role, task and requirements; the teacher is also told how the labels are drawn, so that the
student learns from consistent answers without paying for the definitions in every prompt.

Decisions, each with its reason (and a test that bears its name):

* One user message and no system message: some chat templates have no system role, and lm-eval and TRL would each have
  to be told about it. The role is the first sentence instead.
* The news comes after all instructions: providers cache a shared prefix, and the trainer computes it once per batch.
* One reminder of the form follows the news: hostile text does not have the last word, and a small model that is one
  sentence away from the instruction keeps to it on wordings that it has not been trained on.
* "<|" in the news is broken up: tokenizers read chat markers inside content, so a news text could end its own turn.
* An entity that is given (public sets label one of several) stands before the news: nothing in a text can pose as it.
* The JSON is shown with its keys and without an example verdict: an example's labels pull the answers towards them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from finsight_eval.records import PublicItem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval.records import AnyItem

Message = dict[str, str]

_SHARED: Final = """\
You are a financial risk expert. 你是金融风险专家。
Judge what the news means for the company or asset that it bears on most. Reply with two parts and nothing else:
1. <thinking> the logical chain of cause and effect, such as supply-chain impact, in the language of the news \
(中文新闻用中文推理) </thinking>
2. one JSON object {"entity": ..., "sentiment": ..., "risk_level": ...}
entity: its name as in the news. sentiment: Positive, Neutral or Negative for its owners. \
risk_level: High, Medium or Low, the downside risk that the news reveals."""

_DEFINITIONS: Final = """\
How the labels are drawn:
- sentiment looks at the new information only, over the next quarters. Unconfirmed or denied rumours, routine notices, \
facts already priced in and effects that cancel out are Neutral. Guidance outweighs past results; a miss against a \
stated consensus is Negative even if profit rose.
- risk_level High: a threat to solvency, licence, core product or main market, fraud or safety matters of unknown \
size, or a loss of roughly a tenth of revenue or value or more. Medium: a real but bounded or uncertain downside. \
Low: no material new downside. The two labels are independent of each other.
- entity: where several are named, the one whose consequences the news is about.
- Quote in <thinking> the facts and figures that decide, and none that the news does not contain."""

_DIRECT: Final = """\
You are a financial risk expert. 你是金融风险专家。
Judge what the news means for the company or asset that it bears on most. Reply with nothing but one JSON object \
{"entity": ..., "sentiment": ..., "risk_level": ...}
entity: its name as in the news. sentiment: Positive, Neutral or Negative for its owners. \
risk_level: High, Medium or Low, the downside risk that the news reveals."""
_DEFINITIONS_ALONE: Final = _DEFINITIONS.rpartition("\n")[0]  # the last one is on the reasoning
_DIRECT_REMINDER: Final = "\n\nReply with the JSON object alone."

_ENTITY_MARKER: Final = "\n\nThe company or asset to judge: "
_NEWS_MARKER: Final = "\n\nNews:\n"
_REMINDER: Final = "\n\nReply with <thinking> first, then the JSON object."


def defused(news: str) -> str:
    """Return `news` with chat markers such as <|im_end|> broken up, so that it cannot end its own turn."""
    return news.replace("<|", "< |").replace("|>", "| >")


def student_prompt(news: str, entity: str | None = None) -> str:
    """Return the one user message that the student is trained on and evaluated with.

    `entity` names whom to judge where the task gives it (some public sets do); by default the model chooses.
    """
    given = f"{_ENTITY_MARKER}{defused(' '.join(entity.split()))}" if entity else ""
    return f"{_SHARED}{given}{_NEWS_MARKER}{defused(news)}{_REMINDER}"


def prompt_of(item: AnyItem) -> str:
    """Return the student's prompt for a benchmark item; a public set's item may name whom to judge."""
    return student_prompt(item.text, item.entity if isinstance(item, PublicItem) else None)


def teacher_prompt(news: str) -> str:
    """Return the one user message that a teacher receives: the student's, with the label definitions."""
    return f"{_SHARED}\n\n{_DEFINITIONS}{_NEWS_MARKER}{defused(news)}{_REMINDER}"


def direct_prompt(news: str) -> str:
    """Return the user message that asks a teacher for the verdict alone: reasoning can move a label, and by how much
    is measured. No student and no evaluation meets it, so it is in no fingerprint.
    """
    return f"{_DIRECT}\n\n{_DEFINITIONS_ALONE}{_NEWS_MARKER}{defused(news)}{_DIRECT_REMINDER}"


def messages(prompt: str) -> list[Message]:
    """Return `prompt` as a conversation of one user message."""
    return [{"role": "user", "content": prompt}]


def news_in(conversation: Sequence[Message]) -> str:
    """Return the news text of a conversation made by this module.

    Raises:
        ValueError: the last message is not one of our prompts.
    """
    content = conversation[-1].get("content") if conversation else None
    head, marker, news = content.partition(_NEWS_MARKER) if isinstance(content, str) else ("", "", "")
    if not marker or not head.startswith(_SHARED) or not news.endswith(_REMINDER):
        raise ValueError("the last message is not a FinSight prompt")
    return news.removesuffix(_REMINDER)


def fingerprint() -> str:
    """Return a short hash of all prompts: equal hashes mean equal prompts."""
    prompts = (student_prompt(""), teacher_prompt(""), student_prompt("", "?"))
    return hashlib.sha256("\0".join(prompts).encode()).hexdigest()[:12]
