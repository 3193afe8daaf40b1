"""What a model cost where it was made: the teacher's bill and the training time, as its run recorded them.

    runs/nano/generate/usage.json   {"usd": 0.0, "unmetered": 0, "price_date": "embedded", ...}
    runs/nano/train/manifest.json   {"facts": {"seconds": 208.8, "hardware": "CPU, 2 threads, AVX2", ...}, ...}

What was not recorded is None and shown as n/a: it did not cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import jsonl, manifest
from finsight_eval.escape import inline
from finsight_eval.reporting.costs import training_seconds
from finsight_eval.reporting.numbers import number

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """Teacher's bill in US dollars and training time in seconds; each None where not known, for the reason beside it.

    Attributes:
        usd_note: how the bill was counted, or why there is none.
        seconds_note: the hardware, or why there is no time.
    """

    usd: float | None
    seconds: float | None
    usd_note: str
    seconds_note: str


UNKNOWN: Final = Cost(None, None, "made elsewhere", "made elsewhere")
_UNTRAINED: Final = "not trained by the run"


def cost_of(run: Path, model: str) -> Cost:
    """Return what the adapter of `run` cost; its base and its teacher were not made by it."""
    if model != "adapter":
        return Cost(None, None, _UNTRAINED, _UNTRAINED)
    usage, train = _read(run / "generate" / "usage.json"), _read(run / "train" / manifest.NAME)
    usd, usd_note = _bill(usage)
    seconds = training_seconds(train)
    if seconds is None:
        return Cost(usd, None, usd_note, "no training time in the run")
    return Cost(usd, seconds, usd_note, str(train.get("facts", {}).get("hardware", "hardware not recorded")))


def _bill(usage: dict[str, Any]) -> tuple[float | None, str]:
    usd, unmetered = number(usage.get("usd")), usage.get("unmetered")
    if usd is None:
        return None, "no bill in the run"
    if unmetered:
        return None, f"{unmetered} answers reported no usage"
    source = str(usage.get("price_date") or "a date not recorded")
    return usd, "embedded teacher, which has no price" if source == "embedded" else f"prices of {source}"


def _read(path: Path) -> dict[str, Any]:
    return jsonl.read(path) if path.is_file() else {}


def usd_cell(cost: Cost) -> str:
    return f"n/a ({inline(cost.usd_note)})" if cost.usd is None else f"{cost.usd:.4f} ({inline(cost.usd_note)})"


def seconds_cell(cost: Cost) -> str:
    shown = inline(cost.seconds_note)
    return f"n/a ({shown})" if cost.seconds is None else f"{cost.seconds:,.1f} ({shown})"
