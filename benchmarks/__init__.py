"""What FinSight is measured against: benchmark sets with their guidelines, suites, policies, and the checks on them.

Run from the project's root, never installed: `python -m benchmarks.check`, `python -m benchmarks.seal SET`.
"""
