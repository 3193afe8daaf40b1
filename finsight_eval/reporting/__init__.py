"""The report of a run: its data, its tables, its words."""
