"""The check on benchmark sets: what it accepts and what it refuses, by file, line and value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import check, sets
from benchmarks.counts import counts_of, spread_problems
from benchmarks.duplicates import duplicate_problems, jaccard, shingles
from benchmarks.row_rules import row_problems
from benchmarks.rules import FEATURES, RULES
from finsight_eval import jsonl

CANARY = "canary GUID 00000000-0000-4000-8000-000000000000\n"
ENGLISH = (
    "Quarrystone Cement said on Friday that its kiln at Port Ennis will stand still for nine days longer than planned "
    "because a gear wheel arrived with a crack; the delay costs about $2 million and no customer has been let down."
)
CHINESE = (
    "青梧水泥周五表示，因一枚齿轮到货时有裂纹，北岸窑线检修将比原计划多停九天，由此增加费用约一千五百万元，"
    "相当于全年收入的千分之三；库存充足，各地客户的供货未受影响，全年产销目标也没有改变。"
)
OTHER = (
    "Not one of the eleven tankers that Quarrystone Cement had chartered for the spring was needed in the end, so it "
    "will pay a little over three hundred thousand dollars to hand them back to their owner, it told the exchange."
)
ROW: dict[str, Any] = {
    "id": "news-en-001", "lang": "en", "text": ENGLISH, "entity": "Quarrystone Cement", "aliases": ["Quarrystone"],
    "sentiment": "Negative", "risk_level": "Low", "sector": "construction", "event": "outage", "order": 1,
    "features": ["numbers", "negation"],
}  # fmt: skip
ROW_ZH = ROW | {"id": "news-zh-001", "lang": "zh", "text": CHINESE, "entity": "青梧水泥", "aliases": []}


def line(row: dict[str, Any]) -> str:
    return jsonl.dumps(row)


def written(folder: Path, test: str, dev: str = "") -> Path:
    """Write a set of raw lines into `folder` and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "test.jsonl").write_text(test, encoding="utf-8")
    (folder / "dev.jsonl").write_text(dev or line(ROW | {"id": "news-en-005", "text": OTHER}), encoding="utf-8")
    (folder / "GUIDELINES.md").write_text(CANARY, encoding="utf-8")
    return folder


def problems_of_row(tmp_path: Path, text: str) -> list[str]:
    """Return the problems of a one-line test.jsonl of a set named news, those of its spread apart."""
    folder = written(tmp_path / "news", text)
    placed, problems = sets.read_set(folder)
    return problems + [f"{one.where}: {p}" for one in placed for p in row_problems(one, RULES["news"])]


@pytest.mark.parametrize(
    "row",
    [
        ROW,
        ROW_ZH,
        ROW | {"aliases": [], "features": []},
        ROW | {"features": list(FEATURES)},
        ROW | {"id": "news-en-1004"},
        ROW | {"order": 3},
    ],
)
def test_a_sound_row_passes(tmp_path: Path, row: dict[str, Any]) -> None:
    """A row that keeps every rule raises no problem."""
    assert problems_of_row(tmp_path, line(row) + "\n") == []


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (ROW | {"sentiment": "postive"}, "sentiment 'postive' is not one of Positive, Neutral, Negative"),
        (ROW | {"risk_level": "None"}, "risk_level 'None' is not one of High, Medium, Low"),
        (ROW | {"order": 4}, "order '4' is not one of 1, 2, 3"),
        (ROW | {"order": True}, "order is True, an integer is expected"),
        (ROW | {"lang": "de"}, "lang 'de' is not one of en, zh"),
        (ROW | {"risk": "Low"}, "unknown key 'risk'"),
        ({k: v for k, v in ROW.items() if k != "event"}, "key 'event' is missing"),
        (ROW | {"aliases": "Quarrystone"}, "aliases is 'Quarrystone', a list of strings is expected"),
        (dict(reversed(ROW.items())), "the keys stand in another order"),
        (ROW | {"id": "news-zh-001"}, "does not read news-en-NUMBER"),
        (ROW | {"id": "news-en-1"}, "does not read news-en-NUMBER"),
        (ROW | {"id": "news-en-010"}, "belongs to dev.jsonl"),
        (ROW | {"entity": "Quarrystone Concrete"}, "entity 'Quarrystone Concrete' of news-en-001 does not occur"),
        (ROW | {"entity": "Quarry"}, "entity 'Quarry' of news-en-001 does not occur"),
        (ROW_ZH | {"entity": "青桐水泥"}, "entity '青桐水泥' of news-zh-001 does not occur"),
        (ROW | {"aliases": ["QUARRYSTONE CEMENT"]}, "repeats the entity or another alias"),
        (ROW | {"aliases": ["QSC", "qsc"]}, "repeats the entity or another alias"),
        (ROW | {"aliases": [" "]}, "is blank or has white space around it"),
        (ROW | {"text": "Quarrystone Cement paid a fine."}, "has 5 words, 30 to 160 are allowed"),
        (ROW | {"text": ENGLISH * 5}, "words, 30 to 160 are allowed"),
        (ROW_ZH | {"text": "青梧水泥被罚款。"}, "has 8 characters, 60 to 260 are allowed"),
        (ROW | {"text": ENGLISH + "\u202e"}, "U+202E"),
        (ROW | {"text": ENGLISH + " "}, "begins or ends with white space"),
        (ROW_ZH | {"id": "news-en-001", "lang": "en"}, "does not fit lang 'en'"),
        (ROW | {"id": "news-zh-001", "lang": "zh"}, "does not fit lang 'zh'"),
        (ROW | {"sector": "Construction"}, "sector 'Construction' of news-en-001 is not snake_case"),
        (ROW | {"event": "kiln outage"}, "event 'kiln outage' of news-en-001 is not snake_case"),
        (ROW | {"features": ["rumor"]}, "feature 'rumor' of news-en-001 is not one of"),
        (ROW | {"features": ["numbers", "numbers"]}, "name one twice"),
    ],
)
def test_a_broken_row_is_refused(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    """Each rule, broken alone, is reported with file and line."""
    found = problems_of_row(tmp_path, f"\n{line(row)}\n")
    assert len([problem for problem in found if said in problem]) == 1, found
    assert all(problem.startswith(f"{tmp_path / 'news' / 'test.jsonl'}:2: ") for problem in found)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"id": "news-en-001", ', ":1: not valid JSON"),
        ('{"id": "a", "id": "b"}', ":1: not valid JSON (key 'id' stands twice)"),
        ("[]", ":1: a JSON object is expected"),
        ("\n\n", ": holds no rows"),
    ],
)
def test_a_line_that_is_no_row_is_refused(tmp_path: Path, content: str, said: str) -> None:
    """What is not a JSON object on one line is reported, and so is a file without any."""
    (found,) = problems_of_row(tmp_path, content)
    assert f"test.jsonl{said}" in found


