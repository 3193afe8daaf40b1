"""A step recorded once and played back: starting a thousand small kernels one by one takes longer than running them.

    step(256) -> 1st call: run, then recorded; 2nd call on: played back, as one launch

A recording holds for one number of rows. A step that cannot be recorded (it waits for the GPU, say) is run as it is.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable


class Recorded:
    """`step`, recorded for each number of rows that it is called with; it must work on tensors that stay in place."""

    def __init__(self, step: Callable[[int], None]) -> None:
        self.step, self.serves = step, True
        self.recordings: dict[int, torch.cuda.CUDAGraph] = {}
        self.pool = torch.cuda.graph_pool_handle()

    def __call__(self, rows: int) -> None:
        """Run the step for the first `rows` rows."""
        if rows in self.recordings:
            self.recordings[rows].replay()
            return
        self.step(rows)
        if self.serves:
            self._record(rows)

    def _record(self, rows: int) -> None:
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self.pool, capture_error_mode="thread_local"):
                self.step(rows)
        except RuntimeError as error:
            self.serves = False
            reason = str(error.__context__ or error).strip().splitlines()[0]  # ending a failed recording fails, too
            print(f"decoding without a CUDA graph, hence slower: {reason}", file=sys.stderr)
        else:
            self.recordings[rows] = graph
