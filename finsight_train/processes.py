"""Training on several GPUs: each process takes its share of a step's passes, and gradients are summed once a step.

    accelerate launch --num_processes 2 -m finsight_train.sft --recipe finsight-7b

The adapter's gradient is one tensor of 160 MB for 7B, so a sum over processes is one call. Loss and step are those of a
single process, whatever the number of processes. Each process holds the whole base.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Processes:
    """This process among those that train together; process 0 prints and writes."""

    rank: int
    count: int
    local_rank: int

    @property
    def first(self) -> bool:
        return self.rank == 0

    def add(self, *tensors: Tensor) -> None:
        """Replace each tensor by its sum over all processes."""
        if self.count > 1:
            import torch.distributed as dist

            for tensor in tensors:
                dist.all_reduce(tensor)

    def wait(self) -> None:
        """Return once every process has come here."""
        if self.count > 1:
            import torch.distributed as dist

            dist.barrier()


def joined(device: str) -> Processes:
    """Return this process among those that `accelerate launch` or torchrun started; alone where none did."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Processes(0, 1, 0)
    from accelerate import PartialState

    state = PartialState(cpu=device == "cpu")
    return Processes(state.process_index, state.num_processes, state.local_process_index)


def leave(processes: Processes) -> None:
    """End the group, so that no process waits for one that has gone."""
    if processes.count > 1:
        import torch.distributed as dist

        dist.destroy_process_group()
