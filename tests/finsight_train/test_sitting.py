"""The exam in the middle of training: the evaluation's own figures, and a training that does not notice it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from finsight_eval.errors import InputError
from finsight_eval.parse import Answer, render
from finsight_train import sitting
from finsight_train.course import point_of
from finsight_train.devset import Exam, exam_of
from finsight_train.packed import Unsupported
from finsight_train.sitting import ends_of, sit, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BASE = Path(__file__).parents[2] / "finsight_train" / "bases" / "finsight-nano"


def all_at_once(_capacity: int) -> int:
    return 64


def made(sets: tuple[str, ...] = ("simulated",), count: int = 6, new_tokens: int = 6) -> Exam:
    from transformers import AutoTokenizer

    return exam_of(sets, count, AutoTokenizer.from_pretrained(BASE), new_tokens, 2048)


@pytest.fixture
def adapted() -> Any:
    """Return finsight-nano with an adapter whose dropout draws random numbers, in training mode but for one layer."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    lora = LoraConfig(r=4, lora_dropout=0.2, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(BASE), lora)
    model.train()
    model.get_input_embeddings().eval()
    return model


def losses(model: Any, exam: Exam | None) -> list[float]:
    """Return the losses of four steps, with an exam after each or without any."""
    torch.manual_seed(5)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    found = []
    for step in range(4):
        ids = torch.randint(10, 900, (2, 24)) + step
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        found.append(loss.item())
        if exam:
            sit(exam, model, all_at_once)
    return found


def test_a_training_with_exams_has_the_losses_of_one_without(adapted: Any) -> None:
    """To the last bit, though batches and dropout draw from the generators that were set back."""
    start = {name: weights.clone() for name, weights in adapted.named_parameters()}
    alone = losses(adapted, None)
    with torch.no_grad():
        for name, weights in adapted.named_parameters():
            weights.copy_(start[name])
    assert losses(adapted, made()) == alone
    assert len(set(alone)) == 4


def chance() -> tuple[object, ...]:
    """Return the states of all generators of random numbers."""
    return random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()  # noqa: NPY002


