"""Whom the exposures look at: a model's answers, and what is known of its training.

    Subject({"adapter": {"finsight": [Verdict, ...]}}, trained=None)

A report's Run is one, too: whatever holds these four may be examined, so that gate and report find the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from finsight_eval.verdicts import Verdict

if TYPE_CHECKING:
    from finsight_eval.exposing.trained import Trained

Answers = Mapping[str, Mapping[str, Sequence[Verdict]]]


class Examined(Protocol):
    """What is asked of a subject.

    Attributes:
        verdicts: model -> task -> verdicts; the "adapter" is examined, the "base" may be missing.
        trained: what was trained on, or None where it is not known.
        overlap: the record of the overlap between training data and benchmark, or None.
        losses: rows {"step", "loss", ...} of the training, empty where it is not known.
    """

    @property
    def verdicts(self) -> Answers: ...
    @property
    def trained(self) -> tuple[Trained, ...] | None: ...
    @property
    def overlap(self) -> Mapping[str, Any] | None: ...
    @property
    def losses(self) -> Sequence[Mapping[str, Any]]: ...


@dataclass(frozen=True)
class Subject:
    """A model that is no more than its answers, and as much of its training as is known."""

    verdicts: Answers
    trained: tuple[Trained, ...] | None = None
    overlap: Mapping[str, Any] | None = None
    losses: Sequence[Mapping[str, Any]] = ()
