"""What is not asked about, with its reason and partner, and beside each the nearest row that is asked about."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill import prepare
from distill import recipe as recipes
from distill.hygiene.decide import Hygiene, Screen
from distill.hygiene.grams import gram_hashes, jaccard
from distill.hygiene.language import reads_as
from distill.hygiene.near import Near
from distill.overlap import Index, Reference
from finsight_eval import jsonl, public
from finsight_eval.exposing.similar import grams, normal
from finsight_eval.records import News
from tests.distill.conftest import item, replaced, seal

if TYPE_CHECKING:
    from tests.distill.conftest import House

ROOT = Path(__file__).resolve().parents[2]
ITEM = "Borealis names a new auditor after the yearly tender; terms stay as they were."
RECIPE = replaced(recipes.load(str(ROOT / "distill/recipes/nano.yaml")), least_chars=8, most_chars=200)
DATA = Path(os.environ.get("FINSIGHT_TEST_DATA", ROOT.parent / "shared" / "data"))
STORY = "Halden Motors said on Tuesday that repairs of its northern plant will take until March and cost 40 million."


def sorted_out(*news: News) -> dict[str, tuple[str, str]]:
    """Return id -> (reason, partner) of what a screen removes, rows numbered where an id stands twice."""
    screen = Screen(RECIPE, Index([Reference("little", "b-2", ITEM)]))
    kept, found = [], {}
    for row in news:
        seen, removed = screen.look(row)
        if removed:
            found[row.id] = (str(removed.reason), removed.partner)
        else:
            kept.append(seen)
    for number, removed in screen.repeats(kept.__getitem__).items():
        found[f"{kept[number].id}@{number}"] = (str(removed.reason), removed.partner)
    return found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Up 8 %.", Hygiene.TOO_SHORT),
        ("Up 88 %.", None),
        ("x" * 200, None),
        ("x" * 201, Hygiene.TOO_LONG),
        ("Der Autobauer senkt seine Prognose für das laufende Jahr.", Hygiene.OTHER_LANGUAGE),
        ("+8.25 % / -3.10 %", Hygiene.OTHER_LANGUAGE),
        ("恒岳电池公告称，最大客户提前终止供货协议。", None),
        ("トヨタ自動車は通期予想を引き上げた", Hygiene.OTHER_LANGUAGE),
        (ITEM, Hygiene.BENCHMARK),
        (ITEM.upper().replace(";", ""), Hygiene.BENCHMARK),
        ("names a new auditor after the yearly tender", Hygiene.BENCHMARK),
        ("Borealis opens a plant near the harbour and hires 200 people.", None),
    ],
)
def test_a_row_is_looked_at_alone(text: str, reason: str | None) -> None:
    """Limits, language and benchmark decide on one row; beside each refusal stands its neighbour that passes."""
    found = sorted_out(News("n", "", text))
    assert found.get("n", (None,))[0] == (str(reason) if reason else None)


@pytest.mark.parametrize(
    ("lang", "text", "removed"),
    [
        ("en", STORY, False),
        ("", STORY, False),
        ("zh", STORY, True),
        ("fr", STORY, True),
        ("zh", "英伟达（NVIDIA）涨8%，分析师上调目标价", False),
        ("en", "英伟达（NVIDIA）涨8%，分析师上调目标价", True),
    ],
)
def test_a_stated_language_must_be_the_texts(lang: str, text: str, removed: bool) -> None:
    """A column that says otherwise than the text would have the teacher reason in the wrong language."""
    assert bool(sorted_out(News("n", lang, text))) is removed


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (STORY, Hygiene.DUPLICATE),
        (STORY.upper().replace(",", " -"), Hygiene.DUPLICATE),
        (STORY.replace("Tuesday", "Monday").replace("40", "45"), Hygiene.NEAR_DUPLICATE),
        (f"UPDATE 1: {STORY}", Hygiene.NEAR_DUPLICATE),
        (STORY.replace("Halden Motors", "Borealis Rail").replace("repairs of its northern plant", "a strike"), None),
        ("Halden Motors said on Tuesday that it hires 200 people in March.", None),
    ],
)
def test_the_first_of_two_that_repeat_stays(other: str, reason: str | None) -> None:
    """Equal texts, case and punctuation apart, and near-equal ones name the row that they repeat."""
    found = sorted_out(News("first", "", STORY), News("other", "", other))
    assert found == ({"other@1": (str(reason), "first")} if reason else {})


def test_partners_are_rows_that_stay() -> None:
    """A chain of rewritings hangs on its first row; one id for two texts is kept once."""
    chain = [STORY, STORY.replace("40", "45"), STORY.replace("40", "45").replace("March", "April")]
    found = sorted_out(
        *(News(f"n-{n}", "", text) for n, text in enumerate(chain)), News("n-0", "", "Acme hires a crew.")
    )
    assert {partner for _, partner in found.values()} == {"n-0"}
    assert [reason for reason, _ in found.values()].count("id stands twice") == 1


@given(st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_hashes_stand_for_the_grams(text: str) -> None:
    """As many numbers as distinct grams, whatever the script: shares computed from them are those of the record."""
    flat = normal(text)
    hashes = gram_hashes(flat)
    assert len(hashes) == len(grams(flat))
    assert bool((np.diff(hashes.astype(np.float64)) >= 0).all())


def test_near_equal_texts_are_met_among_many() -> None:
    """Of 3,000 texts with 100 rewritten to 70 % and more every rewritten one has its original as a candidate."""
    rng = random.Random(5)
    words = ["".join(rng.choices("abcdefghijklmnop", k=6)) for _ in range(4000)]
    texts = [" ".join(rng.choices(words, k=40)) for _ in range(3000)]
    pairs = []
    for original in range(100):
        cells = texts[original].split()
        cells[rng.randrange(40)] = "changed"
        cells[rng.randrange(40)] = "again"
        texts.append(" ".join(cells))
        pairs.append((len(texts) - 1, original))
    finder, hashes = Near(), [gram_hashes(normal(text)) for text in texts]
    for one in hashes:
        finder.add(one)
    found = dict(finder.candidates(np.arange(len(texts))))
    assert all(jaccard(hashes[a], hashes[b]) >= 0.7 for a, b in pairs)
    assert all(original in found.get(later, []) for later, original in pairs)
    assert sum(map(len, found.values())) < 200


def test_a_daily_template_costs_no_square() -> None:
    """Of 5,000 texts from one template each has a handful of candidates, not thousands."""
    finder = Near()
    for n in range(5000):
        finder.add(
            gram_hashes(normal(f"Net asset value of the Halden fund on day {n}: published as every day at noon."))
        )
    found = dict(finder.candidates(np.arange(5000)))
    assert max(map(len, found.values())) <= 64


@pytest.mark.parametrize(
    ("file", "lang"),
    [
        ("en/tfns_valid.jsonl", "en"),
        ("en/fpb_50agree.jsonl", "en"),
        ("en/sentfin.jsonl", "en"),
        ("en/nwgi_test4047.jsonl", "en"),
        ("zh/finfe_zh_eval.jsonl", "zh"),
        ("zh/finese_zh_eval.jsonl", "zh"),
        ("zh/finnsp_zh_eval.jsonl", "zh"),
    ],
)
def test_public_headlines_keep_their_language(file: str, lang: str) -> None:
    """Of thousands of English and Chinese headlines and posts at most one in 500 is taken for another language."""
    if not (DATA / file).is_file():
        pytest.skip(f"{DATA / file} is absent: it may not be in the repository")
    texts = [row["text"] for _, row in jsonl.read_lines(DATA / file)]
    assert sum(reads_as(text) != lang for text in texts) <= len(texts) / 500


def _prepared(house: House, *flags: str) -> int:
    return prepare.main([*house.arguments(), "--corpus", str(house.corpus), *flags])


def test_the_stage_accounts_for_every_row(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Read = kept + removed + unreadable; each removal has where, reason and partner; bad rows are on the screen."""
    house.write_recipe("embedded")
    body = "".join(
        f"{name},{text}\n" for name, text in [("a", STORY.replace(",", "")), ("b", ""), ("a", "Acme hires a crew.")]
    )
    house.corpus = house.root / "n.csv"
    house.corpus.write_text(f'sym,headline\n{body}c,"{ITEM}"\nd,x\ne,"{STORY}"\nf\n')
    assert _prepared(house, "--text", "headline", "--id", "sym") == 0
    accounts = jsonl.read(house.run / "prepare" / "accounts.json")
    removed = {"too short": 1, "benchmark item": 1, "id stands twice": 1, "duplicate": 1}
    assert accounts == {"read": 7, "kept": 1, "unreadable": 2, "removed": removed}
    assert [row["id"] for row in house.rows("prepare/corpus.jsonl")] == ["a"]
    rows = {row["reason"]: row for row in house.rows("prepare/removed.jsonl")}
    assert (rows["duplicate"]["where"], rows["duplicate"]["partner"]) == (f"{house.corpus}:7", "a")
    assert rows["benchmark item"]["partner"] == "little/b-2"
    said = capsys.readouterr()
    assert f"unreadable: {house.corpus}:3: headline is empty" in said.err
    assert "1 of 7 rows kept (2 unreadable; removed: 1 too short, " in said.out


