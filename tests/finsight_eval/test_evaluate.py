"""The way into lm-eval: which model class a suite names, and what decides that an evaluation must run again."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from finsight_eval import backend, evaluate, journal, jsonl, manifest, stage, suite, weights
from finsight_eval.errors import InputError

ROOT = Path(__file__).parents[2]
SUITES = ROOT / "benchmarks" / "suites"
NANO = suite.load(SUITES / "nano.yaml")
FAST = "finsight_train.fast_lm:FastLM"
ALL = {"vllm", "torch", "transformers", "peft", "finsight_train"}


@pytest.mark.parametrize(("name", "found"), [("hf", "HFLM"), ("dummy", "DummyLM"), (FAST, "FastLM")])
def test_a_suite_names_a_model_class(name: str, found: str) -> None:
    """lm-eval's own by their names, one's own as package.module:Class."""
    assert backend.model_class(name).__name__ == found


@pytest.mark.parametrize("name", ["no_such_package.lm:Model", "finsight_train.fast_lm:NoSuchClass", "no-such-model"])
def test_a_class_that_is_not_there_is_one_line(name: str) -> None:
    """The suite's value and what can be used instead."""
    with pytest.raises(InputError, match=f"model '{name}' of the suite cannot be had .*; `hf` always can"):
        backend.model_class(name)


@pytest.mark.parametrize(
    ("there", "gpus", "model", "why"),
    [
        (ALL, 1, "vllm", "vllm is installed and there is a CUDA GPU"),
        (ALL, 0, FAST, "vllm is installed, but there is no CUDA GPU; torch, transformers, peft are"),
        (ALL - {"vllm"}, 1, FAST, "vllm is not installed; torch, transformers, peft are"),
        (ALL - {"vllm", "peft"}, 0, "hf", "vllm is not installed, nor peft"),
        (ALL - {"vllm", "finsight_train"}, 1, "hf", "vllm is not installed, nor finsight_train"),
    ],
)
def test_auto_takes_vllm_where_it_can_run(there: set[str], gpus: int, model: str, why: str) -> None:
    """Else the fast decoder where its needs are installed, else `hf`; a backend that is named is left alone."""
    assert backend.choose("auto", there.__contains__, lambda: gpus) == backend.Choice(model, why)
    assert backend.choose("hf", there.__contains__, lambda: gpus).model == "hf"


def test_hidden_gpus_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """As CUDA reads the variable; without a driver there are none, and that is no error."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert backend.gpus() == 0
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert backend.gpus() >= 0


def test_no_gpu_is_looked_for_without_vllm() -> None:
    """Nor is anything asked where the suite names its backend."""

    def count() -> int:
        raise AssertionError

    assert backend.choose("auto", {"torch"}.__contains__, count).model == "hf"
    assert backend.choose("vllm", set[str]().__contains__, count).model == "vllm"


def test_each_backend_gets_arguments_of_its_own(tmp_path: Path) -> None:
    """An adapter is `peft`, `lora_local_path` with room for its rank, or the endpoint's second name."""
    (tmp_path / "adapter_config.json").write_text('{"r": 24}', encoding="utf-8")
    nano = replace(NANO, model_args={"device": "cuda", "dtype": "bfloat16"})
    inputs = {"base": Path("b"), "adapter": tmp_path}
    plain = {"pretrained": "b", "device": "cuda", "dtype": "bfloat16"}
    assert backend.arguments(replace(nano, model="hf"), {"base": Path("b")}, adapter=False, seed=3) == plain
    assert backend.arguments(nano, inputs, adapter=True, seed=None) == plain | {"peft": str(tmp_path)}
    on_vllm = backend.arguments(replace(nano, model="vllm"), inputs, adapter=True, seed=3)
    lora = {"lora_local_path": str(tmp_path), "max_lora_rank": 32}
    assert on_vllm == {"pretrained": "b", "dtype": "bfloat16", "seed": 3, **lora}
    live = replace(NANO, model=suite.ENDPOINT, base="m", adapter="m-tuned", model_args={"base_url": "http://h/v1"})
    assert [backend.arguments(live, {}, adapter=flag, seed=None)["model"] for flag in (False, True)] == ["m", "m-tuned"]


