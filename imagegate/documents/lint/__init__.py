"""Findings about policy documents that load, and would not do what their author expects."""
