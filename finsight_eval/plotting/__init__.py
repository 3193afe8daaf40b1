"""The pictures of reports, each drawn for light and dark pages."""
