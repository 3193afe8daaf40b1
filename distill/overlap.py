"""Which training texts are benchmark items, whole, in part or nearly.

    {"id": "sim-train-en-000042", "set": "news", "item": "news-en-003", "kind": "near", "share": 0.71}

Word n-grams see nothing in a headline of six words. Here texts are compared as runs of letters and digits (case, width,
punctuation and spaces dropped): equal, one inside the other, or sharing more than a threshold of the shorter one's
character 5-grams. The grams of the benchmark are indexed once, as numbers in one sorted array: 15,000 items take 40 MB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from distill.hygiene.grams import gram_hashes
from finsight_eval.exposing.similar import normal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

METHOD: Final = (
    "letters and digits only, case and width folded; a row goes where at least `threshold` of the character 5-grams of "
    "the shorter text stand in the other (an equal or contained text has them all)"
)
_KINDS: Final = ("equal", "contained", "near")
#: A shorter run of letters inside a longer text is a name or a phrase, not the text: it counts where it is all of it.
_LEAST_CONTAINED: Final = 12


class Reference(NamedTuple):
    """A benchmark item that training must not meet."""

    set: str
    item: str
    text: str


class Match(NamedTuple):
    """The item that a text is closest to; `share` is that of the shorter text's 5-grams."""

    reference: Reference
    kind: str
    share: float


class Index:
    """The benchmark items by their 5-grams."""

    def __init__(self, references: Sequence[Reference]) -> None:
        """Index `references`, of which there is at least one."""
        self._references = references
        self._flat = [normal(reference.text) for reference in references]
        grams = [gram_hashes(flat) for flat in self._flat]
        self._sizes: NDArray[np.int64] = np.array([len(found) for found in grams])
        self._tiny: NDArray[np.bool_] = np.array([len(flat) < _LEAST_CONTAINED for flat in self._flat])
        items = np.repeat(np.arange(len(grams), dtype=np.int32), self._sizes)
        every = np.concatenate(grams)
        order = np.argsort(every, kind="stable")
        self._items = items[order]
        self._grams, self._starts = np.unique(every[order], return_index=True)
        self._ends = np.append(self._starts[1:], len(every))

    def closest(self, text: str) -> Match:
        """Return the item that `text` shares most with; of several, one that is equal or contained."""
        flat = normal(text)
        return self.closest_to(flat, gram_hashes(flat))

    def closest_to(self, flat: str, mine: NDArray[np.uint64]) -> Match:
        """Return the same for a normal text and its gram hashes."""
        shares = self._shared(mine) / np.minimum(self._sizes, len(mine))
        tiny = self._tiny if len(flat) >= _LEAST_CONTAINED else np.ones(len(self._flat), dtype=np.bool_)
        for number in np.flatnonzero(tiny & (shares > 0)):
            shares[number] *= self._flat[number] == flat
        # Equal and contained texts share all their grams, so they are among the best.
        most = shares.max()
        candidates = [int(number) for number in np.flatnonzero(shares == most)] if most else [0]
        kind, best = min((_KINDS.index(_kind(flat, self._flat[number])), number) for number in candidates)
        return Match(self._references[best], _KINDS[kind], round(float(shares[best]), 4))

    def _shared(self, mine: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return for every item how many of the grams `mine` it has."""
        places = np.minimum(np.searchsorted(self._grams, mine), len(self._grams) - 1)
        places = places[self._grams[places] == mine]
        lists = [self._items[start:end] for start, end in zip(self._starts[places], self._ends[places], strict=True)]
        numbers = np.concatenate(lists) if lists else np.array([], dtype=np.int32)
        return np.bincount(numbers, minlength=len(self._references))


def _kind(one: str, other: str) -> str:
    if one == other:
        return "equal"
    shorter, longer = sorted((one, other), key=len)
    return "contained" if len(shorter) >= _LEAST_CONTAINED and shorter in longer else "near"
