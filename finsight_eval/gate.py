"""The gate: may a model ship?

    finsight-gate --recipe nano                                    the adapter of a run of ours
    finsight-gate --policy ci --candidate out [--baseline FILE]    lm-eval's samples of any model, trained anywhere

It holds the candidate's figures against a policy, against a reference (the untrained base, or the previous release)
and against an accepted baseline, item by item, and leaves gate.json, junit.xml and summary.md:

    {"verdict": "regressed", "policy": "ci", "checks": [{"task": "finsight", "metric": "sentiment_f1", ...}], ...}

A candidate whose answers give it away by name, such as one that labels at random, is "exposed" where the policy lets
that block, however good its figures are.

Exit code: 0 pass, 1 regressed or exposed, 2 bad input, 3 inconclusive where the policy says that this blocks. Without
a verdict it ends with 70, a defect of ours, with 130 where it was interrupted, with 141 where nobody reads its output.
`finsight-gate accept` makes a run or samples the baseline; `finsight-gate record` keeps replies without the benchmark's
texts.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import accept, jsonl, policy, stage
from finsight_eval.errors import InputError, command, verb
from finsight_eval.gating import contest, exposed, recorded
from finsight_eval.gating import output as gate_output
from finsight_eval.gating.arguments import files_of, parser_of
from finsight_eval.gating.checks import Ruling, stops
from finsight_eval.gating.screen import coloured, verdict_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from finsight_eval.gating.contest import Contest
    from finsight_eval.policy import Policy

EXIT_REGRESSED: Final = 1
EXIT_INCONCLUSIVE: Final = 3
#: Where the files of a gate on samples go.
OUT: Final = Path("finsight-gate")


def exit_code(verdict: str, bounds: Policy) -> int:
    """Return the exit code of an overall ruling."""
    if not stops(verdict, bounds):
        return 0
    return EXIT_INCONCLUSIVE if verdict == Ruling.INCONCLUSIVE else EXIT_REGRESSED


def _plan(bounds: Policy, run: Path, policy_path: Path, baseline: Path | None) -> stage.Plan:
    inputs = {"base": run / "score" / "base", "adapter": run / "score" / "adapter"}
    optional = {"overlap": contest.overlap_of(run, bounds), "noise": contest.noise_of(run)}
    inputs |= {name: path for name, path in optional.items() if path and path.is_file()}
    return stage.Plan(
        name="gate",
        folder=run / "gate",
        module="finsight_eval.gate",
        inputs=inputs | exposed.sources_of(run),
        sources={"policy": policy_path, **({"baseline": baseline} if baseline else {})},
        settings=asdict(bounds),
    )


def _write(out: Path, bounds: Policy, found: Contest) -> tuple[Ruling, str]:
    """Write the gate's files and return its ruling and a phrase for the screen."""
    checks = found.checks(bounds)
    verdict = gate_output.write_gate(out, bounds, found, checks)
    counts = [(sum(check.verdict is ruling for check in checks), ruling) for ruling in Ruling]
    counted = [f"{count} {ruling}" for count, ruling in counts if count]
    counted += [f"exposed: {name}" for name in exposed.names_of(found.exposures)]
    return verdict, f"{verdict}: {', '.join(counted)}"


def gate_run(recipe: str, runs: Path) -> tuple[Path, Policy]:
    """Gate the adapter of a recipe's run and return the folder of the verdict and the policy."""
    path, run = stage.recipe_path(recipe, policy.FOLDER), stage.run_folder(runs, recipe)

    def judged() -> Policy:
        bounds = policy.load(path)
        baseline = found if (found := policy.baseline_path(bounds.name)).is_file() else None

        def build(out: Path) -> tuple[str, dict[str, Any]]:
            verdict, phrase = _write(out, bounds, contest.of_run(bounds, run, baseline))
            return phrase, {"verdict": verdict}

        stage.run(_plan(bounds, run, path, baseline), build)
        return bounds

    try:
        return run / "gate", judged()
    except InputError as error:
        if run.is_dir():
            _refuse(run / "gate", path.stem, error)
        raise
    except Exception:
        gate_output.clear(run / "gate")  # an earlier verdict is none on what could not be judged
        raise


def gate_files(named: str, files: contest.Files, out: Path) -> tuple[Path, Policy]:
    """Gate samples or records of replies and return the folder of the verdict and the policy."""
    path = policy.path_of(named)
    gate_output.clear(out)  # no crash leaves an earlier verdict
    try:
        bounds = policy.load(path)
        _, phrase = _write(out, bounds, contest.of_files(bounds, files))
    except InputError as error:
        _refuse(out, path.stem, error)
        raise
    print(f"[gate] {phrase} -> {out}", flush=True)
    return out, bounds


def _refuse(out: Path, name: str, error: InputError) -> None:
    gate_output.write_refusal(out, name, error)
    gate_output.show_on_github(out / "summary.md")


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("Hold the adapter of a run, or anyone's samples, against a policy.")
    parser.add_argument("--exit-zero", action="store_true", help="write the verdict and exit 0 whatever it is")
    parser.add_argument("--out", type=Path, help=f"folder for the files of a gate on samples (default: {OUT})")
    parser.epilog = (
        "exit code: 0 pass, 1 regressed or exposed by name, 2 bad input, 3 inconclusive where that blocks;\n"
        "no verdict: 70 a defect of finsight (with a traceback), 130 interrupted, 141 nobody reads the output\n"
        "finsight-gate accept --help: make a run or samples the baseline that later ones are held against\n"
        "finsight-gate record --help: keep replies without the benchmark's texts"
    )
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Gate a run or samples, accept a baseline, or record replies; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if other := verb(arguments, {"accept": accept.main, "record": recorded.main}, "finsight-gate"):
        return other(arguments[1:])
    options = _parser().parse_args(arguments)
    if files := files_of(options):
        out, bounds = gate_files(options.policy, files, options.out or OUT)
    else:
        out, bounds = gate_run("nano" if options.recipe is None else options.recipe, options.runs)
    gate_output.show_on_github(out / "summary.md")
    found = jsonl.read(out / "gate.json")
    print(verdict_table(found, coloured(sys.stdout)), flush=True)
    return 0 if options.exit_zero else exit_code(found["verdict"], bounds)


if __name__ == "__main__":
    raise SystemExit(main())
