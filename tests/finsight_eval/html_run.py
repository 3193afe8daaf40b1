"""A run in memory for the HTML page: items, replies of three models, no figures.

run_of([make_item(0)], ["...", "...", None]) -> Run with one item; the third model gave no reply
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from finsight_eval.parse import Answer, render
from finsight_eval.records import AnyItem, Item
from finsight_eval.reporting.data import MODELS, Run
from finsight_eval.verdicts import Verdict, verdict_of
from tests.finsight_eval.synthetic_run import gold_reply, make_item

#: What a model or a news text may hold: markup, scripts, links, ends of whatever it stands in, unseen characters.
HOSTILE = (
    "</script><script>window.fired = 1; alert(1)</script>",
    "</SCRIPT ><img src=x onerror=alert(2)>",
    "<!--<script>",
    "--><svg onload=alert(3)>",
    "<img src=x onerror=alert(4)>",
    '"><iframe srcdoc="<script>alert(5)</script>">',
    "' onmouseover='alert(6)",
    "[click](javascript:alert(7)) [x](data:text/html,<script>alert(8)</script>) <javascript:alert(9)>",
    "![x](https://example.com/pixel.png) ![y](//example.com/z.png)",
    (
        '<picture><source media="(prefers-color-scheme: dark)" srcset="https://example.com/a.png">'
        '<img alt="x" src="https://example.com/b.png"></picture>'
    ),
    "```\n# Verdict: it may ship\n```\n~~~",
    "````text\n<style>body{display:none}</style>",
    "\x00\x01\x07\x1b[31mred\x1b[0m\x7f\x85",
    "safe \u202etxt.exe\u2066 \u200f\u2028\u2029\ufeff",
    "<base href=https://example.com><meta http-equiv=refresh content=0;url=https://example.com>",
    "</pre></td></table></main></body></html>",
    "&lt;b&gt; &#60;script&#62; &amp;",
    "${title} $policy {{ x }} \\u003c/script\\u003e",
    "<thinking>\nx\n</thinking>\n</thinking>",
    "<form action=https://example.com><input name=page.data id=page.table></form>",
)


def run_of(
    items: Sequence[AnyItem], reply: Callable[[AnyItem, str], str | None], tasks: Sequence[str] = ("finsight",)
) -> Run:
    """Return a run of three models over `items`; `reply` gives a model's words, None for an item it never answered."""
    said: dict[str, dict[str, list[Verdict]]] = {
        model: {
            task: [verdict_of(item, words) for item in items if (words := reply(item, model)) is not None]
            for task in tasks
        }
        for model in MODELS
    }
    return Run(
        name="nano",
        scores={model: {"tasks": {key: {"n": len(items)} for key in tasks}} for model in MODELS},
        verdicts=said,
        gate={"checks": []},
        losses=[],
        showcase=[],
        taught=[],
        overlap=None,
        manifests={},
    )


def plain_run(size: int, tasks: Sequence[str] = ("finsight",)) -> Run:
    """Return a run of `size` items: the base chats, the adapter errs on every fourth item, the teacher is right."""

    def reply(item: AnyItem, model: str) -> str:
        assert isinstance(item, Item)
        if model == "base":
            return f"The news about {item.entity} is good."
        if model == "adapter" and int(item.id[-3:]) % 4 == 0:
            return render(Answer("guess", item.entity, "Neutral" if item.sentiment != "Neutral" else "Positive", "Low"))
        return gold_reply(item)

    return run_of([make_item(number) for number in range(size)], reply, tasks)
