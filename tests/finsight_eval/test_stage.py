"""Stages: skipped when nothing changed, never half written, and distrustful of what they are given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from finsight_eval import jsonl, manifest, stage
from finsight_eval.errors import InputError


def _plan(root: Path, **changes: Any) -> stage.Plan:
    given: dict[str, Any] = {"name": "demo", "folder": root / "demo", "module": "finsight_eval.labels", **changes}
    return stage.Plan(**given)


def _build(text: str = "x") -> Any:
    def build(out: Path) -> tuple[str, dict[str, Any]]:
        jsonl.write_text(out / "a" / "rows.txt", text)
        return "1 row", {"rows": 1}

    return build


def test_an_unchanged_stage_is_skipped_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second run builds nothing; another setting, input or a damaged product builds again."""
    source = tmp_path / "in.txt"
    source.write_text("1")
    plan = _plan(tmp_path, settings={"seed": 1, "tasks": ("a", "b")}, sources={"in": source})
    stage.run(plan, _build())

    def never(out: Path) -> Any:
        raise AssertionError(out)

    stage.run(plan, never)
    assert "unchanged, skipped" in capsys.readouterr().out
    for change in ("settings", "input", "product"):
        if change == "settings":
            plan = _plan(tmp_path, settings={"seed": 2}, sources={"in": source})
        elif change == "input":
            source.write_text("2")
        else:
            (tmp_path / "demo" / "a" / "rows.txt").write_text("damaged")
        stage.run(plan, _build())
        assert "1 row" in capsys.readouterr().out, change


def test_where_an_input_lies_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same content elsewhere, or under an absolute path, is skipped; other content or another name is not."""
    monkeypatch.chdir(tmp_path)
    for name, text in (("a.txt", "1"), ("b.txt", "1"), ("c.txt", "2")):
        Path(name).write_text(text)
    stage.run(_plan(Path(), name="made", folder=Path("made")), _build())
    product = Path("made/a/rows.txt")
    stage.run(_plan(Path(), sources={"in": Path("a.txt")}, inputs={"rows": product}), _build())
    for sources, skipped in (
        ({"in": Path("b.txt")}, True),
        ({"in": tmp_path / "a.txt"}, True),
        ({"in": Path("c.txt")}, False),
        ({"other": Path("c.txt")}, False),
    ):
        capsys.readouterr()
        stage.run(_plan(tmp_path, sources=sources, inputs={"rows": product.resolve()}), _build())
        assert ("unchanged, skipped" in capsys.readouterr().out) == skipped, sources


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"inputs": 3}', '{"inputs": {"in": 3}}'])
def test_a_damaged_manifest_is_no_finished_stage(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever stands in its place, the stage is run again."""
    stage.run(_plan(tmp_path), _build())
    (tmp_path / "demo" / manifest.NAME).write_text(damage)
    capsys.readouterr()
    stage.run(_plan(tmp_path), _build())
    assert "1 row" in capsys.readouterr().out


def test_a_stage_that_dies_leaves_no_half_written_folder(tmp_path: Path) -> None:
    """A failure in the middle keeps the old product; without one there is none, and the next run starts anew."""
    plan = _plan(tmp_path, settings={"seed": 1})

    def dies(out: Path) -> Any:
        (out / "half.txt").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        stage.run(plan, dies)
    assert not (tmp_path / "demo").exists()
    stage.run(plan, _build())
    assert manifest.outputs_of(tmp_path / "demo").keys() == {"a/rows.txt"}
    with pytest.raises(OSError, match="No space"):
        stage.run(_plan(tmp_path, settings={"seed": 2}), dies)
    assert (tmp_path / "demo" / "a" / "rows.txt").read_text() == "x"


def test_an_input_is_checked_against_the_manifest_of_its_stage(tmp_path: Path) -> None:
    """No file, no manifest, a changed file and a file that nobody listed are each refused, with both hashes."""
    stage.run(_plan(tmp_path), _build())
    product = tmp_path / "demo" / "a" / "rows.txt"
    assert stage.identity(_plan(tmp_path, inputs={"rows": product}))["inputs"]["rows"]["sha256"]
    good = manifest.sha256(product)[:16]
    product.write_text("changed")
    bad = manifest.sha256(product)[:16]
    with pytest.raises(InputError, match=f"sha256 is {bad}, its manifest .* says {good}"):
        stage.identity(_plan(tmp_path, inputs={"rows": product}))
    with pytest.raises(InputError, match="changed after it was made"):
        stage.identity(_plan(tmp_path, inputs={"rows": tmp_path / "demo" / "a"}))
    (tmp_path / "demo" / "stray.txt").write_text("")
    with pytest.raises(InputError, match="not listed in"):
        stage.identity(_plan(tmp_path, inputs={"rows": tmp_path / "demo" / "stray.txt"}))
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose" / "x.txt").write_text("")
    with pytest.raises(InputError, match="may be half written"):
        stage.identity(_plan(tmp_path, inputs={"rows": tmp_path / "loose" / "x.txt"}))
    with pytest.raises(InputError, match="run the stage that writes it first"):
        stage.identity(_plan(tmp_path, inputs={"rows": tmp_path / "none.txt"}))


def test_the_code_of_a_stage_counts_as_an_input() -> None:
    """A stage's digest covers what it imports of ours and leaves out what it does not."""
    assert manifest.code_digest("finsight_eval.stage") != manifest.code_digest("finsight_eval.labels")
    sources = {path.name for path in manifest._sources("finsight_eval.lenient")}
    assert {"lenient.py", "parse.py", "schema.py", "labels.py"} <= sources
    assert "stage.py" not in sources


def test_the_digest_of_code_does_not_depend_on_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of the same names and contents in other folders, sorted otherwise, are the same code."""
    digests = []
    for folders, text in ((("a", "b"), "x = 1"), (("z", "b"), "x = 1"), (("a", "b"), "x = 2")):
        paths = {tmp_path / folder / name for folder, name in zip(folders, ("one.py", "two.py"), strict=True)}
        for path in paths:
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"{path.name}\n{text}")
        monkeypatch.setattr(manifest, "_sources", lambda _module, found=paths: found)
        manifest.code_digest.cache_clear()
        digests.append(manifest.code_digest("any"))
    manifest.code_digest.cache_clear()
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("recipe", ["", ".", "..", "a/..", "../..", "...", "..yaml"])
def test_no_recipe_names_the_folder_of_all_runs(recipe: str) -> None:
    """A run's folder is built anew and removed: a name of dots would reach above it."""
    for place in (stage.run_folder, lambda folder, name: stage.recipe_path(name, folder)):
        with pytest.raises(InputError, match=r"--recipe is '.*a name such as nano"):
            place(Path("runs"), recipe)
    assert stage.run_folder(Path("runs"), "a/../v1.2.yaml") == Path("runs/v1.2")
