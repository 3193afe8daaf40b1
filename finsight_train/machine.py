"""What a record says of the machine: `NVIDIA H200`, or `CPU, 2 threads, AVX2`."""

from __future__ import annotations

import sys


def hardware(device: str) -> str:
    """Return what trains, in words."""
    import torch

    if device == "cuda":
        return str(torch.cuda.get_device_name())
    return f"CPU, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"


def peak_memory(device: str) -> int:
    """Return the largest memory used so far, in bytes: the GPU's, or this process's."""
    if device == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated())
    import resource

    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes if sys.platform == "darwin" else kilobytes * 1024
