"""The one error class for "your input, file or flag is wrong", and the one place where a command ends.

    error: benchmarks/news/test.jsonl:118: sentiment 'postive' is not one of Positive, Neutral, Negative

An `InputError` is printed on one line without a traceback and ends the command with exit code 2. Anything else that
escapes a command is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
import errno
import functools
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130

_DISK = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "read-only disk",
}


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


def command(main: Callable[[Sequence[str] | None], int]) -> Callable[..., int]:
    """Wrap a `main(argv)`: users' mistakes and a full disk become one line on stderr and exit code 2."""

    @functools.wraps(main)
    def guarded(argv: Sequence[str] | None = None) -> int:
        try:
            return main(argv)
        except InputError as error:
            print(f"error: {printable(str(error), 2000)}", file=sys.stderr)
        except KeyboardInterrupt:
            print("interrupted; what was finished is kept, the same command goes on from there", file=sys.stderr)
            return EXIT_INTERRUPTED
        except BrokenPipeError:  # `... | head` has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except OSError as error:
            if error.errno not in _DISK:
                raise
            where = f" writing {error.filename}" if error.filename else ""
            print(f"error: {_DISK[error.errno]}{where}; free some space and run it again", file=sys.stderr)
        return EXIT_BAD_INPUT

    return guarded
