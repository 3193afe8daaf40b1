"""From a news text to the question that is asked, and from a stored response to a row of answers.jsonl.

{"id": "sim-train-en-000001", "reply": "<thinking>...", "finish_reason": "stop", "model": "finsight-rules-1",
"prompt_tokens": 210, "completion_tokens": 61}
{"id": "sim-train-en-000002", "error": "HTTP 500 after 8 attempts"}
{"id": "sim-train-en-000003", "reply": ..., "more": [{"kind": "direct", "sample": 0, "reply": "{...}", ...}]}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from distill.asking import Asker, Kind
from distill.pricing import usage_of
from distill.reading import Said
from distill.recipe import EMBEDDED
from finsight_eval import jsonl, manifest, prompt

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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


def said(ask: Ask, row: jsonl.Row) -> Said:
    """Return the stored answer to `ask` as it is read."""
    choice = row["response"]["choices"][0]
    return Said(ask.kind, ask.sample, _well_formed(choice["message"].get("content") or ""), choice.get("finish_reason"))


def row(news: News, asks: Sequence[Ask], store: Store, failed: Mapping[str, str]) -> jsonl.Row:
    """Return the answers.jsonl row of a text: its first reasoned answer, and under "more" all others.

    A text is failed only where no sample of it has an answer; an answer that is missing beside others has its "error".
    """
    start = next((ask for ask in asks if ask.kind == Kind.REASONED and ask.key in store), None)
    if start is None:
        return {"id": news.id, "error": failed.get(asks[0].key, "no answer")}
    made = answer_row(news.id, store[start.key]) | ({"sample": start.sample} if start.sample else {})
    more = [_more(ask, store, failed) for ask in asks if ask is not start]
    return made | ({"more": more} if more else {})


def _more(ask: Ask, store: Store, failed: Mapping[str, str]) -> jsonl.Row:
    found = {"kind": str(ask.kind), "sample": ask.sample}
    if ask.key not in store:
        return {**found, "error": failed.get(ask.key, "no answer")}
    spoken = said(ask, store[ask.key])
    return {**found, "reply": spoken.reply, "finish_reason": spoken.finish_reason}


def counted(rows: Iterable[jsonl.Row], counts: Counter[str]) -> Iterator[jsonl.Row]:
    """Yield the rows, counting texts, those that are answered and failed, and further questions without an answer."""
    for one in rows:
        counts["texts"] += 1
        counts["answered"] += "error" not in one
        counts["failed"] += "error" in one
        counts["failed_questions"] += sum("error" in more for more in one.get("more", ()))
        yield one


def all_said(found: jsonl.Row) -> list[Said]:
    """Return what an answers.jsonl row holds, its samples first; [] where the text failed."""
    if "error" in found:
        return []
    first = Said(Kind.REASONED, found.get("sample", 0), found["reply"], found["finish_reason"])
    more = [one for one in found.get("more", ()) if "error" not in one]
    return [first, *(Said(one["kind"], one["sample"], one["reply"], one["finish_reason"]) for one in more)]