def test_an_endpoint_needs_names_of_its_own() -> None:
    """What training wrote lies on our disk; the endpoint knows its models by name."""
    live = replace(NANO, model=suite.ENDPOINT, base="m", tasks=("finsight",))
    assert set(evaluate.plan(live, "base", Path("nowhere")).inputs) == set()
    with pytest.raises(
        InputError, match="adapter is 'trained'; with model local-chat-completions it is the endpoint's"
    ):
        evaluate.plan(live, "adapter", Path("nowhere"))
    with pytest.raises(InputError, match="base is 'trained'"):
        evaluate.plan(replace(live, base="trained"), "base", Path("nowhere"))


def test_auto_takes_only_arguments_that_every_backend_knows() -> None:
    """Another one belongs to a backend that is named."""
    with pytest.raises(ValueError, match="'gpu_memory_utilization'; with model auto it may hold device, dtype"):
        replace(NANO, model="auto", model_args={"gpu_memory_utilization": 0.8})
    assert replace(NANO, model="vllm", model_args={"gpu_memory_utilization": 0.8}).model == "vllm"


def test_the_code_of_ones_own_model_counts() -> None:
    """A changed decoder makes the evaluation run again; lm-eval's own classes are counted by their version."""
    settings = [
        evaluate.plan(replace(NANO, model=name, tasks=("finsight",)), "base", Path("nowhere")).settings
        for name in ("hf", FAST, "finsight_train.dequantised:Nothing")
    ]
    codes = [one["model_code"] for one in settings]
    assert codes[0] is None
    assert len({*codes}) == 3
    assert [one["model"] for one in settings[:2]] == ["hf", FAST]
    with pytest.raises(InputError, match="cannot be had"):
        evaluate.plan(replace(NANO, model="no.such:Model"), "base", Path("nowhere"))


def test_the_weights_of_a_folder_without_a_manifest_count(tmp_path: Path) -> None:
    """Other weights under the same path mean another stage and another journal, small files and large ones alike."""
    weights, large = tmp_path / "model.safetensors", tmp_path / "large.safetensors"
    settings = replace(NANO, base="some/base", adapter=str(tmp_path), model="hf", tasks=("finsight",))

    def names() -> tuple[str, str]:
        planned = evaluate.plan(settings, "adapter", tmp_path / "run")
        return str(journal.path_of(planned)), jsonl.dumps(stage.identity(planned))

    seen = []
    for small, big in ((b"AAAA", b"A" * 1_000_000), (b"BBBB", b"A" * 1_000_000), (b"BBBB", b"A" * 1_000_001)):
        weights.write_bytes(small)
        if not large.is_file() or large.stat().st_size != len(big):
            large.write_bytes(big)
        assert names() == names()
        seen.append(names())
    os.utime(large, ns=(1, 1))
    seen.append(names())
    assert [len({pair[place] for pair in seen}) for place in (0, 1)] == [4, 4]
    assert evaluate.plan(settings, "base", tmp_path / "run").settings["folders"] == {}


