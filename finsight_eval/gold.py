"""Which benchmark items a task is made of.

gold_of("finsight_zh") -> Gold("news", "9f1c...", [Item(id="news-zh-001", ...), ...])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from finsight_eval import benchmark, manifest
from finsight_eval.errors import InputError, nearest, printable

if TYPE_CHECKING:
    from finsight_eval.records import Item

#: Task -> benchmark set, and the language of a slice.
TASKS: Final[dict[str, tuple[str, str | None]]] = {
    "finsight": ("news", None),
    "finsight_en": ("news", "en"),
    "finsight_zh": ("news", "zh"),
    "finsight_simulated": ("simulated", None),
}


@dataclass(frozen=True)
class Gold:
    """The items of a task, and the hash of the file that they come from."""

    set: str
    sha256: str
    items: list[Item]

    def about(self) -> dict[str, str]:
        return {"set": self.set, "sha256": self.sha256}


def gold_of(task: str) -> Gold:
    """Return the benchmark items of one of our tasks; raises InputError for another task or an unsealed set."""
    if task not in TASKS:
        raise InputError(f"no FinSight task {printable(task)!r}{nearest(task, TASKS)}; there are: {', '.join(TASKS)}")
    name, lang = TASKS[task]
    items = [item for item in benchmark.read(name, "test") if lang in (None, item.lang)]
    return Gold(name, manifest.sha256(benchmark.folder(name) / "test.jsonl"), items)
