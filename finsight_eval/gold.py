"""Which benchmark items a task is made of.

gold_of("finsight_zh") -> Gold("news", "9f1c...", [Item(id="news-zh-001", ...), ...])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from finsight_eval import benchmark, manifest
from finsight_eval.errors import InputError, nearest, printable
from finsight_eval.public import PUBLIC

if TYPE_CHECKING:
    from finsight_eval.records import AnyItem

#: Task -> benchmark set, and the language of a slice.
TASKS: Final[dict[str, tuple[str, str | None]]] = {
    "finsight": ("news", None),
    "finsight_en": ("news", "en"),
    "finsight_zh": ("news", "zh"),
    "finsight_simulated": ("simulated", None),
    "finsight_counterfactual": ("counterfactual", None),
    "finsight_adversarial": ("adversarial", None),
    **{f"finsight_{name}": (name, None) for name in PUBLIC},
}


@dataclass(frozen=True)
class Gold:
    """The items of a task, and the hash of the file that they come from."""

    set: str
    sha256: str
    items: list[AnyItem]

    def about(self) -> dict[str, str]:
        return {"set": self.set, "sha256": self.sha256}


def is_public(task: str) -> bool:
    """Tell whether `task` measures a public set, whose texts are other people's."""
    return task in TASKS and TASKS[task][0] in PUBLIC


def gold_of(task: str) -> Gold:
    """Return the benchmark items of one of our tasks; raises InputError for another task or an unsealed set."""
    if task not in TASKS:
        raise InputError(f"no FinSight task {printable(task)!r}{nearest(task, TASKS)}; there are: {', '.join(TASKS)}")
    name, lang = TASKS[task]
    items = [item for item in benchmark.test_items(name) if lang in (None, item.lang)]
    return Gold(name, manifest.sha256(benchmark.test_file(name)), items)
