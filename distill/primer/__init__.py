"""Pretraining text for finsight-nano: news of the simulated world, plain words about it, and everyday things."""
