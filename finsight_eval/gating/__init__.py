"""The gate: what must hold before models are compared, the checks and their rulings, and what is written of them."""
