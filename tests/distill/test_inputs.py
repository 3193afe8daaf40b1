"""News comes in from five formats; a bad row is named with file and line and the rest goes on; a bad file says so."""

from __future__ import annotations

import codecs
import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.inputs import filings, found, lines, tables
from distill.inputs.reading import Corpus, Row, rows
from finsight_eval.errors import InputError
from finsight_eval.records import News

if TYPE_CHECKING:
    from pathlib import Path

GOOD = b'{"id": "a", "lang": "en", "text": "Halden cuts its outlook"}\n'
NEWS = News("a", "en", "Halden cuts its outlook")


def read(path: Path, **columns: Any) -> list[Row]:
    return list(rows(Corpus(str(path), **columns)))


def written(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"id": "b", "text": "x"', "not valid JSON"),
        (b'["b", "x"]', "a JSON object is expected"),
        (b'{"id": "b", "text": ""}', "text is empty"),
        (b'{"id": "b", "text": "  \\n "}', "text is empty"),
        (b'{"id": "b", "text": null}', "text is empty"),
        (b'{"id": "b", "text": 12}', "text is 12, a string is expected"),
        (b'{"id": "b", "text": ["x"]}', "a string is expected"),
        (b'{"id": "b", "body": "x"}', "no column 'text'; there are: id, body"),
        (b'{"id": "b", "id": "c", "text": "x"}', "stands twice"),
        (b'{"id": 1.5, "text": "x"}', "id is 1.5, a string or a whole number is expected"),
        (b'{"id": true, "text": "x"}', "id is True"),
        (b'{"id": "' + b"b" * 201 + b'", "text": "x"}', "id has 201 characters"),
        (b'{"id": "b", "text": "\\ud800"}', "half a surrogate pair"),
        (b'{"id": "b", "text": "caf\xe9"}', "not utf-8 at byte"),
        (b'{"id": "b", "text": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"text": "' + b"x" * found.LONGEST_LINE + b'"}', "longer than 4,194,304 bytes"),
    ],
)
def test_a_bad_line_is_named_and_the_rest_goes_on(tmp_path: Path, line: bytes, problem: str) -> None:
    """Beside every bad line the good ones before and after it are read, and the line number is the file's."""
    path = written(tmp_path / "news.jsonl", GOOD + b"\n" + line + b"\n" + GOOD)
    before, bad, after = read(path)
    assert (before.news, after.news) == (NEWS, NEWS)
    assert bad.news is None
    assert bad.where == f"{path}:3"
    assert problem in bad.problem
    assert after.where == f"{path}:4"
    assert len(bad.problem) < 400


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (GOOD, "utf-8"),
        (codecs.BOM_UTF8 + GOOD, "utf-8"),
        (GOOD.replace(b"\n", b"\r\n"), "utf-8"),
        (GOOD.rstrip(b"\n"), "utf-8"),
        (GOOD.decode().encode("utf-16"), "utf-8"),
        (codecs.BOM_UTF16_BE + GOOD.decode().encode("utf-16-be"), "utf-8"),
        (GOOD.decode().encode("gb18030"), "gb18030"),
    ],
)
def test_marks_and_line_ends_do_not_matter(tmp_path: Path, data: bytes, encoding: str) -> None:
    """A byte order mark names the encoding; Windows line ends and a missing last one are no trouble."""
    assert [row.news for row in read(written(tmp_path / "n.jsonl", data), encoding=encoding)] == [NEWS]


