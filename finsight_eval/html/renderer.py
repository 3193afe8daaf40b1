"""How the parts of a page look in HTML: figures, blocks, tables, links, Chinese words.

    | 0.5 [0.4, 0.6] |   ->   <div class="scroll" ...><table>...<td class="number figure">0.5 [0.4, 0.6]</td>

There are no style attributes, which the page's policy forbids: cells and pictures carry classes. Wide tables lie in a
box of their own that scrolls.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, Final

from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.token import Token

#: Runs of Chinese, with the punctuation in and after them: browsers choose glyphs and line breaks by the language.
_CHINESE: Final = re.compile(r"[\u2e80-\u2fdf\u3400-\u9fff\uf900-\ufaff][\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]*")
#: A number, with its interval: never broken over two lines.
_FIGURE: Final = re.compile(r"[+-]?[\d.,]+( ?%)?( \[[^\]]*\])?")
_VERDICTS: Final = ("pass", "regressed", "inconclusive")


def marked(text: str) -> str:
    """Return `text` escaped for HTML, its runs of Chinese marked as such."""
    return _CHINESE.sub(lambda found: f'<span lang="zh">{found.group()}</span>', escapeHtml(text))


def plain(inline: Token) -> str:
    """Return the words of a heading without their markup."""
    return "".join(child.content for child in inline.children or [])


class Renderer(RendererHTML):
    """markdown-it's renderer with our own figures, folded parts, tables and blocks."""

    def picture(self, tokens: Sequence[Token], idx: int, _options: Any, env: Any) -> str:
        names, pictures = tokens[idx].meta, env["pictures"]
        if names["light"] not in pictures:
            return f"<p>({marked(names['alt'])}: the picture is not there)</p>\n"
        shown = {kind: pictures[names[kind]] for kind in ("light", "dark") if names.get(kind) in pictures}
        images = "".join(
            f'<img class="{kind if len(shown) > 1 else "always"}" alt="{escapeHtml(names["alt"])}" '
            f'src="data:image/png;base64,{base64.b64encode(data).decode()}">'
            for kind, data in shown.items()
        )
        return f'<figure>{images}<figcaption aria-hidden="true">{marked(names["alt"])}</figcaption></figure>\n'

    def image(self, tokens: Sequence[Token], idx: int, _options: Any, _env: Any) -> str:
        return f"[{marked(tokens[idx].content)}]"  # inside a line of text: named, never fetched

    def folded_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f"<details><summary>{self.renderInline(tokens[idx].children or [], options, env)}</summary>\n"

    def folded_close(self, _tokens: Sequence[Token], _idx: int, _options: Any, _env: Any) -> str:
        return "</details>\n"

    def text(self, tokens: Sequence[Token], idx: int, _options: Any, _env: Any) -> str:
        return marked(tokens[idx].content)

    def fence(self, tokens: Sequence[Token], idx: int, _options: Any, _env: Any) -> str:
        lang = ' lang="zh"' if _CHINESE.search(tokens[idx].content) else ""
        return f'<pre{lang} tabindex="0"><code>{escapeHtml(tokens[idx].content)}</code></pre>\n'

    def link_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        tokens[idx].attrs["rel"] = "noopener noreferrer"
        return self.renderToken(tokens, idx, options, env)

    def table_open(self, tokens: Sequence[Token], idx: int, _options: Any, _env: Any) -> str:
        headings = [place for place in range(idx) if tokens[place].type == "heading_open"]
        about = plain(tokens[headings[-1] + 1]) if headings else ""
        return f'<div class="scroll" role="region" tabindex="0" aria-label="Table: {escapeHtml(about)}"><table>\n'

    def table_close(self, _tokens: Sequence[Token], _idx: int, _options: Any, _env: Any) -> str:
        return "</table></div>\n"

    def th_open(self, tokens: Sequence[Token], idx: int, _options: Any, _env: Any) -> str:
        return f'<th scope="col"{_class_of(tokens, idx)}>'

    def td_open(self, tokens: Sequence[Token], idx: int, _options: Any, _env: Any) -> str:
        return f"<td{_class_of(tokens, idx)}>"


def _class_of(tokens: Sequence[Token], idx: int) -> str:
    """Return the class attribute of a cell: how it is set, and what it says where that deserves a colour."""
    words = tokens[idx + 1].content
    names = {
        "number": "right" in str(tokens[idx].attrs.get("style", "")),
        "figure": _FIGURE.fullmatch(words) is not None,
        "missing": words.startswith("n/a"),
        words: words in _VERDICTS,
    }
    kept = " ".join(name for name, fits in names.items() if fits)
    return f' class="{kept}"' if kept else ""
