"""The distil recipe: one flat, closed set of keys from the simulated news to the exported training set.

    recipe("nano").concurrency -> 16        part(recipe, ("model", "temperature")) -> {"model": ..., "temperature": ...}

`distill/recipes/*.yaml` give every key, in the order below. Keys from `corpus` on concern `generate`, `verify` and
`export`; those above them the simulator.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from finsight_eval import benchmark, stage
from finsight_eval import recipe as recipes

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER: Final = Path("distill/recipes")
EMBEDDED: Final = "embedded"
CORPORA: Final = ("simulated", "file")


@dataclass(frozen=True)
class Recipe:
    """One distil recipe.

    Attributes:
        corpus: "simulated" (runs/NAME/simulate/corpus.jsonl) or "file" (`distill.generate --corpus FILE` is required).
        base_url: "embedded" for the rule-based teacher on a local server of its own, or an OpenAI-compatible endpoint.
        api_key_env: the environment variable that holds the key; null where the endpoint asks for none.
        least_chars, most_chars: shorter and longer texts are not asked about.
        near_duplicate_threshold: share of the character 5-grams of two texts from which on the later one is left out.
        overlap_threshold: share of the shorter text's character 5-grams above which a row counts as a benchmark item.
        extra_body: further members of the request body, such as a provider's switch for its thinking mode.
        timeout_seconds: total deadline of one attempt.
        prompt_price, cached_price, completion_price: USD per 1M tokens, as of `price_date`.
        completion_tokens: expected length of an answer, for the estimate before the first answers are stored.
        peak_hours: UTC hours, Monday to Friday, in which all prices are multiplied by `peak_factor`.
        samples: reasoned answers to each row; agreement: share of them that must give the verdict that is kept.
        direct: ask for the label without reasoning, too, and report how often the two differ.
        follow_ups: further requests for a row without a usable answer: the rest of a cut one, or another try.
        least_grounding: share of the names in the reasoning that the news must contain (of its numbers: all).
        held_out: share of the training rows that is set aside by a hash of their id.
        balance: cut the larger sentiment classes down to the size of the smallest.
    """

    name: str
    seed: int
    corpus_rows: int
    zh_share: float
    corpus: str
    least_chars: int
    most_chars: int
    near_duplicate_threshold: float
    overlap_threshold: float
    base_url: str
    model: str
    api_key_env: str | None
    temperature: float
    max_tokens: int
    extra_body: dict[str, bool | object]
    concurrency: int
    timeout_seconds: float
    max_attempts: int
    price_date: str
    prompt_price: float
    cached_price: float
    completion_price: float
    completion_tokens: int
    peak_hours: tuple[int, ...]
    peak_factor: float
    benchmarks: tuple[str, ...]
    samples: int
    agreement: float
    direct: bool
    follow_ups: int
    least_grounding: float
    held_out: float
    balance: bool

    def __post_init__(self) -> None:
        """Refuse values outside their range, all of them at once."""
        wrong = [
            f"{key} is {getattr(self, key)!r}, {allowed} is expected"
            for key, allowed, good in _ranges(self)
            if not good
        ]
        if wrong:
            raise ValueError("; ".join(wrong))


def _ranges(r: Recipe) -> Iterable[tuple[str, str, bool]]:
    """Yield (key, what is allowed, whether it holds)."""
    yield "corpus", " or ".join(CORPORA), r.corpus in CORPORA
    yield "base_url", "'embedded' or an http(s) URL without a key in it", _is_endpoint(r.base_url)
    yield "direct", "false for the embedded teacher, which knows one prompt", not (r.direct and r.base_url == EMBEDDED)
    yield "temperature", "0 to 2", 0 <= r.temperature <= 2
    for key in ("max_tokens", "concurrency", "max_attempts", "completion_tokens", "samples"):
        yield key, "at least 1", getattr(r, key) >= 1
    yield "timeout_seconds", "more than 0", r.timeout_seconds > 0
    for key in ("prompt_price", "cached_price", "completion_price", "peak_factor"):
        yield key, "0 or more", getattr(r, key) >= 0
    yield "peak_hours", "hours from 0 to 23", all(0 <= hour <= 23 for hour in r.peak_hours)
    yield "benchmarks", "at least one set", bool(r.benchmarks)
    for key in ("overlap_threshold", "near_duplicate_threshold", "agreement"):
        yield key, "more than 0, at most 1", 0 < getattr(r, key) <= 1
    for key in ("zh_share", "least_grounding"):
        yield key, "0 to 1", 0 <= getattr(r, key) <= 1
    yield "held_out", "0 to 0.5", 0 <= r.held_out <= 0.5
    yield "most_chars", f"at least least_chars, {r.least_chars}", r.most_chars >= r.least_chars >= 0
    yield "follow_ups", "0, 1 or 2", 0 <= r.follow_ups <= 2


def _is_endpoint(base_url: str) -> bool:
    parts = urlsplit(base_url)
    return base_url == EMBEDDED or (
        parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc and not parts.query
    )


def load(name: str) -> Recipe:
    """Return the recipe given by name or path; raises InputError listing all that is wrong with it."""
    return recipes.load(stage.recipe_path(name, FOLDER), Recipe)


def part(recipe: Recipe, keys: Iterable[str]) -> dict[str, Any]:
    """Return the settings that one stage depends on, as JSON values."""
    known = {field.name for field in fields(recipe)}
    assert known.issuperset(keys)  # noqa: S101 - our own lists of keys
    return {key: list(value) if isinstance(value := getattr(recipe, key), tuple) else value for key in keys}


def benchmark_files(sets: Iterable[str]) -> dict[str, Path]:
    """Return "set/split" -> file for every split of the `sets`; paths below the working directory are relative."""
    files = {
        f"{name}/{split}": benchmark.folder(name) / f"{split}.jsonl" for name in sets for split in benchmark.SPLITS
    }
    here = Path.cwd()
    return {key: path.relative_to(here) if path.is_relative_to(here) else path for key, path in files.items()}
