"""Parts of the export: the adapter read, merged, compared with what was trained, described and served."""
