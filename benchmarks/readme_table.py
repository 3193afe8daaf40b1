"""The README's table of how the sets are spread, and the renewal of a marked part of the README.

| set | items | English / Chinese | dev / test | sentiment: + 0 - | risk: H M L | ...
| `news` | 400 | 260 / 140 | 80 / 320 | ...
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from finsight_eval.errors import InputError
from finsight_eval.escape import table
from finsight_eval.labels import RISK_LEVELS, SENTIMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.counts import Counts

README: Final = Path("README.md")
SPREAD, BASELINES = "spread", "baselines"


def renewed(readme: str, mark: str, content: str) -> str:
    """Return the README with what stands between the marks `mark` replaced; raises InputError where there are none."""
    pattern = re.compile(rf"(<!-- {mark}: begin[^\n]*-->).*?(<!-- {mark}: end -->)", re.DOTALL)
    if not pattern.search(readme):
        raise InputError(f"README.md: no <!-- {mark}: begin --> and <!-- {mark}: end -->; put them where it belongs")
    return pattern.sub(lambda found: f"{found[1]}\n\n{content}\n\n{found[2]}", readme, count=1)


def spread_table(sets: Mapping[str, Counts]) -> str:
    """Return the sets' sizes and spread, and for `news` the nine combinations."""
    head = (
        "set",
        "items",
        "en / zh",
        "dev / test",
        "+ / 0 / -",
        "High / Medium / Low",
        "order 1 / 2 / 3",
        "sectors",
        "events",
    )
    parts = [table(head, [_row(name, counts) for name, counts in sets.items()], numbers=8)]
    if "news" in sets:
        labels = sets["news"]["labels"]
        rows = [
            (sentiment, *(str(labels.get(f"{sentiment}/{risk}", 0)) for risk in RISK_LEVELS))
            for sentiment in SENTIMENTS
        ]
        parts.append(table(("`news`: sentiment by risk", *RISK_LEVELS), rows, numbers=3))
        features = sorted(sets["news"]["features"].items(), key=lambda pair: (-pair[1], pair[0]))
        parts.append("Traps in `news`: " + ", ".join(f"{name} {count}" for name, count in features) + ".")
    return "\n\n".join(parts)


def _row(name: str, counts: Counts) -> tuple[str, ...]:
    rows = counts["rows"]
    languages = [sum(n for key, n in rows.items() if key.endswith(f"/{lang}")) for lang in ("en", "zh")]
    return (
        f"`{name}`",
        str(sum(languages)),
        _joined(languages),
        _joined([rows.get("dev", 0), rows.get("test", 0)]),
        _joined([counts["sentiment"].get(label, 0) for label in SENTIMENTS]),
        _joined([counts["risk_level"].get(label, 0) for label in RISK_LEVELS]),
        _joined([counts["order"].get(order, 0) for order in "123"]),
        str(len(counts["sector"])),
        str(len(counts["event"])),
    )


def _joined(numbers: list[int]) -> str:
    return " / ".join(map(str, numbers))