def test_modes_and_random_numbers_are_set_back(adapted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each module to its own mode, each generator to its state, also when decoding fails."""
    modes, states = [module.training for module in adapted.modules()], chance()

    def failing(model: Any, *_: Any) -> Any:
        assert not any(module.training for module in model.modules())
        random.random()
        np.random.random()  # noqa: NPY002
        torch.rand(1)
        assert chance() != states
        raise ZeroDivisionError

    monkeypatch.setattr(sitting, "continuations", failing)
    with pytest.raises(ZeroDivisionError):
        sit(made(), adapted, all_at_once)
    assert [module.training for module in adapted.modules()] == modes
    assert len(set(modes)) == 2
    assert chance() == states


def test_the_replies_are_those_of_the_evaluation(adapted: Any, tmp_path: Path) -> None:
    """Token for token what lm-eval's model writes with the adapter as it stands."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    exam = made(count=4, new_tokens=12)
    losses(adapted, None)
    adapted.save_pretrained(tmp_path)
    arguments = {"pretrained": str(BASE), "peft": str(tmp_path), "device": "cpu", "dtype": "float32"}
    model = HFLM.create_from_arg_obj(arguments, {"batch_size": 4})
    prompts = [exam.tokenizer.decode(ids) for ids in exam.prompts]
    asked = {"until": [], "max_gen_toks": 12, "do_sample": False}
    requests = [Instance("generate_until", {}, (text, dict(asked)), n) for n, text in enumerate(prompts)]
    found = sit(exam, adapted, all_at_once)
    assert [verdict.reply for verdict in found.verdicts] == model.generate_until(requests, disable_tqdm=True)


def scripted(exam: Exam, replies: Sequence[str]) -> Callable[..., Iterator[tuple[int, list[int]]]]:
    """Return a decoder that gives `replies`, the last first, each with its end token."""

    def continuations(_model: Any, prompts: Sequence[Any], *_: Any) -> Iterator[tuple[int, list[int]]]:
        for place in reversed(range(len(prompts))):
            item = exam.prompts.index(prompts[place])
            yield place, [*exam.tokenizer(replies[item])["input_ids"], exam.tokenizer.eos_token_id]

    return continuations


def gold(exam: Exam) -> list[str]:
    return [render(Answer("sales rise", item.entity, item.sentiment, item.risk_level)) for item in exam.items]


def test_the_figures_are_those_of_score(adapted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last digit, for replies of which some are wrong and some cannot be read."""
    from finsight_eval.scorecard import scorecard

    exam = made(count=30)
    replies = [reply.replace("Neutral", "Positive").replace("High", "Low") for reply in gold(exam)]
    replies[::7] = ["The company did well."] * len(replies[::7])
    monkeypatch.setattr(sitting, "continuations", scripted(exam, replies))
    found = sit(exam, adapted, all_at_once)
    card = scorecard(found.verdicts, 30)["metrics"]
    for name in ("json_parse_rate", "sentiment_f1", "risk_accuracy"):
        assert getattr(found, name) == card[name]["value"]
    assert found.json_parse_rate == 25 / 30
    assert 0 < found.sentiment_f1 < 1


@pytest.mark.parametrize(("reply", "figure"), [(None, 1.0), ("", 0.0), ("It rose.", 0.0)])
def test_the_gold_answer_scores_one_and_no_answer_none(
    adapted: Any, monkeypatch: pytest.MonkeyPatch, reply: str | None, figure: float
) -> None:
    """Everything right, or nothing that can be read; both make a point that can be judged."""
    exam = made()
    monkeypatch.setattr(sitting, "continuations", scripted(exam, [reply] * 6 if reply is not None else gold(exam)))
    point = sit(exam, adapted, all_at_once).point(10)
    assert point.score == point.json_parse_rate == figure
    assert point.parsed == (int(figure),) * 6
    assert point.right == (2 * int(figure),) * 6


def test_the_lines_hold_what_readers_need(adapted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A point is read back from its line; three replies stand in full, hostile ones as they are, with their reason."""
    exam = made()
    replies = gold(exam)
    replies[1] = "<script>\u202e|\n```"
    monkeypatch.setattr(sitting, "continuations", scripted(exam, replies))
    found = sit(exam, adapted, all_at_once)
    assert point_of(found.row(10)) == found.point(10)
    shown = found.replies(10)
    assert [row["id"] for row in shown] == [item.id for item in exam.items[:3]]
    assert [row["unparsed"] for row in shown] == [None, "no thinking", None]
    assert shown[1]["reply"] == replies[1]


def test_the_two_of_a_pair_are_one_story(adapted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are right or wrong together more often than chance, so they count together."""
    exam = made(("counterfactual",), 40)
    monkeypatch.setattr(sitting, "continuations", scripted(exam, gold(exam)))
    point = sit(exam, adapted, all_at_once).point(10)
    assert sum(point.right) == 80
    assert set(point.right) <= {2, 4}
    assert 4 in point.right


def test_an_unknown_model_is_refused_in_words(adapted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do instead."""

    def unsupported(*_: Any) -> Any:
        raise Unsupported("some of its layers are no attention")

    monkeypatch.setattr(sitting, "continuations", unsupported)
    with pytest.raises(InputError, match="some of its layers are no attention; train it without dev items"):
        sit(made(), adapted, all_at_once)


@pytest.mark.parametrize(("fits", "tried"), [(8, [6]), (2, [6, 3, 1]), (1, [6, 3, 1])])
def test_too_little_memory_halves_the_rows(
    adapted: Any, monkeypatch: pytest.MonkeyPatch, fits: int, tried: list[int]
) -> None:
    """A training of hours does not end for want of memory in an exam."""
    exam, seen = made(), []

    def narrow(_model: Any, prompts: Any, _budget: int, _ends: Any, slots: Callable[[int], int]) -> Any:
        seen.append(slots(300))
        if slots(300) > fits:
            raise torch.cuda.OutOfMemoryError
        yield from scripted(exam, gold(exam))(None, prompts)

    monkeypatch.setattr(sitting, "continuations", narrow)
    assert sit(exam, adapted, all_at_once).json_parse_rate == 1
    assert seen == tried


def test_less_memory_than_a_row_takes_is_an_error(adapted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends instead of trying for ever."""

    def none(*_: Any) -> Any:
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr(sitting, "continuations", none)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        sit(made(), adapted, all_at_once)


@pytest.mark.parametrize(
    ("tail", "text"), [([], "It rose."), (["<|im_end|>"], "It rose."), (["<|im_end|>", "It fell."], "It rose.It fell.")]
)
def test_a_reply_ends_before_its_end_token(tail: list[str], text: str) -> None:
    """The decoder stops there; the token is no part of the text."""
    exam = made()
    ids = exam.tokenizer("It rose.")["input_ids"]
    assert text_of(exam, ids + [token for part in tail for token in exam.tokenizer(part)["input_ids"]]) == text


@pytest.mark.parametrize(("config", "ends"), [(None, {2}), (5, {2, 5}), ([2, 0], {0, 2})])
def test_the_ends_are_the_tokenizers_and_the_models(adapted: Any, config: Any, ends: set[int]) -> None:
    """As in the evaluation: Qwen2.5's config names a second end token."""
    adapted.generation_config.eos_token_id = config
    assert ends_of(adapted, made().tokenizer) == ends
