"""Sort a corpus out before any money is spent: read it, name bad rows, drop what should not be asked or learnt.

    $ python -m distill.prepare --recipe finsight-7b --corpus news.csv --text headline
    [prepare] 48,210 of 51,377 rows kept (12 unreadable; removed: 2,904 duplicate, 251 near duplicate) -> ... (41.0 s)

    corpus.jsonl      {"id": "n-1", "lang": "en", "text": "Halden cuts its outlook"}
    removed.jsonl     {"id": "n-7", "where": "news.csv:8", "reason": "near duplicate", "partner": "n-1", "detail": ...}
    unreadable.jsonl  {"where": "news.csv:12", "problem": "headline is empty"}
    overlap.json      which benchmark and public sets were kept apart, and the rows that were too close to an item

`distill.generate` does this itself; alone it needs neither key nor network. The accounts close: every row that was read
is kept, removed for one reason, or unreadable.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from distill import keeping_apart
from distill import recipe as recipes
from distill.hygiene.decide import Removed, Screen, counted
from distill.inputs import found, reading
from distill.inputs.reading import Corpus
from finsight_eval import errors, jsonl, stage
from finsight_eval.errors import InputError, printable
from finsight_eval.records import News

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from distill.recipe import Recipe

_SETTINGS: Final = ("least_chars", "most_chars", "near_duplicate_threshold", "overlap_threshold")
_NAMED: Final = 20


class _Shelf:
    """The rows that passed alone, in a scratch file, found again by number; `where` they came from stands beside."""

    def __init__(self, path: Path) -> None:
        """Begin an empty scratch file at `path`."""
        self._path = path
        self._file = path.open("w+b")
        self._places = array("Q")
        self._written = 0

    def add(self, news: News, where: str) -> None:
        line = (jsonl.dumps([news.id, news.lang, news.text, where]) + "\n").encode()
        self._places.append(self._written)
        self._written += len(line)
        self._file.write(line)

    def news(self, number: int) -> News:
        """Return the row of that number."""
        self._file.seek(self._places[number])
        identity, lang, text, _ = jsonl.loads(self._file.readline().decode())
        return News(identity, lang, text)

    def all(self) -> Iterator[tuple[News, str]]:
        """Yield every row and where it stands."""
        self._file.seek(0)
        for line in self._file:
            identity, lang, text, where = jsonl.loads(line.decode())
            yield News(identity, lang, text), where

    def end(self) -> None:
        self._file.close()
        self._path.unlink()


class Sorted:
    """One pass over a corpus: the files of the stage, and the accounts."""

    def __init__(self, folder: Path, recipe: Recipe, apart: keeping_apart.Apart) -> None:
        """Write below `folder`."""
        self._folder, self._apart = folder, apart
        self._screen = Screen(recipe, apart.index)
        self._removed = (folder / "removed.jsonl").open("w", encoding="utf-8", errors="backslashreplace")
        self._unreadable = (folder / "unreadable.jsonl").open("w", encoding="utf-8", errors="backslashreplace")
        self._problems = 0
        self.reasons: Counter[str] = Counter()

    def run(self, corpus: Corpus) -> dict[str, Any]:
        """Sort `corpus` and return the accounts: read = kept + removed + unreadable."""
        shelf = _Shelf(self._folder / "shelf.partial")
        try:
            read = self._read(corpus, shelf)
            again = self._screen.repeats(shelf.news)
            jsonl.write_lines(self._folder / "corpus.jsonl", self._kept(shelf, again))
        finally:
            shelf.end()
            self._removed.close()
            self._unreadable.close()
        kept = len(self._screen) - len(again)
        jsonl.write(
            self._folder / "overlap.json", self._apart.record(self._screen.overlaps, self._screen.closest_kept, read)
        )
        removed = counted(self.reasons)
        assert read == kept + sum(removed.values()) + self._problems  # noqa: S101 - the accounts close
        return {"read": read, "kept": kept, "unreadable": self._problems, "removed": removed}

    def _read(self, corpus: Corpus, shelf: _Shelf) -> int:
        read = 0
        for row in reading.rows(corpus):
            read += 1
            if row.news is None:
                self._problems += 1
                self._unreadable.write(jsonl.dumps({"where": row.where, "problem": row.problem}) + "\n")
                continue
            news, removed = self._screen.look(row.news)
            if removed:
                self._remove(news.id, row.where, removed)
            else:
                shelf.add(news, row.where)
        return read

    def _kept(self, shelf: _Shelf, again: dict[int, Removed]) -> Iterator[jsonl.Row]:
        for number, (news, where) in enumerate(shelf.all()):
            if number in again:
                self._remove(news.id, where, again[number])
            else:
                yield {"id": news.id, "lang": news.lang, "text": news.text}

    def _remove(self, identity: str, where: str, removed: Removed) -> None:
        self.reasons[removed.reason] += 1
        reason, partner, detail = removed
        row = {"id": identity, "where": where, "reason": str(reason), "partner": partner, "detail": detail}
        self._removed.write(jsonl.dumps(row) + "\n")


def corpus_of(args: argparse.Namespace, recipe: Recipe, runs: Path) -> Corpus:
    """Return the corpus that the flags and the recipe name; raises InputError where one must be given."""
    if args.corpus is None and recipe.corpus == "file":
        raise InputError(
            f"recipe {recipe.name} takes your own news: give --corpus FILE.jsonl (or .csv, .parquet, hf:NAME, a folder "
            "of filings), and --text COLUMN where the text's column is not called text"
        )
    source = args.corpus or (runs / "simulate" / "corpus.jsonl").as_posix()
    return Corpus(source, args.text, args.id, args.lang, found.known_encoding(args.encoding))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags that name a corpus and its columns."""
    parser.add_argument("--corpus", help="your own news: .jsonl, .csv, .tsv, .parquet, a folder of filings, or hf:NAME")
    parser.add_argument("--text", default="text", metavar="COLUMN", help="the column of the text (default: text)")
    parser.add_argument("--id", metavar="COLUMN", help="the column of ids (default: id, else a hash of the text)")
    parser.add_argument("--lang", metavar="COLUMN", help="the column of languages (default: lang, else from the text)")
    parser.add_argument("--encoding", default="utf-8", help="of a text file without a byte order mark (default: utf-8)")


