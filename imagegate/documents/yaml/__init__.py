"""YAML and JSON with the line of every value, one set of limits, and errors that name file, line and field.

``rules`` holds the limits and rules that all readers share. Knowledge of any policy does not belong here.
"""
