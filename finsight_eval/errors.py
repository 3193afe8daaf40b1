"""The one error class for "your input, file or flag is wrong", and the one place where a command ends.

    error: benchmarks/news/test.jsonl:118: sentiment 'postive' is not one of Positive, Neutral, Negative

An `InputError`, and a file that the system does not let us read or write, is printed on one line without a traceback
and ends the command with exit code 2. Anything else that escapes a command is a defect of ours: it keeps its traceback
and ends with 70, for 1 is a verdict of the gate. A reader that went away (`... | head`) ends it with 141, as a shell
counts a closed pipe.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import functools
import os
import sys
import traceback
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

EXIT_BAD_INPUT = 2
EXIT_DEFECT = 70
EXIT_INTERRUPTED = 130
EXIT_CLOSED_PIPE = 141

#: Our packages, as `python -m` names them.
OURS = ("finsight_eval", "finsight_train", "distill", "benchmarks")
_DISK = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "read-only disk",
}


#: What Python says of a path that no system takes.
_NUL = "embedded null"


V = TypeVar("V")


class InputError(Exception):
    """Something that the user gave is wrong: says where, what was found, what is allowed and what to do."""


def printable(text: str, limit: int = 200) -> str:
    """Return `text` on one line, safe for a terminal: control and bidirectional marks escaped, cut at `limit`."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:limit])
    return shown + ("..." if len(text) > limit else "")


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the allowed word closest to `word`, or "" where none is close."""
    close = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def verb(arguments: Sequence[str], verbs: Mapping[str, V], owner: str) -> V | None:
    """Return what the first argument stands for, None where it is an option; raises InputError for any other word."""
    if not arguments or arguments[0].startswith("-"):
        return None
    if arguments[0] in verbs:
        return verbs[arguments[0]]
    word, known = printable(arguments[0], 40), ", ".join(f"`{owner} {name}`" for name in verbs)
    raise InputError(
        f"{owner} {word}: there is no {word!r}{nearest(arguments[0], verbs)}; there are: {known}, and `{owner}` "
        "with options only (--help lists them)"
    )


def as_typed() -> str | None:
    """Return "python -m package.verb" for a module run by that, None for a program with a name of its own."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is None or spec.name.partition(".")[0] not in OURS:
        return None
    return f"python -m {spec.name.removesuffix('.__main__')}"


def program(verb: str) -> str:
    """Return how a verb of the running program is typed: "finsight-gate accept"."""
    return f"{os.path.basename(sys.argv[0])} {verb}"  # noqa: PTH119 - as argparse takes it: `python -m x` is no path


def command(main: Callable[[Sequence[str] | None], int]) -> Callable[..., int]:
    """Wrap a `main(argv)`: users' mistakes, files and a full disk become one line on stderr and exit code 2."""

    @functools.wraps(main)
    def guarded(argv: Sequence[str] | None = None) -> int:
        if argv is None and (typed := as_typed()):
            sys.argv[0] = typed  # argparse shows its last part in usage lines
        try:
            code = main(argv)
            sys.stdout.flush()  # a closed pipe shows here, not after the exit code is settled
        except InputError as error:
            print(f"error: {printable(str(error), 2000)}", file=sys.stderr)
        except KeyboardInterrupt:
            print("interrupted; what was finished is kept, the same command goes on from there", file=sys.stderr)
            return EXIT_INTERRUPTED
        except BrokenPipeError:  # `... | head` has read enough
            with contextlib.suppress(OSError):  # no file of the system's stands behind it
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return EXIT_CLOSED_PIPE
        except OSError as error:
            print(f"error: {printable(_said(error), 2000)}", file=sys.stderr)
        except Exception as error:  # noqa: BLE001 - exit code 1 would be a verdict
            if isinstance(error, ValueError) and _NUL in str(error):
                print("error: a path holds a NUL byte; check the paths that were given", file=sys.stderr)
                return EXIT_BAD_INPUT
            lines = traceback.format_exc().splitlines()
            print("\n".join(printable(line, 2000) for line in lines), file=sys.stderr)
            print("this is a defect of finsight, not of your input: please report it", file=sys.stderr)
            return EXIT_DEFECT
        else:
            return code
        return EXIT_BAD_INPUT

    return guarded


def _said(error: OSError) -> str:
    """Return what the system refused, and of which file."""
    if error.errno in _DISK:
        where = f" writing {error.filename}" if error.filename else ""
        return f"{_DISK[error.errno]}{where}; free some space and run it again"
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}; check the path" if error.filename else reason
