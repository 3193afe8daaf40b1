"""The JSON half of the answer contract, as a JSON Schema.

{"entity": "NVIDIA", "sentiment": "Positive", "risk_level": "Low"}
"""

from __future__ import annotations

from typing import Any, Final

from jsonschema import Draft202012Validator

from finsight_eval.labels import RISK_LEVELS, SENTIMENTS

KEYS: Final = ("entity", "sentiment", "risk_level")

ANSWER_SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "FinSight answer, contract version 1",
    "type": "object",
    "properties": {
        "entity": {"type": "string", "pattern": r"\S"},
        "sentiment": {"enum": list(SENTIMENTS)},
        "risk_level": {"enum": list(RISK_LEVELS)},
    },
    "required": list(KEYS),
    "additionalProperties": False,
}

Draft202012Validator.check_schema(ANSWER_SCHEMA)
VALIDATOR: Final = Draft202012Validator(ANSWER_SCHEMA)
