"""Files that are taken for samples by mistake: what they are, and where the samples lie.

    out/results_2026-11-22T18-15-40.123456.json: is the results file of lm-eval, which holds no replies; give the
    samples of its run: out/samples_finsight_2026-11-22T18-15-40.123456.jsonl

Each is one JSON object over all lines, so that its first line alone looks like a damaged sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from finsight_eval.errors import InputError, printable
from finsight_eval.jsonl import loads_foreign

if TYPE_CHECKING:
    from pathlib import Path

#: What a file is that has these keys.
_KINDS: Final = (
    ({"results", "versions"}, "the results file of lm-eval, which holds no replies"),
    ({"stage", "outputs"}, "a manifest, which lists files and holds no replies"),
    ({"tasks", "contract"}, "a file of figures that were made from samples"),
)
#: An error is one line: of many sample files the first few are named.
_NAMED: Final = 3


def mistaken(path: Path) -> InputError | None:
    """Return the error that says what `path` is and which samples to give; None where it is none of these files."""
    try:
        value = loads_foreign(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    kind = _kind(value)
    return InputError(f"{path}: is {kind}; {_instead(path)}") if kind else None


def _kind(value: Any) -> str | None:
    if not isinstance(value, dict) or "doc" in value:
        return None
    return next((name for keys, name in _KINDS if keys <= value.keys()), None)


def _instead(path: Path) -> str:
    """Return what to do: the samples of the same run, else those below the folder of `path`, else any."""
    _, _, stamp = path.stem.partition("_")
    same = [one for one in sorted(path.parent.glob("samples_*.jsonl")) if stamp and one.stem.endswith(f"_{stamp}")]
    found = same or sorted(path.parent.rglob("samples_*.jsonl"))
    if not found:
        return "give the samples_*.jsonl of its run, which lm-eval writes with --log_samples"
    more = f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
    return f"give the samples of its run: {', '.join(printable(str(one), 300) for one in found[:_NAMED])}{more}"
