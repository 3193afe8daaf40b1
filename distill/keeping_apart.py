"""The sets that training must not meet: every benchmark of ours, and each public set whose file is there.

    apart().index.closest("Halden cuts its outlook") -> Match(Reference("tfns", "tfns_valid-12", ...), "near", 0.71)
    apart().missing -> ("nwgi", "sentfin")           not checked: the record says so

Public sets are other people's files, found through FINSIGHT_PUBLIC_DATA; nothing is fetched for this. A file of another
size or with swapped labels is still text that somebody measures on, but `public.read` refuses it, and so do we.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distill import overlap
from distill import recipe as recipes
from finsight_eval import benchmark, jsonl, manifest, public
from finsight_eval.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from finsight_eval.records import Item, PublicItem


@dataclass(frozen=True)
class Apart:
    """The texts to keep apart from.

    Attributes:
        sets: our own, by name: the items of all splits.
        public: the public sets that are there, by name.
        missing: the public sets that are not.
        files: name -> file of all that was read.
        index: all texts, each once.
    """

    sets: Mapping[str, Sequence[Item]]
    public: Mapping[str, Sequence[PublicItem]]
    missing: tuple[str, ...]
    files: Mapping[str, Path]
    index: overlap.Index

    def record(self, removed: Sequence[jsonl.Row], closest_kept: float, checked: int) -> jsonl.Row:
        """Return what was compared, and what came of it."""
        return {
            "method": overlap.METHOD,
            "sets": {name: own_version(name, items) for name, items in self.sets.items()},
            "public": {
                name: {"items": len(items), "sha256": manifest.sha256(self.files[f"public/{name}"])}
                for name, items in self.public.items()
            },
            "not_checked": list(self.missing),
            "checked": checked,
            "removed": list(removed),
            "highest_share_kept": closest_kept,
        }


def own_version(name: str, items: Sequence[Item]) -> jsonl.Row:
    """Return which version of a set of ours was compared: version, items, and a hash of each split."""
    folder = benchmark.folder(name)
    hashes = {split: manifest.sha256(folder / f"{split}.jsonl") for split in benchmark.SPLITS}
    return {"version": jsonl.read(folder / manifest.NAME).get("version"), "items": len(items), "sha256": hashes}


def apart() -> Apart:
    """Return all there is to keep apart from.

    Raises:
        InputError: no benchmark set is there: an empty check is no check; or a public file is not what it should be.
    """
    known = sorted(benchmark.sets())
    if not known:
        raise InputError("no benchmark set is there to keep the training data apart from; restore benchmarks/")
    sets = {name: [item for split in benchmark.SPLITS for item in benchmark.read(name, split)] for name in known}
    places = {name: place for name in public.PUBLIC if (place := _place(name))}
    others = {name: public.read(name) for name in places}
    files = {**recipes.benchmark_files(known), **{f"public/{name}": place for name, place in places.items()}}
    missing = tuple(name for name in public.PUBLIC if name not in places)
    return Apart(sets, others, missing, files, overlap.Index(_references({**sets, **others})))


def _place(name: str) -> Path | None:
    """Return the local file of a public set, None where there is none."""
    if not os.environ.get(public.VARIABLE, "").strip():
        return None
    try:
        return public.locate(name)[0]
    except InputError:
        return None


def _references(sets: Mapping[str, Sequence[Item] | Sequence[PublicItem]]) -> list[overlap.Reference]:
    """Return every text once: a public set asks about several companies of one headline."""
    seen: dict[str, overlap.Reference] = {}
    for name, items in sets.items():
        for item in items:
            seen.setdefault(item.text, overlap.Reference(name, item.id, item.text))
    return list(seen.values())
