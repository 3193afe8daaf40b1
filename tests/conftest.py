"""Tests run several at a time: each process then computes with one thread, else they starve each other."""

from __future__ import annotations

import os

# before torch is imported
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
