"""From a news text to the question that is asked, and from a stored response to a row of answers.jsonl.

{"id": "sim-train-en-000001", "reply": "<thinking>...", "finish_reason": "stop", "model": "finsight-rules-1",
"prompt_tokens": 210, "completion_tokens": 61}
{"id": "sim-train-en-000002", "error": "HTTP 500 after 8 attempts"}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from distill.asking import Asker
from distill.pricing import usage_of
from distill.recipe import EMBEDDED
from finsight_eval import jsonl, manifest, prompt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from distill.asking import Ask
    from distill.recipe import Recipe
    from distill.store import Store
    from finsight_eval.records import News


def teacher_of(recipe: Recipe) -> dict[str, str]:
    """Return what identifies the teacher: host and model; for the embedded one also a hash of its rules."""
    if recipe.base_url == EMBEDDED:
        rules = manifest.code_digest("distill.teacher.analyst")
        return {"host": EMBEDDED, "model": recipe.model, "rules": rules}
    return {"host": urlsplit(recipe.base_url).netloc, "model": recipe.model}


def request_settings(recipe: Recipe) -> dict[str, Any]:
    """Return the members of the request body that change what the teacher answers."""
    return {"temperature": recipe.temperature, "max_tokens": recipe.max_tokens, **recipe.extra_body}


def asker(recipe: Recipe) -> Asker:
    """Return what makes the questions to this teacher, under this prompt and these sampling settings."""
    return Asker(teacher_of(recipe), request_settings(recipe), prompt.fingerprint())


def reasoned(asker: Asker, news: News, sample: int = 0) -> Ask:
    """Return the question for the reasoned answer to `news`."""
    return asker.ask(news.id, prompt.messages(prompt.teacher_prompt(news.text)), sample=sample)


def answer_row(identity: str, row: jsonl.Row) -> jsonl.Row:
    """Return the answers.jsonl row that a journal row stands for."""
    choice = row["response"]["choices"][0]
    used = usage_of(row["response"])
    return {
        "id": identity,
        "reply": _well_formed(choice["message"].get("content") or ""),
        "finish_reason": choice.get("finish_reason"),
        "model": row["response"].get("model"),
        "prompt_tokens": used.prompt if used else None,
        "completion_tokens": used.completion if used else None,
    }


def _well_formed(text: str) -> str:
    """Return `text` with surrogate pairs joined and lone ones replaced: the journal keeps them, UTF-8 files cannot."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def rows(pairs: Iterable[tuple[News, str]], store: Store, failed: Mapping[str, str]) -> Iterator[jsonl.Row]:
    """Yield one row for every (text, key), in their order."""
    for news, key in pairs:
        yield {"id": news.id, "error": failed[key]} if key in failed else answer_row(news.id, store[key])