def test_nothing_left_is_an_error(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """A corpus without a usable row ends with what became of its rows, and no stage is left behind."""
    house.write_recipe("embedded")
    house.corpus.write_text('{"text": "x"}\n{"text": ""}\n')
    assert _prepared(house) == 2
    assert "none of 2 rows is left to ask: 1 too short; 1 unreadable, the first" in capsys.readouterr().err
    assert not (house.run / "prepare").exists()


def test_public_sets_that_are_there_are_kept_apart(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A headline of a public set is removed where the set's file is there; the record names those not checked."""
    house.write_recipe("embedded")
    house.corpus.write_text(
        json.dumps({"text": "Cedar Bank lifts its payout"}) + "\n" + json.dumps({"text": STORY}) + "\n"
    )
    (tmp_path / "sets").mkdir()
    row = {"id": "f-1", "text": "Cedar Bank lifts its payout.", "label": "positive"}
    jsonl.write_lines(tmp_path / "sets" / "little.jsonl", [row])
    little = public.PublicSet("l", "en", (public._jsonl("little.jsonl"),), 1, {"Positive": 1}, "none")
    monkeypatch.setattr(
        public, "PUBLIC", {"little_public": little, "absent": little.__class__("a", "en", (), 1, {}, "")}
    )
    monkeypatch.setattr("distill.keeping_apart.public.PUBLIC", public.PUBLIC)
    monkeypatch.delenv(public.VARIABLE, raising=False)
    assert _prepared(house) == 0
    assert len(house.rows("prepare/corpus.jsonl")) == 2
    monkeypatch.setenv(public.VARIABLE, str(tmp_path / "sets"))
    assert _prepared(house) == 0
    assert [row["partner"] for row in house.rows("prepare/removed.jsonl")] == ["little_public/f-1"]
    record = jsonl.read(house.run / "prepare" / "overlap.json")
    assert list(record["public"]) == ["little_public"]
    assert record["not_checked"] == ["absent"]


def test_same_corpus_gives_the_same_bytes_and_is_skipped(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run does nothing; a changed limit does it again; the files are identical when made anew."""
    house.write_recipe("embedded")
    house.news(60)
    assert _prepared(house) == 0
    files = ("corpus.jsonl", "removed.jsonl", "overlap.json", "accounts.json")
    before = {name: (house.run / "prepare" / name).read_bytes() for name in files}
    assert _prepared(house) == 0
    assert "unchanged, skipped" in capsys.readouterr().out
    (house.run / "prepare" / "manifest.json").unlink()
    assert _prepared(house) == 0
    assert {name: (house.run / "prepare" / name).read_bytes() for name in files} == before
    house.write_recipe("embedded", least_chars=9999, most_chars=9999)
    assert _prepared(house) == 2


def test_no_benchmark_no_corpus(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a benchmark set to keep apart from nothing is prepared: an empty check is no check."""
    house.write_recipe("embedded")
    house.news(2)
    (house.root / "benchmarks" / "little" / "manifest.json").unlink()
    assert _prepared(house) == 2
    assert "no benchmark set" in capsys.readouterr().err


@given(
    st.lists(
        st.sampled_from([STORY, STORY + "!", STORY.replace("40", "45"), ITEM, "x", "", "Der und das.", "Acme hires."])
    )
)
@settings(max_examples=40, deadline=None)
def test_accounts_close_whatever_comes(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    """Every row that was read is kept, removed for one reason, or unreadable; the stage asserts it, too."""
    screen = Screen(RECIPE, Index([Reference("little", "b-2", ITEM)]))
    kept: list[News] = []
    reasons: Counter[str] = Counter()
    for number, text in enumerate(texts):
        row, removed = screen.look(News(f"n-{number % 5}", "", text))
        if removed:
            reasons[removed.reason] += 1
        else:
            kept.append(row)
    again = screen.repeats(kept.__getitem__)
    assert len(texts) == len(kept) - len(again) + len(again) + sum(reasons.values())
    left = [row for number, row in enumerate(kept) if number not in again]
    assert len({row.id for row in left}) == len(left)
    assert len({normal(row.text) for row in left}) == len(left)
    assert {removed.partner for removed in again.values()} <= {row.id for row in left}


def test_two_sets_share_no_name(house: House) -> None:
    """The record holds a version and a hash of each split of every set of ours."""
    seal(house.root / "benchmarks" / "other", {"dev": [item(3, "A.")], "test": [item(4, "Cedar hires a crew of ten.")]})
    house.write_recipe("embedded")
    house.news(2)
    assert _prepared(house) == 0
    assert set(jsonl.read(house.run / "prepare" / "overlap.json")["sets"]) == {"little", "other"}
