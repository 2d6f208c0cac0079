"""The documented examples from beginning to end, with real programs: ``python -m tests.walkthrough``."""
