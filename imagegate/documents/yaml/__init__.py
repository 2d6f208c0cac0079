"""YAML and JSON with the line of every value, one set of limits, and errors that name file, line and field."""
