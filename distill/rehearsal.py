"""A dry run: what the next run would ask and cost, and three prompts as they would be sent. Needs no key, asks nothing.

$ python -m distill.generate --recipe finsight-7b --corpus news.csv --text headline --dry-run
to ask    48,210 questions; 0 are stored already
...
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

from distill import answers, corpus, estimate
from distill.asking import Kind
from distill.follow_up import every
from distill.store import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from distill.asking import Ask
    from distill.reading import Said
    from distill.recipe import Recipe

#: So many stored answers tell how long the others will be.
_LOOKED_AT: Final = 2_000


def rehearse(recipe: Recipe, runs: Path) -> None:
    """Print the estimate for the prepared corpus, and its first, middle and last question."""
    asker, path = answers.asker(recipe), runs / "prepare" / "corpus.jsonl"
    with opened(runs / "store") as store:

        def said(ask: Ask) -> Said | None:
            return answers.said(ask, store[ask.key]) if ask.key in store else None

        def asks() -> Iterator[Ask]:
            return (ask for news in corpus.read(path) for ask in every(asker, news, recipe, said))

        known = (
            (store[ask.key], str(ask.messages[0]["content"]))
            for ask in asks()
            if ask.kind == Kind.REASONED and ask.key in store
        )
        seen = estimate.experience(islice(known, _LOOKED_AT), recipe)
        found = estimate.estimate(asks(), store, recipe, seen)
        print(estimate.said(found, recipe, datetime.now(UTC)))

        def missing() -> Iterator[Ask]:
            return (ask for ask in asks() if ask.key not in store)

        print(f"\n{estimate.rendered(missing, found.questions)}" if found.questions else "", flush=True)
