"""The simulated world: strict data, disjoint splits, labels that follow from rules."""

from __future__ import annotations

import copy
import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from distill.world import consequences, names
from distill.world.catalogue import Label, events, load_events
from distill.world.phrases import PHRASE_SPLITS, frames, load_frames
from distill.world.plan import GROUPS, World, pool_of, select
from distill.world.story import LENGTHS, Story, stories
from distill.world.tiers import TIERS, WEIGHTS
from finsight_eval.errors import InputError
from finsight_eval.labels import RISK_LEVELS, SENTIMENTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from distill.world.phrases import Pools

ROWS = 1500
SPLITS = ("train", "dev", "test", "pretrain", "commented")


@pytest.fixture(scope="module")
def told() -> dict[str, list[Story]]:
    return {split: list(stories(11, split, ROWS)) for split in SPLITS}


def _phrases(split: str) -> set[str]:
    return set().union(*(e.phrases[lang][split] for e in events().values() for lang in ("en", "zh")))


def _nouns(split: str) -> set[str]:
    return set().union(*(e.noun[lang][split] for e in events().values() for lang in ("en", "zh")))


def _frames(split: str) -> set[str]:
    return set().union(*(pools[split] for lang in ("en", "zh") for pools in frames()[lang].values()))


@pytest.mark.parametrize("of", [_phrases, _nouns, _frames], ids=["phrases", "nouns", "frames"])
@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(PHRASE_SPLITS, 2)))
def test_no_wording_of_one_split_stands_in_another(of: Callable[[str], set[str]], one: str, other: str) -> None:
    """What the test is written in was never seen in the training data, nor the other way round."""
    assert of(one)
    assert not of(one) & of(other)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_name_root_belongs_to_one_split(lang: str) -> None:
    """Two different pairs of parts may spell the same root; even then it has one split, and each split has plenty."""
    pools = {split: set(names.roots(split, lang)) for split in ("train", "dev", "test", "pretrain")}
    assert all(len(pool) > 80 for pool in pools.values())
    assert not any(one & other for one, other in itertools.combinations(pools.values(), 2))


def _surface(story: Story) -> set[str]:
    return {story.entity, *story.aliases}


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(SPLITS[:4], 2)))
def test_told_entities_are_disjoint(told: dict[str, list[Story]], one: str, other: str) -> None:
    """No company that a story is about, under any of its names, turns up in a story of another split."""
    first, second = (set().union(*map(_surface, told[split])) for split in (one, other))
    assert len(first) > 100
    assert not first & second


def test_commented_text_meets_no_test_wording(told: dict[str, list[Story]]) -> None:
    """Text that a base model reads together with remarks uses the training wording only; raw text may use all."""
    world = World("commented", "en")
    assert set(pool_of("plant_fire", "en", "commented", None)) == set(pool_of("plant_fire", "en", "train", None))
    assert world.line("rumour").pool == World("train", "en").line("rumour").pool
    assert set(pool_of("plant_fire", "en", "pretrain", None)) > set(pool_of("plant_fire", "en", "test", None))
    assert len(told["commented"]) == ROWS


@pytest.mark.parametrize("split", SPLITS)
def test_a_story_is_well_formed(told: dict[str, list[Story]], split: str) -> None:
    """The focus stands in the text, no placeholder is left, and the length is that of a news item."""
    for story in told[split]:
        assert story.entity in story.text
        assert story.entity not in story.aliases
        assert "{" not in story.text
        assert "  " not in story.text
        size = len(story.text.split()) if story.lang == "en" else len(story.text)
        assert LENGTHS[story.lang][0] <= size <= LENGTHS[story.lang][1]
        assert story.why


def test_the_same_arguments_give_the_same_stories() -> None:
    """Nothing random comes from outside; another seed gives other stories."""
    assert list(stories(3, "train", 50)) == list(stories(3, "train", 50))
    assert list(stories(3, "train", 50)) != list(stories(4, "train", 50))


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    """Adding rows to a corpus leaves the rows before them as they were, so that paid answers stay valid."""
    assert list(stories(3, "train", 80))[:50] == list(stories(3, "train", 50))


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_labels_are_balanced_and_independent(told: dict[str, list[Story]], split: str) -> None:
    """No class of either axis is below a fifth, and all nine pairs occur."""
    pairs = Counter((story.sentiment, story.risk_level) for story in told[split])
    assert set(pairs) == set(itertools.product(SENTIMENTS, RISK_LEVELS))
    for axis in (0, 1):
        counts = Counter(pair[axis] for pair in pairs.elements())
        assert min(counts.values()) >= 0.2 * ROWS


@pytest.mark.parametrize("split", SPLITS)
def test_every_tier_occurs_and_no_text_twice(told: dict[str, list[Story]], split: str) -> None:
    """The difficulty is graded in every split; exact repetitions are left out."""
    assert {story.tier for story in told[split]} == set(TIERS) == set(WEIGHTS)
    assert len({story.text for story in told[split]}) == ROWS


