"""What LLaMA-Factory makes of our files; run by the Python of its own environment, which has no package of ours.

    $FINSIGHT_LLAMAFACTORY tests/interop/llamafactory_ids.py train.yaml found.json KEY=VALUE ...

    {"finsight_alpaca": [[[151644, 8948, ...], [-100, -100, ...]], ...], "finsight_sharegpt": [...],
     "arguments": {"lora_rank": 16, ...}, "quantisation": {"bnb_4bit_quant_type": "nf4", ...}}

The YAML goes through LLaMA-Factory's own argument parser, which refuses unknown keys, and the rows through the
functions that its trainer calls: both data sets as [input ids, labels].
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

DATASETS = ("finsight_alpaca", "finsight_sharegpt")


def main() -> None:
    """Write what was found to the second argument."""
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer  # type: ignore[import-not-found]
    from llamafactory.hparams import get_train_args  # type: ignore[import-not-found]
    from llamafactory.model import load_tokenizer  # type: ignore[import-not-found]
    from llamafactory.model.model_utils.quantization import configure_quantization  # type: ignore[import-not-found]
    from omegaconf import OmegaConf  # type: ignore[import-not-found]
    from transformers import AutoConfig

    given = OmegaConf.merge(OmegaConf.load(sys.argv[1]), OmegaConf.from_cli(sys.argv[3:]))
    model, data, training, finetuning, _ = get_train_args(OmegaConf.to_container(given))
    loaded = load_tokenizer(model)
    template = get_template_and_fix_tokenizer(loaded["tokenizer"], data)
    found: dict[str, Any] = {}
    for name in DATASETS:
        data.dataset = [name]
        rows = get_dataset(template, model, data, training, stage=finetuning.stage, **loaded)["train_dataset"]
        found[name] = [[row["input_ids"], row["labels"]] for row in rows]
    loading: dict[str, Any] = {}
    configure_quantization(
        AutoConfig.from_pretrained(model.model_name_or_path), loaded["tokenizer"], model, True, loading
    )
    found["quantisation"] = loading["quantization_config"].to_dict()
    found["arguments"] = {**asdict(data), **asdict(finetuning), **training.to_dict()}
    Path(sys.argv[2]).write_text(json.dumps(found, default=str), encoding="utf-8")


if __name__ == "__main__":
    main()