def test_failures_of_repetitions_are_added_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The same error in two runs is counted in both."""
    monkeypatch.chdir(ROOT)
    found = iter([{"timeout": 2, "refused": 1}, {"timeout": 3}, {}])
    monkeypatch.setattr(evaluate, "run_one", lambda *_: next(found))
    monkeypatch.setattr(evaluate, "plan", lambda *_: None)
    arguments = ["--recipe", "nano", "--runs", str(tmp_path), "--model", "base", "--repeat", "3"]
    assert evaluate.main(arguments) == 1
    assert capsys.readouterr().err.splitlines()[:2] == ["failed: timeout x 5", "failed: refused x 1"]


def test_only_the_sets_of_the_suite_count() -> None:
    """A new version of a set that the suite does not use does not make its evaluation stale."""
    nano = replace(NANO, tasks=("finsight_zh", "finsight_adversarial"))
    named = {key for key in evaluate.plan(nano, "base", Path("nowhere")).sources if key.startswith("benchmark_")}
    assert named == {"benchmark_news", "benchmark_adversarial"}


def _finished(folder: Path, tasks: list[str]) -> Path:
    """Write a finished evaluation of `tasks`."""
    folder.mkdir(parents=True)
    jsonl.write(folder / manifest.NAME, {"settings": {"tasks": tasks}, "facts": {"failed": 0}, "outputs": {}})
    return folder


@pytest.mark.parametrize(
    ("held", "asked", "lost"),
    [
        (["finsight", "finsight_simulated"], ("finsight",), "finsight_simulated would be lost"),
        (["finsight"], ("finsight_simulated",), "finsight would be lost"),
        (["finsight", "finsight_simulated"], ("finsight_simulated", "finsight"), None),
        (["finsight"], ("finsight", "finsight_zh"), None),
        ([], ("finsight",), None),
    ],
)
def test_a_smaller_suite_does_not_replace_a_larger_evaluation(
    held: list[str], asked: tuple[str, ...], lost: str | None, tmp_path: Path
) -> None:
    """What has been evaluated under a name is dropped by no suite of that name; more tasks, or as many, are fine."""
    folder = _finished(tmp_path / "eval" / "adapter", held)
    settings = replace(NANO, tasks=asked)
    if lost is None:
        evaluate.refuse_loss(settings, folder)
        return
    with pytest.raises(InputError, match=f"{lost}: give the suite a name of its own"):
        evaluate.refuse_loss(settings, folder)


@pytest.mark.parametrize("more", [[], ["--repeat", "2"]])
def test_the_larger_evaluation_is_still_there_after_the_refusal(
    more: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the command line, with and without --repeat: both are named, the exit code is 2, not a byte has changed."""
    monkeypatch.chdir(ROOT)
    place = "adapter-repeat/2" if more else "adapter"
    folder = _finished(tmp_path / "runs" / "nano" / "eval" / place, ["finsight", "finsight_simulated"])
    text = (SUITES / "nano.yaml").read_text(encoding="utf-8").replace(", finsight_simulated]", "]")
    (tmp_path / "nano.yaml").write_text(text, encoding="utf-8")
    before = (folder / manifest.NAME).read_bytes()
    given = ["--recipe", str(tmp_path / "nano.yaml"), "--runs", str(tmp_path / "runs"), "--model", "adapter"]
    assert evaluate.main([*given, *more]) == 2
    said = capsys.readouterr().err
    assert f"{folder}: holds a finished evaluation of finsight, finsight_simulated; the suite 'nano' asks for" in said
    assert (folder / manifest.NAME).read_bytes() == before


def test_a_suite_of_another_name_is_told_where_weights_are(tmp_path: Path) -> None:
    """`trained` means the training of the suite's own name; the error names that and the weights of other runs."""
    small = replace(NANO, name="small")
    inputs = weights.inputs(small, "adapter", tmp_path / "small")
    said = r"small/train/base: not there; .*`finsight-train --recipe small`.*made"
    with pytest.raises(InputError, match=rf"{said}$"):
        weights.refuse_untrained(small, inputs)
    _finished(tmp_path / "nano" / "train", [])
    there = f"{tmp_path}/nano/train"
    with pytest.raises(InputError, match=rf"suite \(base: {there}/base, adapter: {there}/adapter\)$"):
        weights.refuse_untrained(small, inputs)
    given = replace(small, base=f"{there}/base", adapter=f"{there}/adapter")
    weights.refuse_untrained(given, weights.inputs(given, "adapter", tmp_path / "small"))
    weights.refuse_untrained(NANO, {"teacher": tmp_path / "none"})


@pytest.mark.parametrize("path", sorted(SUITES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_suite_loads(path: Path) -> None:
    """From any folder, given by its path."""
    assert suite.load(path).name == path.stem


def test_a_suite_is_found_by_its_path_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name is looked up in benchmarks/suites below the working directory; one that is missing lists the known."""
    monkeypatch.chdir(tmp_path)
    assert evaluate.main(["--recipe", "nano", "--model", "base"]) == 2
    assert "give the path of a YAML file" in capsys.readouterr().err
    assert evaluate.main(["--recipe", str(SUITES / "nano.yaml"), "--model", "base"]) == 2
    assert "runs/nano/train/base: not there; run the stage that writes it first" in capsys.readouterr().err
    monkeypatch.chdir(ROOT)
    assert evaluate.main(["--recipe", "nanno", "--model", "base"]) == 2
    assert "there are: finsight-0.5b, finsight-7b, nano" in capsys.readouterr().err


def test_help_imports_nothing_heavy() -> None:
    """It answers in well under a second, so neither torch nor lm_eval may be loaded for it."""
    code = (
        "import sys\nfrom finsight_eval import evaluate\n"
        "try: evaluate.main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'transformers', 'lm_eval', 'datasets', 'matplotlib', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
