"""How a page shows a picture: each is drawn twice, for the light and for the dark, and the page names both files.

    <picture><source media="(prefers-color-scheme: dark)" srcset="compare/cost-dark.png"><img alt="Cost" ...></picture>

The drawing itself is in finsight_eval.plotting.plots and the modules beside it; pages are written without matplotlib.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def dark_of(path: Path) -> Path:
    """Return the neighbour of picture `path` that is drawn for the dark."""
    return path.with_name(f"{path.stem}-dark.png")


def markup(title: str, folder: str, name: str) -> str:
    """Return the line that shows picture `name` in `folder` on a page, whichever scheme its reader prefers."""
    alt, stem = html.escape(title), f"{folder}/{name.removesuffix('.png')}"
    dark = f'<source media="(prefers-color-scheme: dark)" srcset="{stem}-dark.png">'
    return f'<picture>{dark}<img alt="{alt}" src="{stem}.png"></picture>'


def file_name(*words: str) -> str:
    """Return the name of a picture made of `words`: letters, digits and underscores only."""
    return f"{'_'.join(re.sub(r'[^A-Za-z0-9_]+', '-', word) for word in words)}.png"


def drawn(name: str, longest: int = 32) -> str:
    """Return a model's name for a picture: short, in characters that the font has, and no formula."""
    plain = re.sub(r"[^\x20-\x7e]", "?", name)
    cut = plain if len(plain) <= longest else f"{plain[: longest - 3]}..."
    return cut.replace("$", r"\$")
