"""The lm-eval tasks: found, strict, and equal to `score` to the last digit."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from finsight_eval import benchmark, lm_task, metrics
from finsight_eval.evaluate import tasks_folder
from finsight_eval.grounding import grounding
from finsight_eval.metrics import METRICS, Agreement, Mean, Paired
from finsight_eval.parse import Answer, parse, render
from finsight_eval.prompt import prompt_of, student_prompt
from finsight_eval.public import PUBLIC
from finsight_eval.records import Item, item_of
from finsight_eval.verdicts import Labels, verdict_of

ROOT = Path(__file__).parents[2]
TASKS = {
    "finsight": "news",
    "finsight_en": "news",
    "finsight_zh": "news",
    "finsight_simulated": "simulated",
    "finsight_counterfactual": "counterfactual",
    "finsight_adversarial": "adversarial",
}


def perfect(item: Item) -> str:
    """Return the reply of a model that knows the gold: its reasoning repeats the news, tags of the contract apart."""
    return render(Answer(re.sub(r"</?thinking>", "", item.text), item.entity, item.sentiment, item.risk_level))


def as_item(doc: Any) -> Item:
    item = item_of(doc)
    assert isinstance(item, Item)
    return item


@pytest.fixture(scope="module")
def manager() -> Any:
    from lm_eval.tasks import TaskManager

    return TaskManager(include_defaults=False, include_path=str(tasks_folder()))


def test_every_task_file_is_loaded(manager: Any) -> None:
    """lm-eval skips a broken YAML in silence; here each must build, under its own name and the common tag."""
    files = {path.stem for path in (ROOT / "tasks" / "finsight").glob("[!_]*.yaml")}
    assert files == {*TASKS, *(f"finsight_{name}" for name in PUBLIC)} == set(manager.all_subtasks)
    loaded = manager.load("finsight_all")["tasks"]
    assert set(loaded) == set(TASKS)
    for name, task in loaded.items():
        pairs = {"pair_consistency"} if name == "finsight_counterfactual" else set()
        assert set(task.aggregation()) == {*lm_task.LIVE, *pairs}, name
        assert task.config.generation_kwargs["until"] == []
        assert task.config.generation_kwargs["max_gen_toks"] >= 512


def test_every_public_task_is_loaded(manager: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The seven share one tag, one prompt and one list of metrics; a perfect model scores 1 on all of them."""
    entry = dataclasses.replace(PUBLIC["tfns"], rows=3, labels={"Positive": 1, "Neutral": 1, "Negative": 1})
    lines = [{"text": f"Orders {label}.", "label": label} for label in ("positive", "neutral", "negative")]
    entities = [
        {"text": f"Acme {row['label']}.", "entities": [{"entity": "Acme", "label": row["label"]}]} for row in lines
    ]
    for name, known in PUBLIC.items():
        made = dataclasses.replace(entry, files=known.files[:1], lang=known.lang)
        monkeypatch.setitem(PUBLIC, name, made)
        rows = entities if name in ("sentfin", "finentity") else lines
        (tmp_path / made.files[0].name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    monkeypatch.setenv("FINSIGHT_PUBLIC_DATA", str(tmp_path))
    loaded = manager.load("finsight_public")["tasks"]
    assert set(loaded) == {f"finsight_{name}" for name in PUBLIC}
    for name, task in loaded.items():
        docs = list(task.eval_docs)
        assert len(docs) == 3
        assert [task.doc_to_text(doc) for doc in docs] == [prompt_of(item_of(doc)) for doc in docs]
        said = [render(Answer("x -> y", "Acme", doc["sentiment"], "Low")) for doc in docs]
        contributions = [task.process_results(doc, [reply]) for doc, reply in zip(docs, said, strict=True)]
        assert set(task.aggregation()) == set(lm_task.LIVE_PUBLIC), name
        for metric, aggregate in task.aggregation().items():
            assert aggregate([row[metric] for row in contributions]) == 1.0, (name, metric)


def test_the_slices_make_up_the_whole(manager: Any) -> None:
    """finsight_en and finsight_zh split finsight by language, and every document is a benchmark row."""
    ids = {name: [doc["id"] for doc in manager.load(name)["tasks"][name].eval_docs] for name in TASKS}
    assert sorted(ids["finsight"]) == sorted(ids["finsight_en"] + ids["finsight_zh"])
    assert ids["finsight"] == [item.id for item in benchmark.read("news", "test")]
    assert (len(ids["finsight_en"]), len(ids["finsight_zh"])) == (208, 112)
    assert len(ids["finsight_counterfactual"]) == 160
    assert len(ids["finsight_adversarial"]) == 48
    assert len(ids["finsight_simulated"]) >= 300


def test_the_document_asks_with_the_one_prompt(manager: Any) -> None:
    """No second prompt hides in the YAML, and no template engine touches the news."""
    task = manager.load("finsight")["tasks"]["finsight"]
    for doc in task.eval_docs:
        assert task.doc_to_text(doc) == student_prompt(doc["text"])
    hostile = {**task.eval_docs[0], "text": "{{ 7 * 7 }} {% raw %}"}
    assert task.doc_to_text(hostile).count("\n\nNews:\n{{ 7 * 7 }} {% raw %}\n\n") == 1


@pytest.mark.parametrize("split", ["dev", "test"])
@pytest.mark.parametrize("name", ["news", "simulated", "counterfactual", "adversarial"])
def test_every_gold_row_as_a_perfect_reply_scores_1_on_every_metric(name: str, split: str) -> None:
    """The labels can be reached: nothing in parser, entity matching or metrics stands in a perfect model's way."""
    verdicts = []
    for item in benchmark.read(name, split):
        reply = perfect(item)
        verdict = verdict_of(item, reply, Labels(item.sentiment, item.risk_level))
        assert isinstance(verdict.strict, Answer), item.id
        assert grounding(verdict.strict.thinking, item.text) in (None, 1.0), item.id
        verdicts.append(verdict)
    for metric_name, metric in METRICS.items():
        if isinstance(metric, Paired):
            found = metrics.values(metric, verdicts)
            assert len(found) == (len(verdicts) // 2 if name == "counterfactual" else 0)
            assert all(found)
        elif isinstance(metric, Agreement):
            assert [metric.said(v) for v in verdicts] == [metric.reference(v) for v in verdicts], metric_name
        else:
            known = [value for v in verdicts if (value := metric.of(v)) is not None]
            assert known, metric_name
            assert all(value == 1 for value in known), metric_name
            assert isinstance(metric, Mean) or len(known) == len(verdicts)


def test_a_live_perfect_model_scores_1_and_one_wrong_label_costs_what_it_should(manager: Any) -> None:
    """lm-eval's own aggregation over perfect replies gives 1; with the teacher as gold, agreement included."""
    task = manager.load("finsight")["tasks"]["finsight"]
    docs = [
        {**doc, "teacher_sentiment": doc["sentiment"], "teacher_risk_level": doc["risk_level"]}
        for doc in task.eval_docs
    ]
    contributions = [task.process_results(doc, [perfect(as_item(doc))]) for doc in docs]
    for name, aggregate in task.aggregation().items():
        assert aggregate([row[name] for row in contributions]) == 1.0, name
    other = "Low" if docs[0]["risk_level"] != "Low" else "High"
    wrong = Answer("x", docs[0]["entity"], docs[0]["sentiment"], other)
    contributions[0] = task.process_results(docs[0], [render(wrong)])
    share = {name: task.aggregation()[name]([row[name] for row in contributions]) for name in lm_task.LIVE}
    assert share["risk_accuracy"] == share["teacher_agreement"] == pytest.approx(1 - 1 / len(docs))
    assert share["sentiment_f1"] == share["json_parse_rate"] == 1.0


def test_agreement_with_an_unknown_teacher_stays_missing(manager: Any) -> None:
    """Without a teacher's answers lm-eval shows NaN, its word for missing, and never 0."""
    task = manager.load("finsight")["tasks"]["finsight"]
    docs = [{**doc, "teacher_sentiment": None, "teacher_risk_level": None} for doc in task.eval_docs]
    values = [task.process_results(doc, ["no answer"])["teacher_agreement"] for doc in docs]
    assert math.isnan(task.aggregation()["teacher_agreement"](values))


def test_lm_evals_dummy_model_gets_parse_rate_0_and_score_says_the_same(manager: Any, tmp_path: Path) -> None:
    """A model that says "lol" knows nothing; `score` reads lm-eval's own files and agrees to the last digit."""
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker

    from finsight_eval import score

    tracker = EvaluationTracker(output_path=str(tmp_path))
    results = simple_evaluate(
        model="dummy", tasks=["finsight_all"], task_manager=manager, bootstrap_iters=0, evaluation_tracker=tracker
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for task, rows in samples.items():
        tracker.save_results_samples(task_name=task, samples=rows)
    files = sorted(str(path) for path in tmp_path.rglob("samples_*.jsonl"))
    assert len(files) == len(TASKS)
    assert score.main([*files, "--out", str(tmp_path / "score")]) == 0
    scored = json.loads((tmp_path / "score" / "metrics.json").read_text(encoding="utf-8"))["tasks"]
    for task in TASKS:
        assert results["results"][task]["json_parse_rate,none"] == 0
        assert results["results"][task]["sentiment_f1,none"] == 0
        for name in lm_task.LIVE:
            live = results["results"][task][f"{name},none"]
            ours = scored[task]["metrics"][name]["value"]
            assert live == ours or (math.isnan(live) and ours is None), (task, name)


def test_the_gold_itself_is_not_in_the_prompt() -> None:
    """A prompt that gave the labels away would make every model look good."""
    for item in benchmark.read("news", "test"):
        head, _ = student_prompt(item.text).split(item.text)
        assert item.entity not in head
        assert not isinstance(parse(head), Answer)
