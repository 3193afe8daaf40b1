"""The journal of an evaluation: every reply is on disk the moment the backend hands it over, so a kill costs a batch.

    {"key": "9f1c...", "reply": "<thinking>..."}

One file belongs to one evaluation: its name is a hash of all that decides the replies (weights, prompt, settings, code,
libraries), so that a reply never serves another model, as far as can be told: what a hub or an endpoint serves under
the same name may change unseen. `key` is the hash of a request; equal requests have a line each, and
the n-th line answers the n-th. lm-eval's own cache does not know the model, and is not used.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Self

from finsight_eval import jsonl, manifest
from finsight_eval.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from finsight_eval.stage import Plan


def key_of(context: Any, generation: Any) -> str:
    """Return the hash of one request: the text (or messages) that the model reads, and the generation settings."""
    text = jsonl.dumps([context, generation])
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def path_of(plan: Plan) -> Path:
    """Return the journal's place: beside the stage's folder, which is wiped when the stage starts anew.

    Inputs count by their manifests, which list the hashes of what lies there: the stage has just verified it. A model
    folder without a manifest counts by its files, which stand in the settings.
    """
    homes = {name: manifest.home_of(path) for name, path in plan.inputs.items()}
    about = {
        "stage": plan.name,
        "settings": plan.settings,
        "inputs": {name: manifest.sha256(home / manifest.NAME) for name, home in homes.items() if home},
        "sources": {name: manifest.sha256(path) for name, path in plan.sources.items()},
        "code": manifest.code_digest(plan.module),
        "versions": manifest.versions(),
    }
    digest = hashlib.sha256(jsonl.dumps(about).encode()).hexdigest()
    return plan.folder.with_name(f"{plan.folder.name}.journal") / f"{digest[:32]}.jsonl"


def remove(path: Path) -> None:
    """Remove a journal that has served, and its folder with the last one."""
    path.unlink(missing_ok=True)
    if path.parent.is_dir() and not any(path.parent.iterdir()):
        path.parent.rmdir()


class Journal:
    """The replies in one file; a context manager.

    `taken` counts the replies that it gave, `added` those it received. A line is written at once, which outlives a
    killed process; every `sync_every` lines are forced to the disk, which outlives a power cut.
    """

    def __init__(self, path: Path, sync_every: int) -> None:
        """Read what `path` holds, a torn last line apart, and open it for more."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._replies = _replies_in(path)
        self._file = path.open("ab", buffering=0)
        self._sync_every = sync_every
        self.taken = self.added = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.fsync(self._file.fileno())
        self._file.close()

    def take(self, key: str) -> str | None:
        """Return the next journalled reply to the request `key`, or None where none is left."""
        replies = self._replies.get(key)
        if not replies:
            return None
        self.taken += 1
        return replies.popleft()

    def add(self, key: str, reply: str) -> None:
        """Append one reply."""
        self._file.write((jsonl.dumps({"key": key, "reply": reply}) + "\n").encode())
        self.added += 1
        if self.added % self._sync_every == 0:
            os.fsync(self._file.fileno())


def _replies_in(path: Path) -> dict[str, deque[str]]:
    """Return key -> replies, cutting a torn last line off the file: the next line would be glued to it."""
    found: dict[str, deque[str]] = {}
    if not path.is_file():
        return found
    whole, newline, torn = path.read_bytes().rpartition(b"\n")
    if torn:
        os.truncate(path, len(whole) + len(newline))
    for number, line in enumerate(whole.split(b"\n") if newline else [], start=1):
        try:
            row = jsonl.loads(line.decode())
            found.setdefault(row["key"], deque()).append(row["reply"])
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"{path}:{number}: no journalled reply; delete the file, and its replies are asked for again"
            ) from None
    return found


def storable(reply: Any) -> str | None:
    """Return `reply` as it can be written: half a surrogate pair, which no file holds, is spelt out."""
    return reply.encode("utf-8", "backslashreplace").decode() if isinstance(reply, str) else None


class Journalled:
    """A model's `generate_until` with a journal: what it holds is not asked again, and what comes is added to it.

    It stands in for the method of the lm-eval model that it is given, and is its cache hook, which backends call with
    every finished reply. Some report other settings than those they were asked with, so only the context is theirs.
    """

    def __init__(self, model: Any, journal: Journal, say: Callable[[str], None]) -> None:
        """Take the place of `model.generate_until`; `say` is told how many replies were there already."""
        self._ask, self._journal, self._say = model.generate_until, journal, say
        self._generation: Any = None
        self._heard: Counter[str] = Counter()
        model.set_cache_hook(self)
        model.generate_until = self.replies

    def add_partial(self, _method: str, request: Sequence[Any], reply: Any) -> None:
        """Add a reply that the backend has just finished."""
        key, said = key_of(request[0], self._generation), storable(reply)
        if said is not None:
            self._heard[key] += 1
            self._journal.add(key, said)

    def replies(self, requests: Sequence[Any], **options: Any) -> list[str | None]:
        """Return the replies to lm-eval's `requests`, in order.

        A request that failed gives None; it is not journalled, so the next run asks it again.
        """
        found = [self._journal.take(key_of(*request.args)) for request in requests]
        missing = [place for place, reply in enumerate(found) if reply is None]
        if len(missing) < len(requests):
            self._say(f"{len(requests) - len(missing):,} of {len(requests):,} replies taken from the journal")
        for places in _alike(requests, missing):
            new = self._asked([requests[place] for place in places], options)
            for place, reply in zip(places, new, strict=True):
                found[place] = reply
        return found

    def _asked(self, requests: Sequence[Any], options: dict[str, Any]) -> list[str | None]:
        self._generation, self._heard = requests[0].args[1], Counter()
        replies = [storable(reply) for reply in self._ask(requests, **options)]
        for request, reply in zip(requests, replies, strict=True):
            key = key_of(*request.args)
            if self._heard[key]:
                self._heard[key] -= 1
            elif reply is not None:  # a backend that reports nothing on the way
                self._journal.add(key, reply)
        return replies


def _alike(requests: Sequence[Any], places: Sequence[int]) -> list[list[int]]:
    """Return `places` in groups of equal generation settings."""
    groups: dict[str, list[int]] = {}
    for place in places:
        groups.setdefault(jsonl.dumps(requests[place].args[1]), []).append(place)
    return list(groups.values())
