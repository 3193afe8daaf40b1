"""What is sorted out before any money is spent: repeated, near-equal, foreign, overlong texts, and benchmark items."""
