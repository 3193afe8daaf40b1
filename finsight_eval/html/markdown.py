"""The report's Markdown as HTML: the page's content is written once, in Markdown, and rendered here.

    ## Training                       <h2 id="training">Training</h2>
    ![Loss](nano/loss.png)            <figure><img alt="Loss" src="data:image/png;base64,..."></figure>

Raw HTML never comes alive: the parser knows none, so a tag in the source is text on the page. Two lines that the report
itself writes are recognised as a whole: a picture for light and for dark pages, and the two ends of a folded part.
Links lead to http(s) addresses, to neighbouring pages and to headings; pictures come from the run or not at all.
"""

from __future__ import annotations

import html
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from finsight_eval.html.renderer import Renderer, plain
from finsight_eval.reporting.layout import anchor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PICTURE: Final = re.compile(
    r'<picture><source media="\(prefers-color-scheme: dark\)" srcset="(?P<dark>[^"<>]*)">'
    r'<img alt="(?P<alt>[^"<>]*)" src="(?P<light>[^"<>]*)"></picture>'
)
_FOLDED: Final = re.compile(r"<details><summary>([^<>]*)</summary>")
_FOLDED_END: Final = "</details>"
_LINK: Final = re.compile(r"https?://|#|(?![a-z][a-z0-9+.-]*:|[/\\])", re.IGNORECASE)


@dataclass(frozen=True)
class Rendered:
    """The body of a page, its title in plain words, and (id, title) of every section."""

    html: str
    title: str
    sections: tuple[tuple[str, str], ...]


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's name
        return _LINK.match(url) is not None


def rendered(markdown: str, pictures: Mapping[str, bytes]) -> Rendered:
    """Return `markdown` as HTML that loads nothing; `pictures` are PNG files by their name relative to the page."""
    parser = _Parser("commonmark", {"html": False, "xhtmlOut": False}, renderer_cls=Renderer).enable("table")
    tokens = _recognised(parser.parse(markdown))
    titles = [(opening.tag, str(opening.attrs["id"]), plain(inline)) for opening, inline in _with_ids(tokens)]
    title = next((words for tag, _, words in titles if tag == "h1"), "")
    sections = tuple((key, words) for tag, key, words in titles if tag == "h2")
    body = parser.renderer.render(tokens, parser.options, {"pictures": pictures})
    return Rendered(body, title, sections)


def _recognised(tokens: Sequence[Token]) -> list[Token]:
    """Return the tokens, each paragraph that is a line of the report's own replaced by one token."""
    folds = _paired_folds(tokens)
    found: list[Token] = []
    place = 0
    while place < len(tokens):
        own = _own(tokens[place + 1], place in folds) if tokens[place].type == "paragraph_open" else None
        found.append(own or tokens[place])
        place += 3 if own else 1
    return [token for token in found if token.type != "contents"]


def _own(inline: Token, folds: bool) -> Token | None:
    """Return the token for a paragraph of ours, None for any other; contents are dropped for the page's own."""
    if picture := _picture_of(inline):
        return Token("picture", "", 0, block=True, meta=picture)
    if folds:
        kind = "folded_close" if inline.content == _FOLDED_END else "folded_open"
        return Token(kind, "", 0, block=True, children=_summary(inline))
    links = [child for child in inline.children or [] if child.type == "link_open"]
    between = [child.content.strip(" ·") for child in inline.children or [] if child.level == 0]
    if len(links) > 1 and not any(between) and all(str(link.attrs["href"]).startswith("#") for link in links):
        return Token("contents", "", 0)
    return None


def _paired_folds(tokens: Sequence[Token]) -> set[int]:
    """Return the places of the paragraphs that open and close folded parts; an end without its other is text."""
    opened: list[int] = []
    paired: set[int] = set()
    for place, (opening, inline) in enumerate(itertools.pairwise(tokens)):
        if opening.type != "paragraph_open" or opening.level:
            continue
        if _FOLDED.fullmatch(inline.content):
            opened.append(place)
        elif inline.content == _FOLDED_END and opened:
            paired |= {opened.pop(), place}
    return paired


def _summary(inline: Token) -> list[Token]:
    """Return what stands between the tags of a folded part's first line; Markdown in it works as in any text."""
    children = [child for child in inline.children or [] if child.type != "text" or child.content]
    for child in children:
        if child.type == "text":
            child.content = re.sub(r"^<details><summary>|</summary>$|^</details>$", "", child.content)
    return children


def _picture_of(inline: Token) -> dict[str, str] | None:
    if found := _PICTURE.fullmatch(inline.content):
        return {name: html.unescape(value) for name, value in found.groupdict().items()}
    children = inline.children or []
    if len(children) == 1 and children[0].type == "image":
        return {"light": str(children[0].attrs["src"]), "alt": children[0].content}
    return None


def _with_ids(tokens: Sequence[Token]) -> Iterator[tuple[Token, Token]]:
    """Give every heading the id that its anchor has on GitHub and yield it with its content."""
    used: dict[str, int] = {}
    for opening, inline in itertools.pairwise(tokens):
        if opening.type == "heading_open":
            slug = anchor(plain(inline)) or "section"
            number = used[slug] = used.get(slug, -1) + 1
            opening.attrs["id"] = f"{slug}-{number}" if number else slug
            yield opening, inline