def test_the_focus_is_not_simply_the_first_company(told: dict[str, list[Story]]) -> None:
    """A reader who takes the first company for the focus is often wrong where several are named."""
    several = [s for s in told["test"] if s.tier in {"second_order", "opposite", "distractor"} and s.lang == "en"]
    behind = [s for s in several if s.text.index(s.entity) > 40]
    assert len(behind) > 0.3 * len(several)


def test_the_share_of_chinese_is_kept() -> None:
    """zh_share is a share of the stories: none, all, or about what was asked for."""
    assert {story.lang for story in stories(1, "train", 40, 0.0)} == {"en"}
    assert {story.lang for story in stories(1, "train", 40, 1.0)} == {"zh"}
    assert 0.3 < sum(s.lang == "zh" for s in stories(1, "train", 400)) / 400 < 0.5


def test_weights_choose_the_tiers() -> None:
    """A tier that is not named in the weights is not told."""
    assert {story.tier for story in stories(1, "test", 30, 0.5, {"hedged": 1.0})} == {"hedged"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"split": "tset"}, "did you mean 'test'"),
        ({"zh_share": 1.5}, "a share from 0 to 1"),
        ({"weights": {"hegded": 1.0}}, "did you mean 'hedged'"),
        ({"weights": {}}, "at least one tier"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], says: str) -> None:
    """A misspelt split or tier, a share out of range and no tier at all are the user's mistakes and end in one line."""
    with pytest.raises(InputError, match=says):
        next(stories(**{"seed": 1, "split": "train", "n": 1, **arguments}))


@pytest.mark.parametrize("group", GROUPS)
def test_groups_name_events_of_the_catalogue(group: str) -> None:
    """Every event that a tier relies on exists and has the side that the tier's sentences presuppose."""
    wanted = "Positive" if group in {"income", "undertaking"} else "Negative"
    assert {event.worst.sentiment for event, _ in select(group)} == {wanted}


NEGATIVE, POSITIVE, MILD = Label("Negative", "High"), Label("Positive", "Low"), Label("Negative", "Low")


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (consequences.rumour(NEGATIVE), ("Neutral", "Medium")),
        (consequences.rumour(POSITIVE), ("Neutral", "Low")),
        (consequences.rumour(MILD), ("Neutral", "Low")),
        (consequences.cleared(), ("Neutral", "Low")),
        (consequences.stake(large=True), ("Neutral", "High")),
        (consequences.stake(large=False), ("Neutral", "Low")),
        (consequences.versus(0.0), ("Neutral", "Low")),
        (consequences.versus(0.05), ("Positive", "Low")),
        (consequences.versus(-0.05), ("Negative", "Medium")),
        (consequences.versus(-0.25), ("Negative", "High")),
        (consequences.guidance(5, past_good=True), ("Negative", "Medium")),
        (consequences.guidance(20, past_good=True), ("Negative", "High")),
        (consequences.guidance(-5, past_good=True), ("Positive", "Low")),
        (consequences.guidance(-5, past_good=False), ("Positive", "Medium")),
        (consequences.bold(), ("Positive", "High")),
        (consequences.strings(), ("Positive", "Medium")),
        (consequences.cushion(), ("Negative", "Low")),
        (consequences.priced_in(), ("Neutral", "Low")),
        (consequences.resolved(conditions=False), ("Positive", "Low")),
        (consequences.resolved(conditions=True), ("Positive", "Medium")),
        (consequences.no_exposure(), ("Neutral", "Low")),
        (consequences.offset(), ("Neutral", "Medium")),
        (consequences.routine(), ("Neutral", "Low")),
    ],
)
def test_the_rules(outcome: consequences.Outcome, expected: tuple[str, str]) -> None:
    """Each rule of the world gives the labels of the guidelines."""
    assert (outcome.sentiment, outcome.risk_level) == expected
    assert set(outcome.why) == {"en", "zh"}


@pytest.mark.parametrize(
    ("event", "role", "exposure", "expected"),
    [
        ("missed_coupon", "supplier", "big", ("Negative", "High")),
        ("missed_coupon", "supplier", "modest", ("Negative", "Low")),
        ("missed_coupon", "competitor", "big", ("Positive", "Low")),
        ("guidance_cut", "supplier", "big", ("Negative", "Medium")),
        ("guidance_cut", "supplier", "modest", ("Negative", "Low")),
    ],
)
def test_how_an_event_spreads(event: str, role: str, exposure: str, expected: tuple[str, str]) -> None:
    """The same event is a threat, a nuisance or a chance, depending on the link and on how much hangs on it."""
    outcome = consequences.spread(events()[event], role, exposure)
    assert (outcome.sentiment, outcome.risk_level) == expected