def test_every_problem_is_listed(tmp_path: Path) -> None:
    """The check goes on after a bad line: an author sees all of them at once."""
    bad = [line(ROW | {"sentiment": "good"}), "{", line(ROW | {"aliases": [""], "sector": "?"})]
    found = problems_of_row(tmp_path, "\n".join(bad))
    assert [problem.split("test.jsonl:")[1][0] for problem in found] == ["1", "2", "3", "3"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"text": OTHER}, ["id 'news-en-001' stands already in"]),
        ({"id": "news-en-005", "text": ENGLISH.upper()}, ["news-en-001 has the same text as news-en-005"]),
        ({"id": "news-en-005", "text": ENGLISH.replace("$2", "$9")}, ["news-en-001 is a near-duplicate"]),
        ({"id": "news-en-005", "text": ENGLISH.replace("Quarrystone", "Dunvarrow")}, ["is a near-duplicate"]),
        ({"id": "news-en-005", "text": OTHER}, []),
    ],
)
def test_duplicates_are_found(tmp_path: Path, change: dict[str, Any], said: list[str]) -> None:
    """Equal ids, equal and nearly equal texts are refused across splits; another text on the same firm is not."""
    folder = written(tmp_path / "news", line(ROW), line(ROW | change))
    found = list(duplicate_problems(sets.read_set(folder)[0]))
    assert len(found) == len(said), found
    assert all(expected in problem for expected, problem in zip(said, found, strict=True)), found


def test_duplicates_are_found_across_sets(tmp_path: Path) -> None:
    """A simulated text may share its frame with another simulated one, but not with a hand-written one."""
    news = written(tmp_path / "news", line(ROW))
    makers = ("Dunvarrow Shipping", "Elmfirth Pharma")
    rows = [ROW | {"id": f"sim-test-en-00{n}", "text": ENGLISH.replace(ROW["entity"], m)} for n, m in enumerate(makers)]
    simulated = written(tmp_path / "simulated", "\n".join(map(line, rows)))
    own, _ = sets.read_split(simulated / "test.jsonl")
    other, _ = sets.read_split(news / "test.jsonl")
    assert list(duplicate_problems(own)) == []
    found = list(duplicate_problems([*other, *own]))
    assert [problem.split(" is a ")[0] for problem in found] == [f"{one.where}: {one.item.id}" for one in own]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("abcd", "ABCD!", 1.0), ("abcd", "wxyz", 0.0), ("abcde", "abcdf", 1 / 3), ("风险", "风险", 1.0), ("a", "b", 0.0)],
)
def test_similarity_is_the_jaccard_index(one: str, other: str, expected: float) -> None:
    """Shared pieces over all pieces, whatever the case and punctuation, down to texts shorter than a piece."""
    assert jaccard(shingles(one), shingles(other)) == pytest.approx(expected)


def test_a_thin_set_is_refused(tmp_path: Path) -> None:
    """Each count below its least is reported with both figures, and one that is reached is not."""
    folder = written(tmp_path / "news", line(ROW))
    found = list(spread_problems(folder, counts_of(sets.read_set(folder)[0]), RULES["news"]))
    assert f"{folder}: 1 rows with rows test/en, at least 208 are needed" in found
    assert f"{folder}: 0 rows with labels Neutral/High, at least 15 are needed" in found
    assert f"{folder}: 1 different values of sector, at least 14 are needed" in found
    assert f"{folder}: Negative has 100% of the rows of test, 25% to 42% are allowed" in found
    shares = [one for one in found if "are allowed" in one]
    assert len(found) == len(RULES["news"].least) + len(RULES["news"].least_distinct) + len(shares)


def test_an_unknown_set_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt set suggests the nearest one."""
    assert check.main(["nwes"]) == 2
    assert "nwes: no such set (did you mean 'news'?)" in capsys.readouterr().err


def test_a_set_without_rules_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder whose name has no rules is an error and is not passed over."""
    assert check.main([str(written(tmp_path / "novel", line(ROW)))]) == 2
    assert (
        "no rules for this set; sets with rules: news, counterfactual, adversarial, simulated"
        in capsys.readouterr().err
    )


def test_the_predecessors_showcase_is_no_item() -> None:
    """The GPT-5 sentence is shown elsewhere, so it must not be measured on."""
    texts = [json.dumps(one.item.row()) for one in sets.read_set(sets.ROOT / "news")[0]]
    assert texts
    assert not [text for text in texts if "GPT-5" in text or "NVIDIA" in text]
