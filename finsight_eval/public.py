"""Public sentiment sets as benchmark sets: what each must hold and where it comes from.

    PUBLIC["tfns"].files[0] -> Source("tfns_valid.jsonl", read_jsonl), rows {"text": "$ALLY ...", "label": "negative"}

The sets are other people's and stay outside the project. Their files lie in the folder that the environment variable
FINSIGHT_PUBLIC_DATA names (there, or in its en/ or zh/); without it the set comes from the Hugging Face hub, where a
revision is pinned. Either way rows and labels are counted before anything is scored: a file of other rows, or with two
labels swapped (one is in circulation), is refused. To add a set, add an entry here and a YAML file in tasks/finsight/.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import public_files
from finsight_eval.errors import InputError
from finsight_eval.public_files import Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from finsight_eval.records import PublicItem

VARIABLE: Final = "FINSIGHT_PUBLIC_DATA"


@dataclass(frozen=True)
class Hub:
    """A file of a Hugging Face data set at one revision; `source` reads it."""

    repo: str
    revision: str
    file: str
    source: Source


@dataclass(frozen=True)
class PublicSet:
    """One public set.

    Attributes:
        title: what the report calls it.
        files: the local files that may hold it, the first that is there being taken.
        rows: lines or records of the source.
        labels: sentiment -> items; a text with labels for several entities makes an item of each.
        hub: None where no revision that could be checked is known: then a local file is needed.
        licence: as its publisher states it.
    """

    title: str
    lang: str
    files: tuple[Source, ...]
    rows: int
    labels: Mapping[str, int]
    licence: str
    hub: Hub | None = None


def _labels(positive: int, neutral: int, negative: int) -> dict[str, int]:
    return {"Positive": positive, "Neutral": neutral, "Negative": negative}


_FPB_ZIP: Final = Source("FinancialPhraseBank-v1.0.zip", public_files.read_fpb_zip)
_TFNS_CSV: Final = Source("sent_valid.csv", public_files.read_tfns_csv)


def _jsonl(name: str) -> Source:
    return Source(name, public_files.read_jsonl)


def _entities(name: str) -> Source:
    return Source(name, public_files.read_entities)


PUBLIC: Final[dict[str, PublicSet]] = {
    "fpb": PublicSet(
        title="Financial PhraseBank, FinGPT's test split",
        lang="en",
        files=(_jsonl("fpb_test1212.jsonl"), _FPB_ZIP),
        rows=1212,
        labels=_labels(338, 729, 145),
        licence="CC BY-NC-SA 3.0 (Malo et al. 2014)",
        hub=Hub(
            "takala/financial_phrasebank",
            "8d3fe0c36d5feec6b3cc5e455b0fcb4820fb9964",
            "data/FinancialPhraseBank-v1.0.zip",
            _FPB_ZIP,
        ),
    ),
    "fiqa": PublicSet(
        title="FiQA 2018, FLARE's test split",
        lang="en",
        files=(_jsonl("fiqa_test235.jsonl"),),
        rows=235,
        labels=_labels(141, 18, 76),
        licence="terms not stated (FiQA 2018)",
    ),
    "tfns": PublicSet(
        title="Twitter Financial News Sentiment, validation",
        lang="en",
        files=(_jsonl("tfns_valid.jsonl"), _TFNS_CSV),
        rows=2388,
        labels=_labels(475, 1566, 347),
        licence="MIT, as stated on the hub",
        hub=Hub(
            "zeroshot/twitter-financial-news-sentiment",
            "ccbe24de388e287beb92dd393a335c376b350ac3",
            "sent_valid.csv",
            _TFNS_CSV,
        ),
    ),
    "nwgi": PublicSet(
        title="News With GPT Instructions, test",
        lang="en",
        files=(_jsonl("nwgi_test4047.jsonl"),),
        rows=4047,
        labels=_labels(1568, 1671, 808),
        licence="MIT, as stated by third parties",
    ),
    "sentfin": PublicSet(
        title="SEntFiN 1.0, the half that is set aside for evaluation; the entity is given",
        lang="en",
        files=(_entities("sentfin.jsonl"),),
        rows=5376,
        labels=_labels(2534, 2709, 1968),
        licence="MIT (Sinha et al. 2022)",
    ),
    "finentity": PublicSet(
        title="FinEntity, the half that is set aside for evaluation; the entity is given",
        lang="en",
        files=(_entities("finentity.jsonl"),),
        rows=489,
        labels=_labels(229, 563, 253),
        licence="ODC-By, as stated by its authors (Tang et al. 2023)",
    ),
    "finfe": PublicSet(
        title="FinFE, the half that is set aside for evaluation (Chinese posts)",
        lang="zh",
        files=(_jsonl("finfe_zh_eval.jsonl"),),
        rows=1010,
        labels=_labels(433, 292, 285),
        licence="not stated (Lu et al. 2023)",
    ),
}


def read(name: str) -> list[PublicItem]:
    """Return the items of the public set `name`, checked against the numbers above; raises InputError."""
    wanted = PUBLIC[name]
    path, source = locate(name)
    rows = source.read(path)
    items = public_files.items(name, wanted.lang, rows)
    public_files.check_counts(path, len(rows), items, wanted.rows, wanted.labels)
    return items


def locate(name: str) -> tuple[Path, Source]:
    """Return the file that holds the public set `name`, downloaded if need be, and how to read it."""
    wanted = PUBLIC[name]
    home = os.environ.get(VARIABLE, "").strip()
    names = " or ".join(source.name for source in wanted.files)
    if not home:
        if wanted.hub is None:
            raise InputError(
                f"public set {name!r} has no pinned source on the hub; set {VARIABLE} to a folder with {names}"
            )
        return _downloaded(wanted.hub), wanted.hub.source
    for source in wanted.files:
        for folder in (Path(home), Path(home) / wanted.lang):
            if (folder / source.name).is_file():
                return folder / source.name, source
    raise InputError(
        f"{VARIABLE}={home}: no {names} in it or in its {wanted.lang}/; put the file there, or unset the variable"
    )


def _downloaded(hub: Hub) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    options: dict[str, Any] = {"repo_type": "dataset", "revision": hub.revision}
    try:
        return Path(hf_hub_download(hub.repo, hub.file, **options))
    except (OSError, HfHubHTTPError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{hub.repo}@{hub.revision[:8]}: {hub.file} could not be had from the hub ({reason}); "
            f"check the network, or set {VARIABLE} to a folder that holds the set"
        ) from None
