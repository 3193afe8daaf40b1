"""Speed benchmarks: commands that print what they measure; figures, hardware and versions stand beside them."""
