"""A small house for the distiller's tests: a corpus, a benchmark set, a recipe that points at the mock teacher."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from distill import recipe as recipes
from finsight_eval import benchmark, jsonl, manifest
from finsight_eval.records import Item

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEY = "sk-test-0123456789abcdef"


def item(number: int, text: str, *, entity: str = "Borealis", lang: str = "en") -> Item:
    """Return a benchmark item."""
    return Item(f"b-{number}", lang, text, entity, (), "Neutral", "Low", "other", "other", 1, ())


def seal(folder: Path, splits: Mapping[str, Sequence[Item]]) -> None:
    """Write a benchmark set with the manifest that `finsight_eval.benchmark` checks."""
    for split, items in splits.items():
        jsonl.write_lines(folder / f"{split}.jsonl", [one.row() for one in items])
    files = {f"{split}.jsonl": {"sha256": manifest.sha256(folder / f"{split}.jsonl")} for split in splits}
    jsonl.write(folder / manifest.NAME, {"name": folder.name, "version": "0.1", "files": files})


class House:
    """A working directory of a run called `mock`."""

    def __init__(self, root: Path) -> None:
        """Lay out benchmarks and recipe below `root`."""
        self.root = root
        self.runs = root / "runs"
        self.run = self.runs / "mock"
        self.recipe = root / "mock.yaml"
        self.corpus = root / "corpus.jsonl"
        seal(
            root / "benchmarks" / "little",
            {
                "dev": [item(1, "Borealis renews a routine lease for its depot near the harbour.")],
                "test": [item(2, "Borealis names a new auditor after the yearly tender; terms stay as they were.")],
            },
        )

    def news(self, count: int, start: int = 0) -> list[str]:
        """Write a corpus of `count` rows and return its texts."""
        numbers = range(start, start + count)
        texts = [f"Acme wins order number {n} worth {n + 10} million from a shipyard." for n in numbers]
        jsonl.write_lines(
            self.corpus, [{"id": f"n-{n}", "lang": "en", "text": t} for n, t in zip(numbers, texts, strict=True)]
        )
        return texts

    def write_recipe(self, base_url: str, **changes: Any) -> recipes.Recipe:
        """Write a recipe for the endpoint `base_url`: nano's, with short patience, and with `changes`."""
        mine = {"name": "mock", "corpus": "file", "base_url": base_url, "model": "mock-1", "api_key_env": "MOCK_KEY"}
        quick = {"timeout_seconds": 5, "max_attempts": 4, "concurrency": 8, "benchmarks": ["little"]}
        quick |= {"near_duplicate_threshold": 1.0}  # the rows of `news` differ by a number
        nano = yaml.safe_load((Path(__file__).parents[2] / "distill/recipes/nano.yaml").read_text(encoding="utf-8"))
        self.recipe.write_text(yaml.safe_dump({**nano, **mine, **quick, **changes}), encoding="utf-8")
        return recipes.load(str(self.recipe))

    def arguments(self) -> list[str]:
        return ["--recipe", str(self.recipe), "--runs", str(self.runs)]

    def rows(self, name: str) -> list[jsonl.Row]:
        """Return the rows of a file of the run."""
        return [row for _, row in jsonl.read_lines(self.run / name)]

    def manifest(self, stage: str) -> jsonl.Row:
        return jsonl.read(self.run / stage / manifest.NAME)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """Return a fresh house; benchmark sets are looked for in it, and the mock's key is in the environment."""
    monkeypatch.setattr(benchmark, "_homes", lambda: [tmp_path / "benchmarks"])
    monkeypatch.setattr(manifest, "origin", dict)  # git and every library's version: not what is tested here
    monkeypatch.setenv("MOCK_KEY", KEY)
    return House(tmp_path)


def replaced(recipe: recipes.Recipe, **changes: Any) -> recipes.Recipe:
    """Return `recipe` with other values."""
    return dataclasses.replace(recipe, **changes)
