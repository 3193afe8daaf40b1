"""Parquet files and Hugging Face data sets: read in batches of rows, the wanted columns only.

read_parquet(Path("news.parquet"), ["headline"])  ->  Found("news.parquet: row 1", {"headline": "Halden cuts ..."})
read_hub("hf:owner/name:train", ["headline"])     ->  the same, streamed from the hub
read_hub("my_set/", [...])                        ->  what `Dataset.save_to_disk` left there
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from distill.inputs.found import Found
from finsight_eval.errors import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HUB: Final = "hf:"
_BATCH: Final = 512


def read_parquet(path: Path, wanted: Sequence[str]) -> Iterator[Found]:
    """Yield the rows of a Parquet file, those of the columns `wanted` that it has.

    Raises:
        InputError: no such file, or no Parquet in it.
    """
    from pyarrow import ArrowException, parquet

    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    try:
        with parquet.ParquetFile(path) as file:
            columns = [name for name in file.schema_arrow.names if name in wanted]
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH, columns=columns or file.schema_arrow.names[:1]):
                for cells in batch.to_pylist():
                    number += 1
                    yield Found(f"{path}: row {number}", cells)
    except (ArrowException, OSError) as error:
        raise InputError(
            f"{path}: no sound Parquet file ({printable(str(error), 120)}); write or fetch it again"
        ) from None


def parquet_columns(path: Path) -> list[str]:
    """Return the column names of a Parquet file, [] where it is none: reading it will say what is wrong."""
    from pyarrow import ArrowException, parquet

    try:
        return list(parquet.read_schema(path).names)
    except (ArrowException, OSError):
        return []


def is_saved(path: Path) -> bool:
    """Tell whether `path` is a folder that `Dataset.save_to_disk` wrote."""
    return (path / "state.json").is_file() or (path / "dataset_dict.json").is_file()


def read_hub(source: str) -> Iterator[Found]:
    """Yield the rows of the data set `source`: "hf:NAME", "hf:NAME:SPLIT" or a folder written by `save_to_disk`.

    Raises:
        InputError: the package `datasets` is missing, or the set cannot be had.
    """
    dataset, shown = _opened(source)
    for number, cells in enumerate(dataset, start=1):
        yield Found(f"{shown}: row {number}", cells)


def _opened(source: str) -> tuple[Any, str]:
    try:
        import datasets
    except ImportError:
        raise InputError(f"{source}: needs the package datasets: pip install datasets") from None
    saved = not source.startswith(HUB)
    name, _, split = (source, "", "") if saved else source.removeprefix(HUB).partition(":")
    try:
        found = (
            datasets.load_from_disk(source)
            if saved
            else datasets.load_dataset(name, split=split or None, streaming=True)
        )
    except Exception as error:  # noqa: BLE001 - the library raises its own, the hub's and the network's
        raise InputError(f"{source}: the data set cannot be had ({printable(str(error), 200)})") from None
    if isinstance(found, dict):
        if len(found) > 1:
            advice = f"give one as {HUB}{name}:SPLIT" if not saved else "give the folder of one"
            raise InputError(f"{source}: has the splits {', '.join(map(str, found))}; {advice}")
        ((split, found),) = found.items()
    return found, str(Path(source).name if saved else source)
