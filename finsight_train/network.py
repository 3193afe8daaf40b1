"""The model as training runs it: a pack of rows in, the loss on its labelled tokens out.

    Network(model, placement).loss(pack, 1 / labelled) -> tensor(2.3104)

Models of the Llama and Qwen2 form run on layers of our own (finsight_train.layer); every other causal model runs on its
own forward, with our attention, PEFT's adapters and bitsandbytes' NF4: slower, and the same mathematics. Where that
forward gives other logits than ours would train on, the base is refused.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch

from finsight_eval.errors import InputError
from finsight_train import documents, layer, weights
from finsight_train.head import loss_of
from finsight_train.packing import Pack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

#: So many tokens are tried on a base whose form is not known.
_TRIED: Final = 24
#: Logits may differ by so much of their size: rounding stays below it, other mathematics does not.
_APART: Final = 0.05


@dataclass(frozen=True)
class Placement:
    """What is kept in memory, and what is computed again.

    Attributes:
        tokens: tokens of one pass; None for as many as a step has.
        kept: whether the base is dequantised once and kept, or at each use.
        recomputed: how many layers compute their activations again on the way back.
    """

    tokens: int | None
    kept: bool
    recomputed: int


class Network:
    """A PEFT model on its way through training; `form` tells which layers run: "own" or "transformers"."""

    def __init__(self, model: Any, placement: Placement, dtype: torch.dtype, kernel: str) -> None:
        self.model, self.placement, self.kernel = model, placement, kernel
        self._layers = layer.layers_of(model, dtype)
        self._projections = [part for found in self._layers or () for part in found.projections()]
        if placement.kept:
            for projection in self._projections:
                projection.keep()
        self.form = "transformers" if self._layers is None else "own"
        self._attention = model.config._attn_implementation  # noqa: SLF001 - transformers has no public name for it
        if self._layers is None:
            self._check_form()
            if placement.recomputed:
                model.get_base_model().gradient_checkpointing_enable({"use_reentrant": False})
                for module in model.modules():  # else it is asked for and not done: the base itself stays at rest
                    module.training |= hasattr(module, "gradient_checkpointing")

    def loss(self, pack: Pack, scale: float) -> Tensor:
        """Return `scale` times the summed loss of the pack's labelled tokens, ready for backward."""
        head = self.model.get_base_model().get_output_embeddings().weight.detach()
        return loss_of(self._hidden(pack), head, pack.labels, scale)

    def _hidden(self, pack: Pack) -> Tensor:
        """Return what the head reads where a labelled token is predicted, (labelled, hidden)."""
        base = self.model.get_base_model()
        if self._layers is None:
            states: Tensor = base.base_model(
                input_ids=pack.ids[None],
                position_ids=pack.places[None],
                use_cache=False,
                documents=(self.kernel, pack.layout),
            ).last_hidden_state[0]
            return states[pack.sources]
        embedded = base.model.embed_tokens(pack.ids)
        # in float32, whatever the model computes in: bfloat16 would round each angle's cosine to 8 bits
        cos, sin = base.model.rotary_emb(embedded.float()[None], pack.places[None])
        now = layer.Pass(pack.layout, cos[0], sin[0], self.kernel)
        h, y = layer.run(self._layers, self.placement.recomputed, embedded.detach(), now)
        found: Tensor = base.model.norm(h.index_select(0, pack.sources) + y.index_select(0, pack.sources))
        return found

    def _check_form(self) -> None:
        """Raise InputError where some tokens, packed twice, get other logits than the model gives them alone."""
        base = self.model.get_base_model()
        head = base.get_output_embeddings().weight
        tokens = torch.arange(_TRIED, device=head.device)
        layout = documents.layout_of([(0, _TRIED), (_TRIED, 2 * _TRIED)], 0, head.device)
        pack = Pack(tokens.repeat(2), tokens.repeat(2), layout, _TRIED + tokens, tokens, 2 * _TRIED)
        with torch.no_grad():
            alone = base(input_ids=tokens[None], use_cache=False).logits[0].float()
            self.model.set_attn_implementation(documents.NAME)
            off = float(((self._hidden(pack) @ head.t()).float() - alone).norm() / alone.norm())
        if not off < _APART:
            raise InputError(
                f"a base of type {self.model.config.model_type} cannot be trained: packed, its logits are off by "
                f"{off:.0%}, since they are scaled or attention is of another kind; fine-tune another base"
            )

    def refresh(self) -> None:
        """Take over the adapter as the optimiser has left it."""
        weights.refresh(self._projections)

    @contextmanager
    def generating(self) -> Iterator[Any]:
        """Yield the model ready to generate, on the kept weights where there are any."""
        patched = []
        if self.placement.kept:
            for projection in self._projections:
                for part, module in enumerate(projection.layers):
                    module.forward = projection.forward_of(part)
                    patched.append(module)
        modes = {module: module.training for module in self.model.modules()}
        self.model.eval()
        try:
            self.model.set_attn_implementation(self._attention)
            with torch.no_grad():
                yield self.model
        finally:
            for module, training in modes.items():
                module.training = training
            if self._layers is None:
                self.model.set_attn_implementation(documents.NAME)
            for module in patched:
                del module.forward
