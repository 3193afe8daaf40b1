"""A small causal world: companies, sectors, supply links and events, from which news and its labels follow."""
