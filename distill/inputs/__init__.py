"""News from wherever users keep it: JSON Lines, CSV, Parquet, Hugging Face data sets, SEC filings; bad rows named."""
