"""The report as one HTML file that needs nothing else: no network, no second file, no server.

    html_page(run, markdown, {"nano/loss.png": b"..."}) -> '<!doctype html>...'

The content is that of the Markdown page; a table of all items, which can be sorted, filtered and opened, follows it.
The page's own policy (Content-Security-Policy) admits exactly the style and the script that were written here, by
their hashes, and pictures that lie in the file. Whatever else a reply smuggled in would neither run nor load.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from markdown_it.common.utils import escapeHtml

from finsight_eval.html.items import embedded, items
from finsight_eval.html.markdown import rendered
from finsight_eval.html.renderer import marked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from finsight_eval.reporting.data import Run


def html_page(run: Run, markdown: str, pictures: Mapping[str, bytes]) -> str:
    """Return the report of `run` as HTML: `markdown` rendered, its `pictures` (by relative name) and all items."""
    found = rendered(markdown, pictures)
    style, script = _part("style.css"), _part("theme.js") + _part("table.js")
    sections = "\n".join(f'<li><a href="#{escapeHtml(key)}">{marked(title)}</a></li>' for key, title in found.sections)
    return Template(_part("page.html")).substitute(
        policy=_policy(style, script),
        title=escapeHtml(found.title),
        sections=sections,
        content=found.html,
        items=embedded(items(run)),
        style=style,
        script=script,
    )


def parts_digest() -> str:
    """Return a hash over what a page is made of beside code and run: another style or script makes another page."""
    parts = ("page.html", "style.css", "theme.js", "table.js")
    return hashlib.sha256("\0".join(_part(name) for name in parts).encode()).hexdigest()


def _part(name: str) -> str:
    # The newline form of this machine must not change the hash.
    return (files("finsight_eval") / "html" / name).read_text(encoding="utf-8").replace("\r\n", "\n")


def _policy(style: str, script: str) -> str:
    rules = [
        "default-src 'none'",
        "img-src data:",
        f"style-src {_hash(style)}",
        f"script-src {_hash(script)}",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",  # text can become markup nowhere, not even by a slip in our own script
    ]
    return "; ".join(rules)


def _hash(inline: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}'"
