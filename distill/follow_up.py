"""What is asked about one row: the first questions, and the further ones where an answer cannot be used.

    1st round   `samples` reasoned answers, and the bare label where the recipe wants it
    2nd round   CONTINUE one that was cut off; AGAIN for one that breaks the form beyond repair, telling what was wrong
    3rd round   another sample in place of one that is still of no use (never at temperature 0: it would be the same)

A round is a pure function of the corpus and the store, so an interrupted run asks the same questions as any other.
Sample n's replacement is sample n + `samples`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distill.asking import Kind
from distill.reading import Said, read_chain
from finsight_eval import prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from distill.asking import Ask, Asker
    from distill.recipe import Recipe
    from finsight_eval.records import News

    #: What is stored to a question, None where nothing is.
    Lookup = Callable[[Ask], Said | None]

#: How many tokens a bare label needs: the object and a long name.
DIRECT_TOKENS: Final = 96
CUT_OFF: Final = (
    "Your reply was cut off by its length limit. Continue it exactly where it stopped: repeat nothing, finish the "
    "reasoning briefly, close </thinking> and give the JSON object."
)
BROKEN: Final = (
    "Your reply does not keep the form ({reason}). Reply again: one <thinking> block, then one JSON object with "
    "the keys entity, sentiment and risk_level and no others, then nothing."
)


def first(asker: Asker, news: News, recipe: Recipe) -> Iterator[Ask]:
    """Yield the questions of the first round about one row."""
    messages = prompt.messages(prompt.teacher_prompt(news.text))
    for sample in range(recipe.samples):
        yield asker.ask(news.id, messages, sample=sample)
    if recipe.direct:
        bare = prompt.messages(prompt.direct_prompt(news.text))
        yield asker.ask(news.id, bare, Kind.DIRECT, max_tokens=DIRECT_TOKENS)


def further(asker: Asker, news: News, recipe: Recipe, said: Lookup) -> Iterator[Ask]:
    """Yield the follow-ups about one row, those that are stored included, as far as what is stored calls for them."""
    if not recipe.follow_ups:
        return
    messages = prompt.messages(prompt.teacher_prompt(news.text))
    for sample in range(recipe.samples):
        reply = said(asker.ask(news.id, messages, sample=sample))
        if reply is None or (reading := read_chain([reply])).answer:
            continue
        turn = {"role": "assistant", "content": reply.reply}
        cut = reply.was_cut
        words = CUT_OFF if cut else BROKEN.format(reason=reading.reason)
        more = asker.ask(
            news.id,
            [*messages, turn, {"role": "user", "content": words}] if reply.reply.strip() else messages,
            Kind.CONTINUE if cut else Kind.AGAIN,
            sample,
        )
        yield more
        came = said(more)
        if recipe.follow_ups > 1 and recipe.temperature and came and not read_chain([reply, came]).answer:
            yield asker.ask(news.id, messages, sample=sample + recipe.samples)


def every(asker: Asker, news: News, recipe: Recipe, said: Lookup) -> Iterator[Ask]:
    """Yield all questions about one row that the store calls for so far, in a fixed order."""
    yield from first(asker, news, recipe)
    yield from further(asker, news, recipe, said)
