"""Which bases run on layers of our own, which on their own forward, and which are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from finsight_eval.errors import InputError
from finsight_train.documents import SDPA
from finsight_train.network import Network, Placement
from finsight_train.packing import pack_of
from tests.finsight_train.adapted import PREFIX, ROWS, base_of, furthest, gradients, model_of, plain_loss


@pytest.mark.parametrize(
    ("kind", "changes", "form"),
    [
        ("llama", {}, "own"),
        ("llama", {"attention_bias": True, "mlp_bias": True, "head_dim": 24}, "own"),
        ("llama", {"num_key_value_heads": 4, "tie_word_embeddings": True}, "own"),
        ("mistral", {"sliding_window": None}, "own"),
        ("qwen2", {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4}}, "own"),
        ("qwen2", {"hidden_act": "gelu"}, "transformers"),
        ("mistral", {"sliding_window": 64}, "transformers"),
        ("qwen3", {"head_dim": 24}, "transformers"),
        ("smollm3", {"no_rope_layers": [1, 0, 1]}, "transformers"),
        ("gemma", {"head_dim": 16}, "transformers"),
        ("gpt_neox", {"hidden_act": "gelu"}, "transformers"),
    ],
)
def test_other_architectures(tmp_path: Path, kind: str, changes: dict[str, Any], form: str) -> None:
    """What computes as ours do runs on our layers, what merely looks like it on its own: the loss is PEFT's."""
    model = model_of(base_of(tmp_path, kind, **changes))
    right = [plain_loss(model, row) for row in ROWS]
    grads = gradients(model, torch.stack(right).sum())
    network = Network(model, Placement(160, kept=True, recomputed=1), torch.float32, SDPA)
    assert network.form == form
    found = network.loss(pack_of(ROWS, PREFIX, 160, "cpu"), 1.0)
    assert float(found.detach()) == pytest.approx(sum(float(loss.detach()) for loss in right), rel=1e-6)
    assert furthest(gradients(model, found), grads) < 1e-4


@pytest.mark.parametrize(
    ("kind", "changes", "says"),
    [
        ("granite", {"logits_scaling": 2.0}, "type granite cannot be trained: packed, its logits are off by 100%"),
        ("cohere", {"logit_scale": 0.5}, "type cohere cannot be trained"),
        ("mistral", {"sliding_window": 20}, "see 20 tokens at most, and a row has 24"),
        ("stablelm", {}, "do not hand on which row a token is of"),
    ],
)
def test_what_would_train_on_other_numbers_is_refused(
    tmp_path: Path, kind: str, changes: dict[str, Any], says: str
) -> None:
    """Before the first step, and with a reason."""
    model = model_of(base_of(tmp_path, kind, **changes))
    with pytest.raises(InputError, match=says):
        Network(model, Placement(160, kept=True, recomputed=0), torch.float32, SDPA)
