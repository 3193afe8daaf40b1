"""Training: the base model `finsight-nano`, QLoRA fine-tuning, and their recipes.

The only package of this project that imports torch, transformers, peft, trl and bitsandbytes, and only inside commands:
importing `finsight_train` itself needs none of them.
"""
