"""The training loop: steps, the curve, evaluations on dev items, checkpoints, and when to stop.

    {"step": 12, "epoch": 0.17, "loss": 2.3104, "learning_rate": 0.00182, "grad_norm": 0.91}

A step's loss is the mean over all labelled tokens of its rows, however many passes and processes they are spread over.
Killed at any moment, a training goes on from its last checkpoint and takes the very steps that it would have taken.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import torch

from finsight_eval.errors import InputError
from finsight_train import checkpoint, course, optimiser, packing, sitting, timetable
from finsight_train.interrupt import asked_to_stop
from finsight_train.progress import Progress
from finsight_train.task import Taken, Task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from finsight_train.adapter import Adapter
    from finsight_train.network import Network

#: Seconds between two lines of progress.
_PROGRESS_SECONDS: Final = 10.0
#: So many dev items are decoded together; with fewer a GPU waits for its memory, with more nothing is gained.
_ROWS_TOGETHER: Final = 64


class Training:
    """One training; `run` takes it to its end."""

    def __init__(self, task: Task, network: Network, adapter: Adapter) -> None:
        self.task, self.network, self.adapter = task, network, adapter
        self.optimiser = optimiser.optimiser_of(adapter, task.recipe)
        self.progress = Progress()
        self.best: Tensor | None = None  # the adapter's values at the best evaluation
        self.steps = task.steps
        evaluations = task.recipe.dev_evaluations if task.exam else 0
        self.due = timetable.evaluation_steps(len(self.steps), evaluations)
        self._taken: Taken | None = None
        self._clock = self._shown = 0.0
        self._asked, self._stop_asked = threading.Event(), False

    @property
    def best_step(self) -> int:
        """Return the step whose adapter is kept: the best on dev items, or the last where none were asked."""
        points = [course.point_of(row) for row in self.progress.dev]
        return course.best(points).step if points else self.progress.step

    def run(self) -> None:
        """Train from the last checkpoint, or from the start, to the end; leaves the best adapter in place.

        Raises:
            InputError: a loss or gradient that is not finite.
            KeyboardInterrupt: asked to stop, after a checkpoint was written.
        """
        self._resume()
        self._clock, number = time.monotonic(), self.progress.step
        with asked_to_stop() as self._asked:
            while number < len(self.steps) and not self.progress.stopped:
                self._take()
                number += 1
                if number in self.due:
                    self._evaluate()
                if self._stop_asked:
                    place = self._save()
                    raise KeyboardInterrupt(f"stopped after step {number}; {place} holds it")
                if number % self.task.recipe.checkpoint_steps == 0:
                    self._save()
        self._save()  # what follows may be killed, too
        if self.best is not None:
            self.adapter.load(self.best)
            self.network.refresh()

    def _take(self) -> None:
        """Take the next step, and read what the one before it gave: a GPU never waits for the host."""
        done = self.progress.step + (self._taken is not None)
        epoch, numbers = self.steps[done]
        rate = optimiser.learning_rate(done + 1, len(self.steps), self.task.recipe)
        labelled = sum(label >= 0 for row in numbers for label in self.task.rows[row].labels)
        loss, asked, computed = self._backward(numbers, 1.0 / labelled)
        norm = optimiser.update(self.optimiser, self.adapter, loss, rate, self.task.recipe.clip_norm)
        self.network.refresh()
        values = torch.stack((loss, norm, asked))
        event = None
        if values.is_cuda:
            values = torch.empty(3, pin_memory=True).copy_(values, non_blocking=True)
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record()
        before, self._taken = self._taken, Taken(numbers, epoch, rate, labelled, computed, values, event)
        if before is not None:
            self._account(before)
        if event is None:  # there is nothing to wait for
            self._settle()

    def _settle(self) -> None:
        """Read what the last step gave."""
        taken, self._taken = self._taken, None
        if taken is not None:
            self._account(taken)

    def _backward(self, numbers: Sequence[int], scale: float) -> tuple[Tensor, Tensor, int]:
        """Add the gradient of a step's loss to the adapter's.

        Returns the loss, above 0 if any process was asked to stop, and how many tokens are computed, each of them over
        all processes. A beginning that rows share is computed once a pass.
        """
        task, capacity = self.task, self.network.placement.tokens
        shared = len(task.prefix)
        sizes = {row: len(task.rows[row].input_ids) - shared for row in numbers}
        room = sum(sizes.values()) if capacity is None else capacity - shared
        shares = packing.shares_of(numbers, sizes, task.processes.count)
        passes = [packing.passes_of(share, sizes, room) for share in shares]
        loss = self.adapter.values.new_zeros(())
        asked = loss + float(self._asked.is_set())
        for part in passes[task.processes.rank]:
            pack = packing.pack_of([task.rows[row] for row in part], task.prefix, capacity, self.adapter.values.device)
            found = self.network.loss(pack, scale)
            found.backward()  # type: ignore[no-untyped-call]
            loss += found.detach()
        task.processes.add(self.adapter.gradient, loss, asked)
        return loss, asked, sum(sizes.values()) + shared * sum(map(len, passes))

    def _account(self, taken: Taken) -> None:
        progress, step = self.progress, self.progress.step + 1
        loss, norm, asked = taken.read()
        self._stop_asked = self._stop_asked or asked > 0
        found = {"loss": loss, "learning_rate": taken.rate, "grad_norm": norm}
        self._check(step, taken.numbers, found)
        progress.step = step
        progress.tokens += sum(len(self.task.rows[row].input_ids) for row in taken.numbers)
        progress.labelled += taken.labelled
        progress.computed += taken.computed
        progress.curve.append({"step": step, "epoch": round(taken.epoch, 4), **found})
        now = time.monotonic()
        progress.seconds, self._clock = progress.seconds + now - self._clock, now
        progress.first_step_seconds = progress.first_step_seconds or progress.seconds
        self._show()

    def _check(self, step: int, numbers: Sequence[int], found: Mapping[str, float]) -> None:
        for name, words in (("loss", "loss"), ("grad_norm", "gradient's norm")):
            if not math.isfinite(found[name]):
                ids = ", ".join(self.task.rows[row].id for row in numbers[:8]) + (", ..." if len(numbers) > 8 else "")
                place = checkpoint.newest(self.task.checkpoints)
                good = f"the last good checkpoint is {place}" if place else "no checkpoint was written yet"
                raise InputError(
                    f"step {step}: the {words} is {found[name]}; training stopped before it changed the adapter. "
                    f"Rows of this step: {ids}. {good}. Lower learning_rate, or look for broken rows"
                )

    def _evaluate(self) -> None:
        """Let the adapter as it is answer the dev items, and judge the course so far."""
        self._settle()
        task, progress = self.task, self.progress
        assert task.exam is not None  # noqa: S101 - else no evaluation is due
        verdict = torch.zeros((), dtype=torch.float32, device=self.adapter.values.device)
        started = time.monotonic()
        if task.processes.first:
            with self.network.generating() as model:
                marks = sitting.sit(task.exam, model, lambda _: _ROWS_TOGETHER)
            row = {**marks.row(progress.step), "epoch": progress.curve[-1]["epoch"]}
            progress.dev.append(row)
            progress.replies += marks.replies(progress.step)
            losses = [found["loss"] for found in progress.curve]
            points = [course.point_of(row) for row in progress.dev]
            judgement = course.judged(points, losses, task.recipe.patience)
            stop = judgement.stop and progress.step < len(self.steps)
            verdict += 2 * (judgement.best_step == progress.step) + stop
            progress.warning = judgement.warning or progress.warning
            print(
                f"  dev at step {progress.step}: parse {marks.json_parse_rate:.2f}, F1 {marks.sentiment_f1:.3f}, "
                f"risk {marks.risk_accuracy:.3f} (n = {marks.n}, {marks.seconds:.1f} s)",
                flush=True,
            )
            if stop:
                print(f"  stopped early: {judgement.reason}", flush=True)
                progress.stopped = judgement.reason
        task.processes.add(verdict)
        if float(verdict) >= 2:
            self.best = self.adapter.values.detach().clone()
        if float(verdict) % 2 and progress.stopped is None:
            progress.stopped = "stopped by process 0"
        progress.dev_seconds += time.monotonic() - started
        self._clock = time.monotonic()

    def _save(self) -> Path:
        self._settle()
        moments = self.optimiser.state[self.adapter.values]
        tensors = {"adapter": self.adapter.values, **{name: moments[name] for name in optimiser.MOMENTS}}
        if self.best is not None:
            tensors["best"] = self.best
        place = self.task.checkpoints
        if self.task.processes.first:
            state = {"of": dict(self.task.of), "names": self.adapter.names, "progress": asdict(self.progress)}
            place = checkpoint.save(self.task.checkpoints, self.progress.step, tensors, state)
        self.task.processes.wait()
        self._clock = time.monotonic()
        return place

    def _resume(self) -> None:
        place = checkpoint.matching(self.task.checkpoints, self.task.of)
        if place is None:
            return
        tensors, state = checkpoint.load(place)
        if state["names"] != self.adapter.names:
            raise InputError(f"{place}: holds the adapter of another model; start over with --from-scratch")
        self.adapter.load(tensors["adapter"])
        moments = self.optimiser.state[self.adapter.values]
        moments["step"].fill_(state["step"])
        for name in optimiser.MOMENTS:
            moments[name].copy_(tensors[name])
        if "best" in tensors:
            self.best = tensors["best"].to(self.adapter.values.device)
        self.progress = Progress(**state["progress"])
        self.network.refresh()
        if self.task.processes.first:
            print(f"  going on after step {self.progress.step} of {len(self.steps)}", flush=True)

    def _show(self) -> None:
        now, progress = time.monotonic(), self.progress
        due = now - self._shown >= _PROGRESS_SECONDS or progress.step in {1, len(self.steps)}
        if self.task.processes.first and due:
            self._shown = now
            print(f"  {progress.line(len(self.steps))}", flush=True)
