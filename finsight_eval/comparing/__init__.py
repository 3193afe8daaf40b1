"""Any number of models, accepted baselines over time, and the benchmarks themselves: what their pages are made of."""