def test_chinese_in_gb18030_needs_to_be_said(tmp_path: Path) -> None:
    """An encoding is not guessed: without the flag every row is bad and says so, with it the text is right."""
    path = written(tmp_path / "n.csv", "text\n恒岳电池公告\n".encode("gb18030"))
    assert "not utf-8 (another encoding is given by --encoding)" in read(path)[0].problem
    (row,) = read(path, encoding="gb18030")
    assert row.news
    assert row.news.text == "恒岳电池公告"
    with pytest.raises(InputError, match="--encoding is 'klingon'"):
        found.known_encoding("klingon")


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("n.jsonl", b"[\n" + GOOD + b"]", "one JSON array; one object on each line is expected"),
        ("n.jsonl", b"\x00\x01\x02" * 99, "a binary file"),
        ("n.csv", b"\x89PNG\r\n\x1a\n\x00\x00", "a binary file"),
        ("n.jsonl", b"\x1f\x8b\x08\x00", "a packed file; gunzip it first"),
        ("n.csv", b"PK\x03\x04rest", "save it as CSV"),
        ("n.parquet", GOOD, "no sound Parquet file"),
        ("n.jsonl", b"", "holds no rows"),
        ("n.jsonl", b"\n \n", "holds no rows"),
        ("n.csv", b"", "no header"),
        ("n.csv", b"text,text\na,b\n", "column 'text' stands twice"),
        ("n.xlsx", b"x", "ends in '.xlsx'"),
        ("n.csv", b"headline,symbol\nx,y\n", "no column 'text'; there are: headline, symbol; name one with --text"),
        ("n.jsonl", b'{"Text": "x"}\n{"headline": "y"}\n', "no column 'text' (did you mean 'Text'?); there are: Text"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_it_is(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    """What concerns the whole file is one error that names what was found and what to do."""
    path = written(tmp_path / name, data)
    with pytest.raises(InputError) as caught:
        read(path)
    assert words in str(caught.value)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("name", ["none.jsonl", "none.csv", "none.parquet", "none.txt"])
def test_a_missing_file_is_an_error(tmp_path: Path, name: str) -> None:
    """No such file, in whatever format."""
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("a,Halden cuts\n", [("2", "Halden cuts")]),
        ('a,"Halden cuts,\n\nagain"\nb,next\n', [("2-4", "Halden cuts,\n\nagain"), ("5", "next")]),
        ('a,"say ""no"""\n', [("2", 'say "no"')]),
        ("a\nb,next\n", [("2", "1 cells, the header has 2"), ("3", "next")]),
        ("a,b,c\nb,next\n", [("2", "3 cells, the header has 2"), ("3", "next")]),
        ("\n\nb,next\n", [("4", "next")]),
        ('a,"x" y\nb,next\n', [("2", "no sound CSV: ',' expected after '\"'"), ("3", "next")]),
        ('a,"never closed\nb,next\n', [("2-3", "no sound CSV: unexpected end of data")]),
        ("a,\nb,next\n", [("2", "text is empty"), ("3", "next")]),
        ("a," + "x" * 4_200_000 + "\nb,next\n", [("2", "no sound CSV: a line longer"), ("3", "next")]),
        ('"7",=1+2\n', [("2", "=1+2")]),
    ],
)
def test_csv_records_are_read_one_by_one(tmp_path: Path, body: str, wanted: list[tuple[str, str]]) -> None:
    """Quoted line breaks belong to their cell; a record that is none is named with its lines, and the next is read."""
    path = written(tmp_path / "n.csv", "id,text\n" + body)
    got = read(path)
    seen = [(row.where.rpartition(":")[2], row.news.text if row.news else row.problem) for row in got]
    assert [where for where, _ in seen] == [where for where, _ in wanted]
    for (_, said), (_, start) in zip(seen, wanted, strict=True):
        assert said.startswith(start)


def test_a_quote_that_never_closes_does_not_swallow_the_file(tmp_path: Path) -> None:
    """After 2,000 lines the open quote is given up, its lines are named, and the rows behind it are read."""
    body = 'a,"open\n' + "".join(f"{n},text {n}\n" for n in range(5_000))
    got = read(written(tmp_path / "n.csv", "id,text\n" + body))
    assert got[0].news is None
    assert "a quote is still open after 2,000 lines" in got[0].problem
    assert got[-1].news == News("4999", "", "text 4999")
    assert sum(row.news is not None for row in got) > 2_900


@pytest.mark.parametrize(("name", "delimiter"), [("n.csv", ","), ("n.csv", ";"), ("n.tsv", "\t"), ("n.csv", "|")])
def test_the_header_tells_the_delimiter(tmp_path: Path, name: str, delimiter: str) -> None:
    """Commas, semicolons, tabs and bars."""
    path = written(tmp_path / name, f"id{delimiter}text{delimiter}lang\n1{delimiter}Halden{delimiter}EN\n")
    assert [row.news for row in read(path)] == [News("1", "en", "Halden")]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=40), min_size=1))
