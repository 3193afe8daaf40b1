"""The embedded teacher: a rule-based financial analyst behind a local server that speaks the OpenAI protocol."""
