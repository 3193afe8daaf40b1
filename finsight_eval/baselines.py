"""Where the accepted baseline of a policy lies: benchmarks/baselines/NAME.json, committed beside the policies.

path_of("nano") -> Path("benchmarks/baselines/nano.json")
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDER: Final = Path("benchmarks/baselines")


def path_of(name: str) -> Path:
    return FOLDER / f"{name}.json"