def _entry() -> dict[str, Any]:
    sizes = {"train": 5, "dev": 2, "test": 3}
    pool = {split: [f"{{co}} {split} {n}" for n in range(size)] for split, size in sizes.items()}
    noun = {split: [f"a {split} thing"] for split in PHRASE_SPLITS}
    return {
        "family": "product", "sectors": ["all"], "labels": {"any": {"sentiment": "Negative", "risk_level": "High"}},
        "because": {"en": "it hurts", "zh": "疼"}, "noun": {"en": noun, "zh": copy.deepcopy(noun)},
        "en": pool, "zh": copy.deepcopy(pool),
    }  # fmt: skip


def _set(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(entry: dict[str, Any]) -> None:
        for key in path[:-1]:
            entry = entry[key]
        entry[path[-1]] = value

    return change


def _drop(*path: Any) -> Callable[[dict[str, Any]], None]:
    def change(entry: dict[str, Any]) -> None:
        for key in path[:-1]:
            entry = entry[key]
        del entry[path[-1]]

    return change


def _written(folder: Path, entry: dict[str, Any]) -> Path:
    (folder / "some.yaml").write_text(yaml.safe_dump({"some_event": entry}, allow_unicode=True), encoding="utf-8")
    return folder


_GRADES = {
    "small": {"sentiment": "Negative", "risk_level": "Low", "pct": [1, 4]},
    "large": {"sentiment": "Negative", "risk_level": "High", "pct": [15, 40]},
}


@pytest.mark.parametrize(
    "change",
    [
        _set("sectors", value=["automobiles"]),
        _set("labels", value=_GRADES),
        _set("spread", value={"supplier": {"sentiment": "Positive", "risk_level": "Low"}}),
        _set("en", "train", 0, value="{co} of {place} sold {n} {product} to {partner} for {amount}"),
    ],
)
def test_a_right_event_is_read(tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """What the schema allows passes."""
    entry = _entry()
    change(entry)
    assert list(load_events(_written(tmp_path, entry))) == ["some_event"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_set("familly", value="product"), "unknown key 'familly'.*did you mean 'family'"),
        (_set("family", value="produce"), "did you mean 'product'"),
        (_set("sectors", value=["cars"]), "'cars' is not one of"),
        (_set("sectors", value=[]), "a list of sectors"),
        (_set("labels", "any", "sentiment", value="Negativ"), "did you mean 'Negative'"),
        (_set("labels", "any", "risk_level", value="low"), "did you mean 'Low'"),
        (_set("labels", value={"small": _GRADES["small"]}), "'large' is missing"),
        (_set("labels", value={**_GRADES, "any": _GRADES["small"]}), "unknown key 'large'"),
        (_set("labels", value={**_GRADES, "large": {**_GRADES["large"], "pct": [3, 9]}}), "overlap"),
        (_set("labels", value={**_GRADES, "large": {**_GRADES["large"], "pct": [9]}}), "lowest, highest"),
        (_set("spread", value={"suplier": {"sentiment": "Positive", "risk_level": "Low"}}), "did you mean 'supplier'"),
        (_drop("because", "zh"), "'zh' is missing"),
        (_drop("en", "dev"), "'dev' is missing"),
        (_drop("noun", "zh", "test"), "'test' is missing"),
        (_set("en", "test", value=["{co} test 0"]), "at least 3"),
        (_set("en", "train", 0, value="Nobody is named"), "has no {co}"),
        (_set("en", "train", 0, value="{co} and {compny}"), "'compny' is not one of"),
        (_set("en", "train", 0, value="{co} and {co"), "expected '}'"),
        (_set("en", "train", 0, value="{co} lost {pct}% of sales"), "has no pct"),
        (_set("en", "train", 0, value="{co} stopped."), "full stop"),
        (_set("en", "train", 0, value="{co} test 0"), "stands in train and in test"),
        (_set("noun", "en", "dev", value=["a test thing"]), "stands in dev and in test"),
        (_set("zh", "dev", 0, value="{co} train 0"), "change one of them"),
    ],
)
def test_a_wrong_event_is_refused(tmp_path: Path, change: Callable[[dict[str, Any]], None], says: str) -> None:
    """Each mistake in the catalogue is one line that names file, event and what is wrong."""
    entry = _entry()
    change(entry)
    with pytest.raises(InputError, match=says) as raised:
        load_events(_written(tmp_path, entry))
    assert "some.yaml: some_event" in str(raised.value)


def test_an_empty_catalogue_is_refused(tmp_path: Path) -> None:
    """No events is not a world in which nothing happens but a wrong folder."""
    with pytest.raises(InputError, match="no event files"):
        load_events(tmp_path)


def test_frames_need_both_languages(tmp_path: Path) -> None:
    """A slot that only one language has would fail in the middle of a run."""
    pools: Pools = {split: (f"{{co}} {split}",) for split in PHRASE_SPLITS}
    for lang, slots in (("en", ("rumour", "denial")), ("zh", ("rumour",))):
        text = yaml.safe_dump({slot: {k: [f"{slot} {p}" for p in v] for k, v in pools.items()} for slot in slots})
        (tmp_path / f"{lang}.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="denial"):
        load_frames(tmp_path)
