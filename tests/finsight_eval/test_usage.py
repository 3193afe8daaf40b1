"""The usage line of every command is what one types: `python -m package.verb`, or the name of the installed program."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("finsight_eval", "finsight_train", "distill", "benchmarks")
#: Runs every module of argv[1] as `python -m` would, with --help, and prints module -> first line.
ASK = """
import contextlib, io, json, runpy, sys
found = {}
for words in json.loads(sys.argv[1]):
    module, *verb = words.split()
    sys.argv, shown = [module.replace(".", "/") + ".py", *verb, "--help"], io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    found[words] = shown.getvalue().partition("\\n")[0]
print(json.dumps(found))
"""


def verbs() -> list[str]:
    """Return every module of ours that is run and ends through the one place where commands end."""
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if 'if __name__ == "__main__"' in text and "command\ndef main(" in text:
                parts = path.relative_to(ROOT).with_suffix("").parts
                found.append(".".join(parts[:-1] if parts[-1] == "__main__" else parts))
    return found


WORDS = [*verbs(), "finsight_eval.gate accept", "finsight_eval.gate record", "finsight_eval.report compare"]


@pytest.fixture(scope="module")
def usages() -> dict[str, str]:
    """Return module -> usage line, all asked in one process."""
    done = subprocess.run([sys.executable, "-c", ASK, json.dumps(WORDS)], cwd=ROOT, capture_output=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_the_commands_are_found() -> None:
    """All packages have some; a table that found none would hold for anything."""
    assert {verb.partition(".")[0] for verb in verbs()} == set(PACKAGES)
    assert {"finsight_eval.gate", "distill.generate", "finsight_train.sft", "benchmarks.check"} <= set(verbs())


@pytest.mark.parametrize("words", WORDS)
def test_the_usage_is_the_command_as_one_types_it(words: str, usages: dict[str, str]) -> None:
    """Not the file's name, which no shell knows."""
    assert usages[words].startswith(f"usage: python -m {words} ")


def test_an_installed_program_goes_by_its_own_name(tmp_path: Path) -> None:
    """As pip writes it: a script whose name is the command."""
    script = tmp_path / "finsight-gate"
    script.write_text("import sys\nfrom finsight_eval.gate import main\nsys.exit(main())\n", encoding="utf-8")
    for verb in ([], ["accept"], ["record"]):
        command = [sys.executable, str(script), *verb, "--help"]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)}
        )
        assert done.stdout.startswith(f"usage: {' '.join(['finsight-gate', *verb])} ")
