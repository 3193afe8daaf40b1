"""The model card: what the merged model is, what it was measured to do, and how to run it so that this holds.

    | news, test | parse rate | 0.99 (0.98 to 1.00) | 0.00 (0.00 to 0.01) | 320 |

It is made from files of the run and nothing else, without a date: the same run gives the same bytes. Names that came
from outside (the base, the run) are escaped; no text of a benchmark or a model stands in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import CONTRACT, jsonl, prompt
from finsight_eval.escape import fenced, inline, table
from finsight_train.exporting.agreement import FIGURES
from finsight_train.exporting.serving import commands

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from finsight_train.exporting.serving import Serving

_TITLES: Final = {
    "json_parse_rate": "parse rate",
    "sentiment_f1": "sentiment macro F1",
    "risk_accuracy": "risk accuracy",
    "teacher_agreement": "teacher agreement",
}
_SAVED_BASE: Final = "train/base"


@dataclass(frozen=True)
class Facts:
    """All that the card is made from.

    Attributes:
        base: the base's hub id, or the name of its folder.
        saved_base: whether training saved the dequantised base.
        train: the record of training (train.json).
        overlap: the record of the comparison of training rows with benchmark items (overlap.json), if it is there.
        agreement: what adapter and merged model have in common, with how many verdicts had to be the same.
        scores: "adapter" and "base" -> metrics.json of the run, as far as they are there.
        room: vLLM's `--max-lora-rank` for the adapter.
    """

    serving: Serving
    base: str
    saved_base: bool
    train: Mapping[str, Any]
    overlap: Mapping[str, Any] | None
    agreement: Mapping[str, Any]
    scores: Mapping[str, Mapping[str, Any]]
    room: int


def card(facts: Facts) -> str:
    """Return README.md of the exported model."""
    sections = (_head(facts), _made(facts), _figures(facts), _use(), _prompt_format(facts.serving), _running(facts))
    return "\n\n".join(sections) + "\n"


def _head(facts: Facts) -> str:
    lines = ["---"]
    if "/" in facts.base:
        lines.append(f"base_model: {jsonl.dumps(facts.base)}")
    lines += [
        "license: unknown  # to be confirmed by whoever publishes this: the base's licence binds the merged weights",
        "library_name: transformers",
        "pipeline_tag: text-generation",
        "language: [en, zh]",
        "tags: [finance, sentiment-analysis, risk, finsight]",
        "---",
    ]
    name, base = inline(facts.serving.name), inline(facts.base)
    title = f"# {name}: {base}, fine-tuned to judge financial news"
    told = (
        "It reads one news text, English or Chinese, and replies with its reasoning in `<thinking>` and a JSON "
        "verdict: entity, sentiment, risk level. Written by `finsight_train.export`."
    )
    return "\n".join([*lines, "", title, "", told])


def _made(facts: Facts) -> str:
    settings, agreed = facts.train["settings"], facts.agreement
    rows = [
        (
            "base",
            f"{inline(facts.base)}, quantised to NF4 and dequantised: the weights that the adapter was trained on",
        ),
        ("adapter", f"LoRA, rank {settings['rank']}, alpha {settings['alpha']}, on every linear layer"),
        ("trained on", _data(facts)),
        ("merged", f"in float32, rounded once to {settings['compute_dtype']}"),
        ("licence", "that of the base, to be confirmed by whoever publishes this model"),
    ]
    same = (
        f"Adapter beside the base and merged model, greedily decoded, wrote the same reply to {agreed['identical']} of "
        f"{agreed['items']} dev items and gave the same verdict on {agreed['same_verdicts']} (at least "
        f"{agreed['least']} were asked for). A reply has {agreed['reply_tokens']} tokens on average, of which "
        f"{agreed['common_tokens']} come before the first difference, if any."
    )
    return f"## How it was made\n\n{table(('', ''), rows)}\n\n{same}"


def _data(facts: Facts) -> str:
    recipe = f"recipe {inline(facts.train['settings']['name'])}"
    if facts.overlap is None:
        return f"{recipe}; how its rows relate to the benchmarks was not recorded"
    kept, removed = facts.overlap["rows"], len(facts.overlap["removed"])
    return (
        f"{kept:,} rows, {recipe}; compared with {', '.join(sorted(facts.overlap['sets']))}: {removed:,} rows too "
        f"close to a benchmark item were left out, the closest kept shares {facts.overlap['highest_share_kept']:.2f}"
    )


def _figures(facts: Facts) -> str:
    parts = ["## What it was measured to do", "Strictly scored; in brackets the 95 % interval."]
    rows = [
        (_TITLES[name], _shown(facts.agreement["merged"][name]), _shown(facts.agreement["reference"][name]))
        for name in FIGURES
    ]
    sets = ", ".join(facts.agreement["sets"])
    parts.append(f"The merged model on {facts.agreement['items']} dev items ({inline(sets)}):")
    parts.append(table(("", "merged", "base with adapter"), rows, 2))
    if "adapter" not in facts.scores:
        return "\n\n".join([*parts, "On test items nothing has been measured yet."])
    parts.append(_measured_on(facts.scores["adapter"]))
    parts.append(table(("set, metric", "with adapter", "base", "n"), _test_rows(facts.scores), 3))
    return "\n\n".join(parts)


def _measured_on(metrics: Mapping[str, Any]) -> str:
    """Return what the test figures were measured on: not this folder, but what it was made from, or something else."""
    models = {str(card.get("model") or "") for card in metrics["tasks"].values()}
    if all(name.endswith(_SAVED_BASE) for name in models):
        return "Test items, measured before the merge, with the adapter beside the same dequantised base:"
    return (
        "Test items, measured with the adapter beside a base that was NOT the dequantised one merged here, so that "
        "these figures are those of another model; evaluate this folder to have its own:"
    )


def _test_rows(scores: Mapping[str, Mapping[str, Any]]) -> Sequence[tuple[str, ...]]:
    untrained = scores.get("base", {}).get("tasks", {})
    return [
        (
            f"{inline(task)}, {_TITLES[name]}",
            _shown(card["metrics"][name]),
            _shown(untrained[task]["metrics"][name]) if task in untrained else "not measured",
            f"{card['metrics'][name]['n']:,}",
        )
        for task, card in scores["adapter"]["tasks"].items()
        for name in _TITLES
    ]


def _shown(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return "not measured"
    if figure["low"] is None:
        return f"{figure['value']:.2f}"
    return f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"


def _use() -> str:
    return """\
