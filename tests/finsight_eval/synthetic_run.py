"""A whole run without a model: benchmark sets, samples of base, adapter and teacher, and the stages' manifests.

`make_run(folder)` lays out what the stages before `score` leave behind; every reply is drawn with a stated error rate.
"""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finsight_eval import benchmark, jsonl, manifest
from finsight_eval.labels import RISK_LEVELS, SENTIMENTS
from finsight_eval.parse import Answer, render
from finsight_eval.prompt import student_prompt
from finsight_eval.records import Item

if TYPE_CHECKING:
    import pytest

SHOWCASE = (
    "OpenAI announced GPT-5, causing a surge in computing demand, and NVIDIA's stock jumped 8% pre-market.",
    "Harborline Foods said it is pulling a batch of frozen meals.",
    "恒岳电池公告称，最大客户提前终止供货协议。",
)
SUITE = """\
name: nano
tasks: [finsight, finsight_simulated]
base: finsight_train/bases/finsight-nano
model: hf
model_args: {device: cpu}
batch_size: 64
max_new_tokens: 200
showcase: [one, two, three]
"""
STAMP = "2026-11-22T18-15-40.123456"


def make_item(number: int, set_name: str = "news", **changes: Any) -> Item:
    """Return one benchmark item; every field is of its kind and the labels go round."""
    lang = "zh" if number % 5 == 2 else "en"
    entity = f"远山{number}电池" if lang == "zh" else f"Company {number}"
    text = (
        f"{entity}公告，订单增长{number}%。" if lang == "zh" else f"{entity} said orders rose {number}% in the quarter."
    )
    item = Item(
        id=f"{set_name}-{lang}-{number:03}",
        lang=lang,
        text=text,
        entity=entity,
        aliases=(),
        sentiment=SENTIMENTS[number % 3],
        risk_level=RISK_LEVELS[(number // 3) % 3],
        sector=("semiconductors", "retail", "energy")[number % 3],
        event=("contract_win", "recall", "earnings_miss", "rumour")[number % 4],
        order=1 + number % 2,
        features=("numbers", "negation") if number % 2 else ("numbers",),
    )
    return replace(item, **changes)


def gold_reply(item: Item) -> str:
    """Return the reply that answers `item` perfectly."""
    return render(Answer(f"{item.entity} -> orders", item.entity, item.sentiment, item.risk_level))


def noisy_reply(item: Item, rng: random.Random, right: float, parsed: float) -> str:
    """Return a reply whose every part is right with probability `right`, in the contract's form with `parsed`."""
    if rng.random() > parsed:
        return rng.choice(
            ["", "<thinking>cut off", f"The news about {item.entity} is good.", "<thinking>x</thinking>\nno"]
        )
    sentiment = item.sentiment if rng.random() < right else rng.choice(SENTIMENTS)
    risk_level = item.risk_level if rng.random() < right else rng.choice(RISK_LEVELS)
    entity = item.entity if rng.random() < right else "Someone Else"
    return render(Answer(f"{item.entity} -> 12% more orders -> gains", entity, sentiment, risk_level))


def sample_row(number: int, item: Item, reply: str | None, teacher: tuple[str, str] | None = None) -> dict[str, Any]:
    """Return a line of an lm-eval sample file."""
    sentiment, risk_level = teacher or (None, None)
    return {
        "doc_id": number,
        "doc": {**item.row(), "teacher_sentiment": sentiment, "teacher_risk_level": risk_level},
        "target": "",
        "arguments": {
            "gen_args_0": {
                "arg_0": f"<|im_start|>user\n{student_prompt(item.text)}<|im_end|>\n",
                "arg_1": {"until": [], "max_gen_toks": 200, "do_sample": False},
            }
        },
        "resps": [[reply]],
        "filtered_resps": [reply],
        "filter": "none",
        "teacher_agreement": float("nan"),
    }


def write_samples(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write sample lines the way lm-eval does, NaN included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def seal(folder: Path, seconds: float = 1.5, **facts: Any) -> None:
    """Write the manifest that makes `folder` a finished stage."""
    origin = {"git": {"commit": "0123456789abcdef", "dirty": False}, "versions": {"python": "3.11.2", "numpy": "2.4.6"}}
    settings = {"base": "finsight_train/bases/finsight-nano"}
    made = {"stage": folder.name, "outputs": manifest.outputs_of(folder), "facts": facts, "seconds": seconds}
    jsonl.write(folder / manifest.NAME, {**made, "origin": origin, "settings": settings, "contract": 1})


def write_set(home: Path, name: str, items: list[Item]) -> None:
    """Write a sealed benchmark set below `home`."""
    jsonl.write_lines(home / name / "test.jsonl", [item.row() for item in items])
    sealed = {"sha256": manifest.sha256(home / name / "test.jsonl")}
    jsonl.write(home / name / manifest.NAME, {"set": name, "files": {"test.jsonl": sealed}})


def make_run(
    root: Path, monkeypatch: pytest.MonkeyPatch, skill: float = 0.88, sizes: tuple[int, int] = (68, 300)
) -> Path:
    """Lay out a project below `root` with a run up to `score`, make it the working directory and return the run."""
    monkeypatch.chdir(root)
    monkeypatch.setattr(benchmark, "_homes", lambda: [root / "benchmarks"])
    (root / "benchmarks" / "suites").mkdir(parents=True)
    (root / "benchmarks" / "suites" / "nano.yaml").write_text(SUITE, encoding="utf-8")
    policies = root / "benchmarks" / "policies"
    policies.mkdir()
    shipped = Path(__file__).parents[2] / "benchmarks" / "policies" / "nano.yaml"
    (policies / "nano.yaml").write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8")
    run = root / "runs" / "nano"
    rng = random.Random(11)
    sets = {"finsight": ("news", sizes[0]), "finsight_simulated": ("simulated", sizes[1])}
    for task, (name, size) in sets.items():
        items = [make_item(number, name) for number in range(size)]
        write_set(root / "benchmarks", name, items)
        _answer_all(run, task, items, rng, skill)
    for model in ("base", "adapter"):
        rows = [
            {"id": f"showcase-{i}", "text": t, "reply": f"```\n{model} says {i}"} for i, t in enumerate(SHOWCASE, 1)
        ]
        jsonl.write_lines(run / "eval" / model / "showcase.jsonl", rows)
        seal(run / "eval" / model, 12.5)
    seal(run / "teacher", 2.0, texts=sum(sizes), asked_now=sum(sizes), usd=0.047, unmetered=0, price_date="2026-11")
    _make_earlier_stages(run)
    return run


def _answer_all(run: Path, task: str, items: list[Item], rng: random.Random, skill: float) -> None:
    name = items[0].id.split("-")[0]
    taught = {item.id: noisy_reply(item, rng, 0.9, 0.99) for item in items}
    rows = [{"id": key, "reply": reply, "model": "finsight-rules-1"} for key, reply in taught.items()]
    jsonl.write_lines(run / "teacher" / f"{name}.jsonl", rows)
    answers = benchmark.teacher_answers(name, run / "teacher")
    pairs = {key: (answer.sentiment, answer.risk_level) if answer else None for key, answer in answers.items()}
    for model, right, parsed in (("base", 0.4, 0.02), ("adapter", skill, 0.97)):
        chance = right - 0.3 if task == "finsight" else right
        lines = [
            sample_row(number, item, noisy_reply(item, rng, chance, parsed), pairs[item.id])
            for number, item in enumerate(items)
        ]
        write_samples(run / "eval" / model / "model__name" / f"samples_{task}_{STAMP}.jsonl", lines)


def _make_earlier_stages(run: Path) -> None:
    items = [make_item(number, "sim-train") for number in range(200)]
    jsonl.write_lines(
        run / "simulate" / "gold.jsonl", [{k: v for k, v in i.row().items() if k != "text"} for i in items]
    )
    jsonl.write_lines(run / "simulate" / "corpus.jsonl", [{"id": i.id, "lang": i.lang, "text": i.text} for i in items])
    seal(run / "simulate", 0.8, items=200)
    rng = random.Random(3)
    rows = [{"id": i.id, "reply": noisy_reply(i, rng, 0.92, 0.99), "finish_reason": "stop"} for i in items]
    jsonl.write_lines(run / "generate" / "answers.jsonl", rows)
    seal(run / "generate", 3.1, texts=200, answered=200, asked_now=200, usd=0.05, unmetered=0, price_date="2026-11")
    jsonl.write_lines(run / "verify" / "accepted.jsonl", rows[:180])
    jsonl.write_lines(run / "verify" / "rejected.jsonl", [{**row, "reason": "empty"} for row in rows[180:]])
    seal(run / "verify", 0.5, accepted=180, rejected=20)
    sets = {
        name: {"items": 9, "sha256": {"test": manifest.sha256(path / "test.jsonl")}}
        for name, path in benchmark.sets().items()
    }
    overlap = {
        "checked": 180,
        "removed": [],
        "removed_by_set": {},
        "threshold": 0.6,
        "highest_share_kept": 0.41,
        "rows": 180,
    }
    jsonl.write(run / "export" / "overlap.json", {**overlap, "sets": sets})
    seal(run / "export", 0.7, rows=180)
    losses = [
        {
            "step": s,
            "epoch": round(s / 60, 3),
            "loss": round(0.4 + 3.0 * 0.97**s, 4),
            "learning_rate": 2e-3 * (1 - s / 180),
        }
        for s in range(1, 181, 2)
    ]
    jsonl.write_lines(run / "train" / "loss.jsonl", losses)
    jsonl.write(run / "train" / "train.json", {"steps": 180})
    (run / "train" / "adapter").mkdir()
    jsonl.write(run / "train" / "adapter" / "adapter_config.json", {"r": 16})
    seal(run / "train", 101.0, steps=180, loss=0.41)


def copied_run(made: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the project in `made` to `root`, make it the working directory, and return the folder of its run."""
    shutil.copytree(made, root)
    monkeypatch.chdir(root)
    monkeypatch.setattr(benchmark, "_homes", lambda: [root / "benchmarks"])
    return root / "runs" / "nano"