def dollars(text: str) -> float:
    """Return a sum of money given as a flag: a number above nought."""
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError(text)
    return value


def prepare(recipe: Recipe, runs: Path, corpus: Corpus) -> dict[str, Any]:
    """Sort `corpus` out into runs/NAME/prepare; returns the accounts and names the first bad rows on stderr."""
    apart = keeping_apart.apart()
    own = Path(corpus.source) == runs / "simulate" / "corpus.jsonl"
    plan = stage.Plan(
        name="prepare",
        folder=runs / "prepare",
        module="distill.prepare",
        inputs={"corpus": Path(corpus.source)} if own else {},
        sources={**({} if own else _source(corpus)), **apart.files},
        settings={**recipes.part(recipe, _SETTINGS), **_settings(corpus), "public_sets": list(apart.public)},
    )

    def build(folder: Path) -> tuple[str, dict[str, Any]]:
        facts = Sorted(folder, recipe, apart).run(corpus)
        jsonl.write(folder / "accounts.json", facts)
        if not facts["kept"]:
            raise InputError(f"{corpus.source}: none of {facts['read']:,} rows is left to ask: {_why(facts, folder)}")
        return said(facts), facts

    facts: dict[str, Any] = stage.run(plan, build)["facts"]
    if facts["unreadable"]:
        _name_problems(plan.folder / "unreadable.jsonl", facts["unreadable"])
    return facts


def said(facts: dict[str, Any]) -> str:
    """Return the accounts in words."""
    removed = ", ".join(f"{n:,} {reason}" for reason, n in facts["removed"].items()) or "none"
    return f"{facts['kept']:,} of {facts['read']:,} rows kept ({facts['unreadable']:,} unreadable; removed: {removed})"


def _why(facts: dict[str, Any], folder: Path) -> str:
    first = next((row for _, row in jsonl.read_lines(folder / "unreadable.jsonl")), None)
    removed = ", ".join(f"{n:,} {reason}" for reason, n in facts["removed"].items())
    unreadable = f"{facts['unreadable']:,} unreadable, the first {first['where']}: {first['problem']}" if first else ""
    return "; ".join(part for part in (removed, unreadable) if part)


def _name_problems(path: Path, count: int) -> None:
    for number, (_, row) in enumerate(jsonl.read_lines(path)):
        if number == _NAMED:
            print(f"unreadable: and {count - _NAMED:,} more, see {path}", file=sys.stderr)
            break
        print(f"unreadable: {printable(row['where'] + ': ' + row['problem'], 400)}", file=sys.stderr)


def _source(corpus: Corpus) -> dict[str, Path]:
    path = Path(corpus.source)
    return {} if path.is_dir() or corpus.source.startswith("hf:") else {"corpus": path}


def _settings(corpus: Corpus) -> dict[str, Any]:
    """Return what decides how a corpus is read; of a folder its files count, of a data set on the hub its name."""
    path = Path(corpus.source)
    held = {"files": stage.files_in(path)} if path.is_dir() else {}
    hub = {"hub": corpus.source} if corpus.source.startswith("hf:") else {}
    return {"columns": corpus.columns(), "encoding": corpus.encoding, **held, **hub}


@errors.command
def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 where any row is left to ask; bad input, or none left, ends with 2."""
    parser = stage.arguments(__doc__ or "", recipes.FOLDER)
    add_arguments(parser)
    args = parser.parse_args(argv)
    recipe = recipes.load(args.recipe)
    runs = stage.run_folder(args.runs, args.recipe)
    prepare(recipe, runs, corpus_of(args, recipe, runs))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
