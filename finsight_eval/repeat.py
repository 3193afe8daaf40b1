"""Repetitions: the same evaluation k times, so that what varies by itself can be told from a change.

    repetitions(suite, 3, 0.0) -> [Repetition(1, batch_size=64), Repetition(2, 32), Repetition(3, 16)]
                                  in eval/adapter, eval/adapter-repeat/2 and eval/adapter-repeat/3

The rule. Greedy (temperature 0): run 1 is the ordinary evaluation, and every further run halves the batch size. Sums of
floating-point numbers come in another order then, and a close call between two tokens may tip, as it may with another
driver or GPU. An endpoint batches as it likes, so there every run asks the same again. At a temperature T > 0 all k
runs are sampled, each under a seed of its own, and lie in eval/adapter-repeat/tT-1 ... tT-k; the ordinary evaluation
stays what it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finsight_eval.errors import InputError
from finsight_eval.suite import ENDPOINT

if TYPE_CHECKING:
    from pathlib import Path

    from finsight_eval.suite import Suite


@dataclass(frozen=True)
class Repetition:
    """One of k runs; `seed` is None where nothing is drawn."""

    number: int
    batch_size: int
    temperature: float = 0.0
    seed: int | None = None

    def folder(self, run: Path, model: str) -> Path:
        """Return where its files go."""
        if self.temperature:
            return run / "eval" / f"{model}-repeat" / f"t{self.temperature:g}-{self.number}"
        return run / "eval" / f"{model}-repeat" / str(self.number) if self.number > 1 else run / "eval" / model

    def generation(self) -> dict[str, bool | float]:
        """Return what it changes in the generation settings of the tasks, which are greedy."""
        return {"do_sample": True, "temperature": self.temperature} if self.temperature else {}


def repetitions(settings: Suite, k: int, temperature: float) -> list[Repetition]:
    """Return the k runs; raises InputError for a k or a temperature that cannot be."""
    if k < 1:
        raise InputError(f"--repeat is {k}; at least 1 is expected")
    if not 0 <= temperature <= 2:
        raise InputError(f"--temperature is {temperature:g}; 0 (greedy) to 2 is expected")
    size = settings.batch_size
    if temperature:
        return [Repetition(number, size, temperature, seed=number) for number in range(1, k + 1)]
    if settings.model == ENDPOINT:
        return [Repetition(number, size) for number in range(1, k + 1)]
    if k > (most := size.bit_length()):
        raise InputError(
            f"--repeat is {k}; halving batch_size {size} gives {most} runs at most: raise batch_size in the suite, or "
            "sample with --temperature"
        )
    return [Repetition(number, size >> (number - 1)) for number in range(1, k + 1)]
