"""Suites of policy tests and their lock files: text to values, with file, line and field in every error.

Nothing is run here: ``service/policy_tests`` answers questions from fixtures, ``cli/policy_tests`` runs suites.
"""
