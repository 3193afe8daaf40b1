"""Recipes: a YAML file that becomes one flat, frozen, closed dataclass.

    name: nano
    seed: 7
    learning_rate: 2.0e-3

Every problem of a file is listed at once; an unknown key suggests the nearest known one.
"""

from __future__ import annotations

import math
import types
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from finsight_eval.errors import InputError, nearest, printable

if TYPE_CHECKING:
    from pathlib import Path

R = TypeVar("R")


class _ClosedLoader(yaml.SafeLoader):
    """A safe loader that refuses a key that stands twice, which YAML parsers otherwise resolve in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"key {key!r} stands twice (line {node.start_mark.line + 1})")
        return super().construct_mapping(node, deep=deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in `path`; raises InputError where it is no such thing."""
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), Loader=_ClosedLoader)  # noqa: S506 - a SafeLoader
    except FileNotFoundError:
        there = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none"
        raise InputError(f"{path}: no such recipe; there are: {there}") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, a YAML file is expected") from None
    except RecursionError:
        raise InputError(f"{path}: not valid YAML: nested too deeply") from None
    except (yaml.YAMLError, ValueError, TypeError) as error:  # ValueError: no UTF-8, no such date as 2022-13-45
        raise InputError(f"{path}: not valid YAML: {printable(' '.join(str(error).split()), 500)}") from None
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise InputError(f"{path}: a mapping of keys to values is expected")
    return value


def _named(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind).replace("typing.", "")


def _float_of(number: int) -> float:
    """Return a whole number as a float, infinite where it is larger than any: whoever asks for it checks ranges."""
    try:
        return float(number)
    except OverflowError:
        return math.copysign(math.inf, number > 0 or -1)


def _coerced(value: Any, kind: Any) -> Any:
    """Return `value` as `kind`; raises ValueError where it does not fit. 1 passes for a float, true for no number."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        for option in args:
            try:
                return _coerced(value, option)
            except ValueError:
                continue
        raise ValueError
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError
        return tuple(_coerced(element, args[0]) for element in value)
    if origin is dict:
        if not isinstance(value, dict):
            raise ValueError
        return {_coerced(key, args[0]): _coerced(element, args[1]) for key, element in value.items()}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return _float_of(value)
    if kind is types.NoneType and value is None:
        return None
    if isinstance(kind, type) and isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise ValueError


def load(path: Path, kind: type[R]) -> R:
    """Return the recipe in `path` as a `kind` (a frozen dataclass).

    Raises:
        InputError: lists every unknown key (with the nearest known one), missing key and value of a wrong type.
    """
    values = read_yaml(path)
    hints = get_type_hints(kind)
    problems = [f"unknown key {printable(key, 40)!r}{nearest(key, hints)}" for key in values if key not in hints]
    made: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name not in values:
            if field.default is MISSING and field.default_factory is MISSING:
                problems.append(f"key {field.name!r} is missing")
            continue
        try:
            made[field.name] = _coerced(values[field.name], hints[field.name])
        except ValueError:
            found = printable(repr(values[field.name]), 60)
            problems.append(f"{field.name} is {found}, {_named(hints[field.name])} is expected")
    if problems:
        raise InputError(f"{path}: {'; '.join(problems)}")
    try:
        return kind(**made)
    except ValueError as error:  # a __post_init__ that checks ranges
        raise InputError(f"{path}: {error}") from None
