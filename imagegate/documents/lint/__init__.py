"""Findings about policy documents that load but would not do what their author expects.

Errors that stop a document from loading belong to its reader; output belongs to ``cli/lint``.
"""
