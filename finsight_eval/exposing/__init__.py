"""Bad models by name: statistical tests for habits that a headline figure hides."""
