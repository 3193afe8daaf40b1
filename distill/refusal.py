"""What an HTTP error of a chat-completions endpoint means: for one row, for a while, or for the whole run.

advice(401, "invalid_api_key Incorrect API key provided.", "deepseek-flash", "DEEPSEEK_API_KEY")
    -> "the key is not accepted: set the environment variable DEEPSEEK_API_KEY"
advice(400, "too long", ...) -> None: this row's fault        advice(429, "slow down", ...) -> None: a matter of time
"""

from __future__ import annotations

import email.utils
import time
from typing import Final

from finsight_eval import jsonl

#: Besides all of 500 and above: a later attempt may succeed.
PASSING: Final = frozenset({408, 409, 425, 429})
#: What an endpoint says that is asked too much.
LOSS: Final = frozenset({429, 503})


def advice(status: int, said: str, model: str, key_env: str | None) -> str | None:
    """Return what the user must do about an answer that no retry and no other row will change, or None.

    Providers say "no such model" with 404 or, DeepSeek among them, with 400; and "no money" with 402 or 429.
    """
    words = said.casefold()
    key = f"the environment variable {key_env}" if key_env else "api_key_env in the recipe, this endpoint wants a key"
    if status == 401:
        return f"the key is not accepted: set {key}"
    if status == 402 or "insufficient_quota" in words or "insufficient balance" in words:
        return "the account is out of money: top it up and run the same command again, stored answers are kept"
    if status == 403:
        return f"access is denied: check {key} and what its account may use"
    if status == 404 or (status == 400 and "model" in words and ("not exist" in words or "not found" in words)):
        return f"check model ({model}) and base_url in the recipe"
    if status < 400 or status == 405:
        return "this is no chat-completions endpoint: check base_url in the recipe (many end in /v1)"
    return None


def words_in(body: str) -> str:
    """Return code and message of an error body in the protocol's shape, or "" for any other body."""
    try:
        error = jsonl.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return ""
    if isinstance(error, dict):
        return " ".join(str(error[key]) for key in ("code", "message") if error.get(key))
    return error if isinstance(error, str) else ""


def seconds_to_wait(retry_after: str) -> float:
    """Return the pause that a Retry-After header asks for, in seconds or as a date; 0 where it asks for none."""
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
