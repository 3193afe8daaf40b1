"""Numbers as the report prints them: with interval and, where it is not the table's, with n. Missing ones say why.

shown({"value": 0.900, "low": 0.863, "high": 0.931, "n": 320}, n=320) -> "0.900 [0.863, 0.931]"
shown(None) -> "n/a (not scored)"
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import stats
from finsight_eval.escape import inline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from finsight_eval.figures import Difference

#: A SHA-256 says as much in its first characters.
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_SHORT: Final = 12


def shown(figure: Mapping[str, Any] | None, n: int | None = None) -> str:
    """Return a figure of metrics.json as a table cell; n is added where it is not the table's `n`."""
    if figure is None:
        return "n/a (not scored)"
    if figure["value"] is None:
        return f"n/a ({inline(figure.get('why') or 'no value')})"
    count = "" if figure["n"] == n else f" (n {figure['n']})"
    if figure["low"] is None:
        return f"{figure['value']:.3f} (no interval){count}"
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]{count}"


def shown_difference(found: Difference, n: int | None = None) -> str:
    """Return a paired difference as a table cell."""
    if found.value is None:
        return f"n/a ({inline(found.why)})"
    count = "" if found.n == n else f" (n {found.n})"
    if found.low is None or found.high is None:
        return f"{found.value:+.3f} (no interval){count}"
    return f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]{count}"


def rate_cell(hits: int, n: int) -> str:
    """Return a rate with its interval and n, or n/a for an empty set."""
    if not n:
        return "n/a (no items)"
    return shown({"value": hits / n, **stats.wilson(hits, n)._asdict(), "n": n})


def number(value: Any) -> float | None:
    """Return a number of a manifest, None for anything else: true is none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def p_words(p: float) -> str:
    """Return "p = 0.040", or "p < 0.001" for any smaller one."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def odds(p: float) -> str:
    """Return a p in words: "less than once in 1,000 times", "about once in 25 times"."""
    return "less than once in 1,000 times" if p < 0.001 else f"about once in {round(1 / p)} times"


def plain(value: Any) -> str:
    """Return a JSON value of a manifest in words: {"accepted": 180, "rejected": 20} -> "accepted 180, rejected 20"."""
    if isinstance(value, dict):
        return ", ".join(
            f"{inline(str(key))} {f'({plain(v)})' if isinstance(v, (dict, list)) else plain(v)}"
            for key, v in value.items()
        )
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(element) for element in value)
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "n/a"}[value]
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return inline(str(value)[:_SHORT] if _HASH.fullmatch(str(value)) else str(value))
