"""From a recipe to the endpoint that it names, with the key out of the environment.

    with base_url(recipe) as url: endpoint(recipe, url) -> Endpoint("api.deepseek.com/deepseek-flash", url, ...)

The key is in no file, no setting and no repr; it leaves this process in the header of a request only.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from distill import answers
from distill.recipe import EMBEDDED
from finsight_eval.errors import InputError

if TYPE_CHECKING:
    from distill.client import Endpoint
    from distill.recipe import Recipe


def key_of(recipe: Recipe) -> str:
    if recipe.api_key_env is None:
        return ""
    key = os.environ.get(recipe.api_key_env, "").strip()
    if not key:
        raise InputError(
            f"recipe {recipe.name}: the environment variable {recipe.api_key_env} holds no key; "
            f"set it (export {recipe.api_key_env}=...) and run the same command again"
        )
    if not key.isascii() or not key.isprintable() or set(key) & set("\"'\\ "):
        raise InputError(
            f"the environment variable {recipe.api_key_env} holds characters that no key has; set it again"
        )
    return key


def base_url(recipe: Recipe) -> contextlib.AbstractContextManager[str]:
    """Return the endpoint's URL; the embedded teacher's server runs for as long as it is entered."""
    if recipe.base_url != EMBEDDED:
        return contextlib.nullcontext(recipe.base_url)
    from distill.teacher.server import serving

    return serving()


def endpoint(recipe: Recipe, base_url: str) -> Endpoint:
    from distill.client import Endpoint

    teacher = answers.teacher_of(recipe)
    return Endpoint(
        name=f"{teacher['host']}/{teacher['model']}",
        base_url=base_url,
        model=recipe.model,
        concurrency=recipe.concurrency,
        timeout_seconds=recipe.timeout_seconds,
        max_attempts=recipe.max_attempts,
        seed=recipe.seed,
        key_env=recipe.api_key_env,
        key=key_of(recipe),
    )
