"""The requests of a sample file: were all lines asked with our prompt, the same text around it, and the same settings?

    {"gen_args_0": {"arg_0": "<|im_start|>user <our prompt><|im_end|>", "arg_1": {"max_gen_toks": 512}}}

What surrounds the prompt is the chat template's, and so the same in every line; where it is not, something else was
said to the model, item by item, and the prompt counts as another. Other versions of lm-eval write a list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finsight_eval.errors import InputError, printable
from finsight_eval.jsonl import loads_foreign
from finsight_eval.prompt import prompt_of

if TYPE_CHECKING:
    from pathlib import Path

    from finsight_eval.records import AnyItem


class Requests:
    """What the lines of one file were asked with; `ours` tells whether our prompt stands alike in all of them."""

    def __init__(self, path: Path) -> None:
        self.ours = True
        self._path = path
        self._first: tuple[int, dict[str, Any]] | None = None
        self._around: tuple[str, str] | None = None
        self._encoded: tuple[bytes, bytes] | None = None

    @property
    def generation(self) -> dict[str, Any]:
        """The settings, {} where no line holds any."""
        return self._first[1] if self._first else {}

    def take(self, number: int, arguments: Any, item: AnyItem, encoded: tuple[bytes, bytes] | None) -> None:
        """Look at the request of line `number`; `encoded` is what stands `around` our prompt for `item` in it.

        A line whose bytes around the prompt are those of the line before is not decoded.

        Raises:
            InputError: other settings than those of the first line.
        """
        if encoded is not None and encoded == self._encoded:
            return
        decoded = _decoded(arguments)
        if decoded is not None:
            self._settle(number, _argument(decoded, 1))
        here = _around(_argument(decoded, 0), prompt_of(item))
        self._around = self._around or here
        self.ours = self.ours and here is not None and here == self._around
        if encoded is not None:
            self._encoded = encoded

    def _settle(self, number: int, settings: Any) -> None:
        here = settings if isinstance(settings, dict) else {}
        if self._first is None:
            self._first = number, here
        line, first = self._first
        for key in dict.fromkeys((*first, *here)):
            if key not in first or key not in here or first[key] != here[key]:
                raise InputError(
                    f"{self._path}:{number}: generation setting {printable(key, 40)} is {_shown(here, key)}, on line "
                    f"{line} {_shown(first, key)}; one run has one setting: evaluate all items the same way"
                )


def around(arguments: Any, prompt: bytes) -> tuple[bytes, bytes] | None:
    """Return what stands before and after our `prompt` in a request that nobody has decoded, None without it."""
    if not isinstance(arguments, bytes):
        return None
    before, found, after = arguments.partition(prompt)
    return (before, after) if found else None


def _shown(settings: dict[str, Any], key: str) -> str:
    return printable(repr(settings[key]), 60) if key in settings else "not set"


def _decoded(arguments: Any) -> Any:
    """Return the request of a sample, decoded; None where it is damaged: the reply is there all the same."""
    if not isinstance(arguments, bytes):
        return arguments
    try:
        return loads_foreign(str(arguments, "utf-8"))
    except ValueError:
        return None


def _argument(arguments: Any, place: int) -> Any:
    """Return one argument of the request, None where the sample does not hold it in a shape of lm-eval's."""
    request = arguments.get("gen_args_0") if isinstance(arguments, dict) else arguments
    if isinstance(request, list) and request and isinstance(request[0], list | dict):
        request = request[0]
    if isinstance(request, dict):
        return request.get(f"arg_{place}")
    return request[place] if isinstance(request, list) and len(request) > place else None


def _around(context: Any, ours: str) -> tuple[str, str] | None:
    """Return what stands before and after our prompt, None where it is not there; endpoints log JSON messages."""
    while isinstance(context, list) and context:
        context = context[0]
    if not isinstance(context, str):
        return None
    earlier = ""
    if context.startswith("[{"):
        try:
            *others, last = loads_foreign(context)
            earlier, context = repr(others) if others else "", str(last["content"])
        except (ValueError, LookupError, TypeError):
            pass
    before, found, after = context.partition(ours)
    return (earlier + before, after) if found else None