@settings(max_examples=60, deadline=None)
def test_what_python_writes_as_csv_comes_back(texts: list[str]) -> None:
    """Whatever text the csv module writes is read back as it was, white space at its ends apart."""
    import io
    import tempfile
    from pathlib import Path

    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerows([["id", "text"], *([str(n), text] for n, text in enumerate(texts))])
    with tempfile.TemporaryDirectory() as folder:
        got = read(written(Path(folder) / "n.csv", out.getvalue()))
    assert len(got) == len(texts)
    for row, text in zip(got, texts, strict=True):
        assert (row.news.text if row.news else "") == text.strip()


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_no_bytes_whatever_break_a_reader(data: bytes) -> None:
    """Random bytes give rows, bad rows or an InputError, never another exception."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        for name in ("n.jsonl", "n.csv", "n.txt"):
            try:
                read(written(Path(folder) / name, data))
            except InputError:
                continue


@pytest.mark.parametrize(
    ("said", "lang"),
    [("en", "en"), ("EN-us", "en"), ("zh_Hans", "zh"), ("中文", "zh"), ("fr", "fr"), ("", ""), (None, "")],
)
def test_languages_are_told_apart_by_any_common_name(tmp_path: Path, said: str | None, lang: str) -> None:
    """Regional names are folded; another language keeps its name, to be counted by it."""
    path = written(tmp_path / "n.jsonl", json.dumps({"t": "x", "l": said}))
    (row,) = read(path, text="t", lang="l")
    assert row.news
    assert row.news.lang == lang


def test_without_ids_a_row_is_named_by_its_text(tmp_path: Path) -> None:
    """A row keeps its name wherever it stands; a number is an id, too."""
    path = written(
        tmp_path / "n.jsonl", b'{"text": "x"}\n{"text": "y"}\n{"text": "x", "id": 7}\n{"text": "x", "id": ""}\n'
    )
    first, second, numbered, unnamed = [row.news.id for row in read(path) if row.news]
    assert first.startswith("t-")
    assert first == unnamed != second
    assert numbered == "7"


def test_parquet_rows_come_in_batches(tmp_path: Path) -> None:
    """Only the wanted columns are read; empty and odd cells are bad rows with their number."""
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    texts = [f"text {n}" for n in range(1200)]
    table = pa.table({"headline": [*texts, None], "id": list(range(1201)), "huge": ["x" * 50] * 1201})
    parquet.write_table(table, tmp_path / "n.parquet")
    got = read(tmp_path / "n.parquet", text="headline")
    assert [row.news.text for row in got if row.news] == texts
    assert (got[-1].where, got[-1].problem) == (f"{tmp_path}/n.parquet: row 1201", "headline is empty")
    with pytest.raises(InputError, match="no column 'body'; there are: headline, id, huge; name one with --text"):
        read(tmp_path / "n.parquet", text="body")


def test_a_saved_hugging_face_set_is_read(tmp_path: Path) -> None:
    """A folder of `save_to_disk` is a corpus; of several splits one must be named; a missing column is listed."""
    datasets = pytest.importorskip("datasets")
    one = datasets.Dataset.from_list([{"headline": "Halden cuts", "day": 3}, {"headline": "", "day": 4}])
    one.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": one, "test": one}).save_to_disk(str(tmp_path / "two"))
    got = read(tmp_path / "one", text="headline", id="day")
    assert [row.news for row in got] == [News("3", "", "Halden cuts"), None]
    assert got[1].where == "one: row 2"
    with pytest.raises(InputError, match="has the splits train, test; give the folder of one"):
        read(tmp_path / "two", text="headline")
    with pytest.raises(InputError, match="no column 'text'; there are: headline, day"):
        read(tmp_path / "one")


FILING = """<SEC-DOCUMENT>0001-24-000012.txt
<DOCUMENT>
<TYPE>8-K
<TEXT><html><head><title>no</title></head><body>
<p>Item 2.02&#160;Results of Operations and Financial Condition.</p>
<p>On May 3, Halden&nbsp;Motors &amp; Co. reported a loss of $3.2 million.</p>
<div>ITEM 8.01 Other Events</div><table><tr><td>The board</td><td>resigned.</td></tr></table>
<p>Item 9.01 Financial Statements and Exhibits</p><p>99.1 Press release</p>
<p>SIGNATURES</p><p>A. Person</p></body></html></TEXT>
</DOCUMENT>
<DOCUMENT>
<TYPE>EX-99.1
<TEXT>Item 1.01 of the exhibit is not the filing's.</TEXT>
</DOCUMENT>
"""


def test_a_filing_gives_its_items(tmp_path: Path) -> None:
    """Of a complete submission the items of the 8-K part are rows: no markup, exhibits or signatures."""
    folder = tmp_path / "filings"
    folder.mkdir()
    written(folder / "halden.txt", FILING)
    written(folder / "plain.txt", "The company did not file by item.\n\nNothing else.")
    written(folder / "broken.htm", b"caf\xe9")
    written(folder / "pack.txt", b"\x00\x00")
    got = {row.where.removeprefix(f"{folder}/"): row for row in read(folder)}
    assert {name: row.news.text for name, row in got.items() if row.news} == {
        "halden.txt: Item 2.02": "On May 3, Halden Motors & Co. reported a loss of $3.2 million.",
        "halden.txt: Item 8.01": "The board resigned.",
        "plain.txt": "The company did not file by item.\n\nNothing else.",
    }
    assert [row.news.id for row in got.values() if row.news] == ["halden-item-2.02", "halden-item-8.01", "plain"]
    assert {name for name, row in got.items() if not row.news} == {"broken.htm", "pack.txt"}


def test_items_with_one_number_keep_apart() -> None:
    """Two items 8.01 are two rows; a sentence that mentions an item is no heading; a long first line is text."""
    long = "Item 8.01 " + "The company said that " * 12
    text = f"Item 8.01 Other Events\nFirst.\nAs told in Item 2.02 of May.\n{long}\nSecond."
    assert [number for number, _ in filings.items_in(text)] == ["8.01", "8.01"]
    assert filings.items_in(text)[0][1] == "First.\nAs told in Item 2.02 of May."
    assert filings.items_in(text)[1][1].startswith("The company said")


def test_reading_does_not_hold_the_file(tmp_path: Path) -> None:
    """Readers yield as they read: the first row is there before the rest of the file is."""
    path = written(tmp_path / "n.jsonl", GOOD * 50_000)
    stream = lines.read_lines(path, "utf-8")
    assert next(stream).cells
    stream = tables.read_table(written(tmp_path / "n.csv", "text\n" + "x\n" * 50_000), "utf-8")
    assert next(stream).cells == {"text": "x"}
