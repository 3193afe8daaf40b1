"""TRL's SFTTrainer with what our rows need: a shared prompt prefix, a float32 adapter, a loss that must be finite.

{"step": 12, "epoch": 0.17, "loss": 2.3104, "learning_rate": 0.00182, "grad_norm": 0.91}
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final

import torch
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

from finsight_eval.errors import InputError
from finsight_train.qlora import pin_adapter
from finsight_train.rows import IGNORED

if TYPE_CHECKING:
    from pathlib import Path

    from finsight_train.recipe import Recipe
    from finsight_train.rows import Row

#: Seconds between two lines of progress.
_PROGRESS_SECONDS: Final = 10.0


def configuration(recipe: Recipe, folder: Path) -> SFTConfig:
    """Return TRL's settings for `recipe`; `folder` receives nothing but must be named."""
    cpu = recipe.device == "cpu"
    return SFTConfig(
        output_dir=str(folder),
        seed=recipe.seed,
        data_seed=recipe.seed,
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        gradient_accumulation_steps=recipe.accumulation,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.scheduler,
        warmup_steps=recipe.warmup,  # below 1: a share of all steps
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.clip_norm,
        optim="adamw_torch",
        bf16=recipe.compute_dtype == "bfloat16",
        use_cpu=cpu,
        gradient_checkpointing=recipe.gradient_checkpointing,
        train_sampling_strategy="random",  # rows sorted by length come sorted by language, too: DIARY.md, 4
        max_length=None,  # too long a row was refused already; nothing is cut in silence
        logging_steps=1,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to="none",
        save_strategy="no",
        dataloader_pin_memory=not cpu,
    )


class Trainer(SFTTrainer):  # type: ignore[misc] # trl is untyped
    """SFTTrainer that runs the prompts' common beginning once per batch and stops at a loss that is not finite.

    Attributes:
        tokens_seen: tokens of all rows seen, prompts included, padding not.
        labelled_seen: tokens that the loss was computed on.
    """

    def __init__(self, prefix: list[int], **arguments: Any) -> None:
        super().__init__(**arguments)
        pin_adapter(self.model)  # after TRL's own __init__, which casts it
        self.prefix = torch.tensor([prefix], dtype=torch.long)
        self.tokens_seen = self.labelled_seen = 0

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,  # noqa: ARG002 - the Trainer's signature; only its evaluation asks for outputs
        num_items_in_batch: Any = None,
    ) -> Any:
        self.tokens_seen += int(inputs["attention_mask"].sum())
        self.labelled_seen += int((inputs["labels"] != IGNORED).sum())
        if self.prefix.numel():
            loss = self._loss_after_prefix(inputs, num_items_in_batch)
        else:  # TRL's head works on labelled places only, in tiles
            loss = super().compute_loss(model, inputs, num_items_in_batch=num_items_in_batch)
        if not torch.isfinite(loss):
            raise InputError(
                f"step {self.state.global_step + 1}: the loss is {loss.item()}; training stopped before the adapter "
                "was changed by it: lower learning_rate, or look for broken rows"
            )
        return loss

    def _loss_after_prefix(self, inputs: dict[str, Any], labelled: Any) -> Any:
        """Return the loss with the common prefix run once: its keys and values serve every row, gradients included."""
        model = self.model.get_base_model()
        ids, labels, skip = inputs["input_ids"], inputs["labels"], self.prefix.shape[1]
        cache = model.model(input_ids=self.prefix.to(ids.device), use_cache=True).past_key_values
        cache.batch_repeat_interleave(len(ids))
        hidden = model.model(
            input_ids=ids[:, skip:],
            attention_mask=inputs["attention_mask"],
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        wanted = labels[:, skip + 1 :]
        places = wanted != IGNORED
        logits = model.get_output_embeddings()(hidden[:, :-1][places]).float()  # the head on labelled places only
        total = torch.nn.functional.cross_entropy(logits, wanted[places], reduction="sum")
        return total / (places.sum() if labelled is None else labelled)


class Progress(TrainerCallback):  # type: ignore[misc] # transformers is untyped
    """Collects the loss curve and prints where the training stands."""

    def __init__(self) -> None:
        self.curve: list[dict[str, Any]] = []
        self._started = self._shown = time.monotonic()

    def on_log(self, _args: Any, state: Any, _control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if not logs or "loss" not in logs:
            return
        found = {key: float(logs[key]) for key in ("loss", "learning_rate", "grad_norm")}
        if not math.isfinite(found["grad_norm"]):
            raise InputError(f"step {state.global_step}: the gradient is not finite; lower learning_rate")
        self.curve.append({"step": state.global_step, "epoch": round(state.epoch, 4), **found})
        now = time.monotonic()
        if now - self._shown >= _PROGRESS_SECONDS or state.global_step in (1, state.max_steps):
            self._shown = now
            left = (now - self._started) / state.global_step * (state.max_steps - state.global_step)
            print(
                f"  step {state.global_step}/{state.max_steps}  epoch {state.epoch:.2f}  loss {found['loss']:.4f}  "
                f"{left:.0f} s left",
                flush=True,
            )


def trainer_of(
    model: Any, tokenizer: Any, rows: list[Row], prefix: list[int], args: SFTConfig
) -> tuple[Trainer, Progress]:
    """Return the trainer of `model` on `rows`, and the callback that will hold the loss curve."""
    from datasets import Dataset
    from transformers import PrinterCallback

    progress = Progress()
    data = Dataset.from_list([{"input_ids": row.input_ids, "labels": row.labels} for row in rows])
    trainer = Trainer(
        prefix, model=model, args=args, train_dataset=data, processing_class=tokenizer, callbacks=[progress]
    )
    trainer.remove_callback(PrinterCallback)
    return trainer, progress
