"""From news to a training set: a simulator, a teacher, the checks on its answers, the export. Runs from the root."""
