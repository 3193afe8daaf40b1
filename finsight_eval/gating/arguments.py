"""How `finsight-gate` and `finsight-gate accept` are told whom to judge: a run of ours, or files of anyone's.

--recipe nano
--policy ci --candidate out/candidate --reference out/base --baseline baseline.json --overlap overlap.json
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from finsight_eval import policy, stage
from finsight_eval.errors import InputError
from finsight_eval.gating.contest import Files

if TYPE_CHECKING:
    import argparse

_ONLY_FILES = ("policy", "reference", "baseline", "overlap", "noise", "out")


def parser_of(purpose: str) -> argparse.ArgumentParser:
    """Return a parser that takes either --recipe, or --policy and --candidate."""
    parser = stage.arguments(purpose, policy.FOLDER)
    parser.set_defaults(recipe=None)
    group = parser.add_argument_group(
        "models trained elsewhere",
        "What lm-eval wrote with --log_samples (its output folder or samples_*.jsonl), or a record of replies (.json).",
    )
    group.add_argument("--policy", help="a YAML file, or the name of a policy that is shipped, such as ci")
    group.add_argument("--candidate", nargs="+", type=Path, metavar="PATH", help="the model to be judged")
    group.add_argument(
        "--reference", nargs="+", type=Path, metavar="PATH", default=[], help="the untrained base, or the last release"
    )
    group.add_argument("--baseline", type=Path, metavar="FILE", help="the accepted baseline")
    group.add_argument("--overlap", type=Path, metavar="FILE", help="overlap.json: training data against benchmark")
    group.add_argument("--noise", type=Path, metavar="FILE", help="noise.json: how far repeated runs moved the figures")
    return parser


def files_of(options: argparse.Namespace) -> Files | None:
    """Return the files that are to be judged, None for a run; raises InputError for a mixture of the two."""
    if options.candidate is None:
        if given := [f"--{name}" for name in _ONLY_FILES if getattr(options, name, None)]:
            raise InputError(f"{', '.join(given)} belongs to --candidate; name the samples, or gate a run by --recipe")
        return None
    if options.recipe is not None:
        raise InputError(f"--recipe {options.recipe} and --candidate exclude each other; give one of the two")
    if options.policy is None:
        raise InputError("--candidate needs a --policy: a YAML file, or ci for the one that is shipped")
    paths = options.baseline, options.overlap, options.noise
    return Files(tuple(options.candidate), tuple(options.reference), *paths)
