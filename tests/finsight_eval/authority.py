"""The authority on an answer: the jsonschema library's reading of the contract's schema.

VALIDATOR.is_valid({"entity": "NVIDIA", "sentiment": "Positive", "risk_level": "Low"}) -> True
"""

from __future__ import annotations

from typing import Final

from jsonschema import Draft202012Validator

from finsight_eval.schema import ANSWER_SCHEMA

Draft202012Validator.check_schema(ANSWER_SCHEMA)
VALIDATOR: Final = Draft202012Validator(ANSWER_SCHEMA)
