"""The results file that lm-eval writes beside its sample files: what was recorded, and how it came about.

    results_2026-11-22T18-15-40.123456.json beside samples_finsight_2026-11-22T18-15-40.123456.jsonl

    {"results": {"finsight": {"sentiment_f1,none": 0.346, ...}}, "versions": {"finsight": 1.1},
     "n-samples": {"finsight": {"original": 320, "effective": 320}}, "config": {"model": "hf", "limit": null, ...},
     "model_name": "Qwen/Qwen2.5-7B-Instruct", "chat_template": "{%- for message ...", "n-shot": {"finsight": 0},
     "system_instruction": null, ...}

What does not stand there, or has no such file beside it, is None: not known.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import jsonl
from finsight_eval.errors import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_STAMPED: Final = re.compile(r"samples_(?P<task>.+)_(?P<stamp>\d{4}-\d{2}-\d{2}T[\d.\-]+)")


def task_in(name: str) -> str | None:
    """Return the task in the stem of a sample file that lm-eval named, None for any other name."""
    found = _STAMPED.fullmatch(name)
    return found["task"] if found else None


def read_results(samples: Path) -> dict[str, Any]:
    """Return the results of the run that wrote `samples`, {} where none stand beside it; raises InputError."""
    found = _STAMPED.fullmatch(samples.stem)
    path = samples.with_name(f"results_{found['stamp']}.json") if found else None
    if path is None or not path.is_file():
        return {}
    try:
        value = jsonl.loads_foreign(path.read_text(encoding="utf-8"))
    except ValueError as error:
        reason = printable(str(error), 80)
        raise InputError(f"{path}: not valid JSON ({reason}); restore the file, or take it away") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: a JSON object is expected; restore the file, or take it away")
    return value


def conditions(results: Mapping[str, Any], task: str) -> dict[str, Any]:
    """Return what a task's card says of how its samples were made.

    Keys:
        task_version: of the task's YAML, such as 1.1.
        limit: lm-eval's --limit, a number of items or a share of them.
        n_samples: items of the task and items evaluated, {"original": 320, "effective": 320}.
        chat_template: whether one was applied; None also for endpoints, which apply their own out of sight.
        n_shot: worked examples before each item.
        system_instruction: the head of its SHA-256, "none" where there was none.
        model: what was evaluated, as its user named it.
    """
    config = _inside(results, "config")
    sizes = _inside(results, "n-samples").get(task)
    return {
        "task_version": _inside(results, "versions").get(task),
        "limit": config.get("limit"),
        "n_samples": sizes if isinstance(sizes, dict) else None,
        "chat_template": _template_applied(results),
        "n_shot": _inside(results, "n-shot").get(task),
        "system_instruction": _system_instruction(results),
        "model": config.get("model") if results.get("model_source") == "CUSTOM" else results.get("model_name"),
    }


def _template_applied(results: Mapping[str, Any]) -> bool | None:
    if "chat_template" not in results or results["chat_template"] == "":
        return None
    return results["chat_template"] is not None


def _system_instruction(results: Mapping[str, Any]) -> str | None:
    """Return what tells one system instruction from another; lm-eval's own hash of it is a SHA-256, too."""
    if "system_instruction" not in results:
        return None
    text = results["system_instruction"]
    return hashlib.sha256(str(text).encode("utf-8", "backslashreplace")).hexdigest()[:16] if text else "none"


def recorded_figures(results: Mapping[str, Any], task: str) -> dict[str, float]:
    """Return metric -> the value that lm-eval recorded for `task`; of several filters the first counts."""
    found: dict[str, float] = {}
    for key, value in _inside(_inside(results, "results"), task).items():
        if isinstance(value, int | float) and not isinstance(value, bool) and value == value:  # noqa: PLR0124 - no NaN
            found.setdefault(key.partition(",")[0], float(value))
    return found


def _inside(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = table.get(key)
    return value if isinstance(value, dict) else {}