## What it is for, and what not

For sorting financial news by the entity it bears on, the direction of the effect and the downside risk, where a person
or another check stands behind every decision. Not for trading by itself, for advice, or for texts that are no news.

* It reads one text and knows nothing else: no prices, no later correction, no other article.
* A reply that breaks the form is no answer; read it strictly (`finsight_eval.parse`) and count what cannot be read.
* News can hold instructions. The prompt gives the reminder the last word and breaks up chat markers; build it with
  `finsight_eval.prompt.student_prompt` rather than by hand.
* Figures hold for greedy decoding and for this prompt; sampling, another prompt or more quantisation gives others."""


def _prompt_format(serving: Serving) -> str:
    told = (
        "One user message and no system message of yours. `{news}` stands for the text; the chat template of the "
        "tokenizer goes around it:"
    )
    stops = ", ".join(f"`{stop}` ({number})" for stop, number in zip(serving.stops, serving.stop_ids, strict=True))
    penalty = (
        f"The base's repetition penalty of {serving.penalty:g} is kept: it was evaluated with it."
        if serving.penalty != 1
        else "No repetition penalty: the base has none, and it was evaluated without."
    )
    body = f"{serving.head}{prompt.student_prompt('{news}')}{serving.tail}"
    end = f"A reply ends with one of {stops}; at most {serving.new_tokens} tokens were allowed. {penalty}"
    return f"## Prompt format (contract {CONTRACT})\n\n{told}\n\n{fenced(body, 10_000)}\n\n{end}"


def _running(facts: Facts) -> str:
    base = "../train/base" if facts.saved_base else facts.base
    python = f"""\
from transformers import AutoModelForCausalLM, AutoTokenizer
from finsight_eval import parse, prompt

tokenizer, model = AutoTokenizer.from_pretrained("."), AutoModelForCausalLM.from_pretrained(".", dtype="auto")
text = prompt.messages(prompt.student_prompt("..."))
inputs = tokenizer.apply_chat_template(text, add_generation_prompt=True, return_dict=True, return_tensors="pt")
reply = model.generate(**inputs, max_new_tokens={facts.serving.new_tokens})[0, inputs["input_ids"].shape[1]:]
print(parse.parse(tokenizer.decode(reply, skip_special_tokens=True)))"""
    parts = ["## How to run it", "From this folder:", f"```python\n{python}\n```"]
    for server, command in commands(facts.serving, facts.room, base):
        parts += [f"{server}:", fenced(command)]
    if not facts.saved_base:
        parts.append(
            "The adapter beside the base meets the original weights there, not the dequantised ones that it was "
            "trained on: other replies are to be expected than from the merged model. Set `save_base: true` in the "
            "recipe to have a base for it."
        )
    parts.append(
        "Send messages of the form above with temperature 0. SERVING.md of finsight_train says which of these ways "
        "have been run, and what they gave."
    )
    return "\n\n".join(parts)
